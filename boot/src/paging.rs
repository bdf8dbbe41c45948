//! Page tables for the kernel, built before they are used.
//!
//! The builder works on the [`Arena`]'s bytes instead of on live tables, so a
//! test can build tables for any machine and walk them independently. A mapping
//! is writable or executable but never both: [`Access`] has no such value.

use core::fmt;

use frame::PhysAddr;
use x86_64::VirtAddr;
use x86_64::structures::paging::PageTableFlags;

use crate::PAGE_SIZE;
use crate::arena::{Arena, OutOfMemory};

const ENTRIES: u64 = 512;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What the kernel may do with mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and execute.
    ReadExecute,
    /// Read and write.
    ReadWrite,
}

/// The size of a page, each 512 times the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageSize {
    /// 4 KiB, in a level 1 table.
    Base,
    /// 2 MiB, in a level 2 table.
    Huge,
    /// 1 GiB, in a level 3 table.
    Giant,
}

/// The depth of the page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// 48 bits of virtual address.
    Four,
    /// 57 bits of virtual address.
    Five,
}

/// Why a mapping could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// An address or the length is no multiple of the page size.
    Unaligned {
        /// Start of the virtual range.
        virt: VirtAddr,
        /// Start of the physical range.
        phys: PhysAddr,
        /// Length in bytes.
        len_bytes: u64,
    },
    /// The range leaves the address space or crosses its unusable middle.
    OutOfRange {
        /// Start of the virtual range.
        virt: VirtAddr,
        /// Length in bytes.
        len_bytes: u64,
    },
    /// Something is mapped there already.
    Occupied {
        /// The page in question.
        virt: VirtAddr,
    },
    /// No memory for another table.
    OutOfMemory(OutOfMemory),
}

/// A hierarchy of page tables under construction.
#[derive(Clone, Copy, Debug)]
pub struct PageTables {
    root: PhysAddr,
    levels: Levels,
}

impl PageTables {
    /// Returns tables that map nothing.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the arena has no page left.
    pub fn new(arena: &mut Arena<'_>, levels: Levels) -> Result<Self, OutOfMemory> {
        let root = arena.allocate(PAGE_SIZE)?;
        Ok(Self { root, levels })
    }

    /// Returns the address of the topmost table: the value for CR3.
    pub fn root(&self) -> PhysAddr {
        self.root
    }

    /// Maps `len_bytes` bytes from `virt` to `phys` with the largest pages up to
    /// `largest` that both alignments permit.
    ///
    /// # Errors
    ///
    /// [`MapError`]; pages before the one in question have been mapped.
    pub fn map(
        &mut self,
        arena: &mut Arena<'_>,
        virt: VirtAddr,
        phys: PhysAddr,
        len_bytes: u64,
        access: Access,
        largest: PageSize,
    ) -> Result<(), MapError> {
        check(virt, phys, len_bytes)?;
        let mut done = 0;
        while done < len_bytes {
            let page = Page {
                virt: virt + done,
                phys: PhysAddr(phys.0 + done),
            };
            let size = page.size(len_bytes - done, largest);
            self.map_page(arena, page, size, access)?;
            done += size.bytes();
        }
        Ok(())
    }

    fn map_page(
        &mut self,
        arena: &mut Arena<'_>,
        page: Page,
        size: PageSize,
        access: Access,
    ) -> Result<(), MapError> {
        let mut table = self.root;
        for level in (size.level() + 1..=self.levels.depth()).rev() {
            table = next_table(arena, entry(table, page.virt, level), page.virt)?;
        }
        let leaf = entry(table, page.virt, size.level());
        if arena.word(leaf) != 0 {
            return Err(MapError::Occupied { virt: page.virt });
        }
        arena.set_word(leaf, page.phys.0 | (size.flags() | access.flags()).bits());
        Ok(())
    }
}

/// Returns the table that an entry points to; makes it if there is none.
fn next_table(
    arena: &mut Arena<'_>,
    entry: PhysAddr,
    virt: VirtAddr,
) -> Result<PhysAddr, MapError> {
    let word = arena.word(entry);
    if word == 0 {
        let table = arena.allocate(PAGE_SIZE)?;
        // Rights are granted by the leaf alone.
        let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
        arena.set_word(entry, table.0 | flags.bits());
        return Ok(table);
    }
    if PageTableFlags::from_bits_retain(word).contains(PageTableFlags::HUGE_PAGE) {
        return Err(MapError::Occupied { virt });
    }
    Ok(PhysAddr(word & ADDRESS))
}

fn entry(table: PhysAddr, virt: VirtAddr, level: u32) -> PhysAddr {
    let index = virt.as_u64() >> (12 + 9 * (level - 1)) & (ENTRIES - 1);
    PhysAddr(table.0 + index * size_of::<u64>() as u64)
}

fn check(virt: VirtAddr, phys: PhysAddr, len_bytes: u64) -> Result<(), MapError> {
    if !(virt.as_u64() | phys.0 | len_bytes).is_multiple_of(PAGE_SIZE) || phys.0 & !ADDRESS != 0 {
        return Err(MapError::Unaligned {
            virt,
            phys,
            len_bytes,
        });
    }
    let last = virt.as_u64().checked_add(len_bytes.saturating_sub(1));
    // Both ends in the same half: nothing in between is non-canonical.
    match last {
        Some(last) if last >> 47 == virt.as_u64() >> 47 => Ok(()),
        _ => Err(MapError::OutOfRange { virt, len_bytes }),
    }
}

/// One virtual page and the memory behind it.
#[derive(Clone, Copy)]
struct Page {
    virt: VirtAddr,
    phys: PhysAddr,
}

impl Page {
    fn size(self, left_bytes: u64, largest: PageSize) -> PageSize {
        [PageSize::Giant, PageSize::Huge]
            .into_iter()
            .filter(|&size| size <= largest && size.bytes() <= left_bytes)
            .find(|size| (self.virt.as_u64() | self.phys.0).is_multiple_of(size.bytes()))
            .unwrap_or(PageSize::Base)
    }
}

impl PageSize {
    /// Returns the size in bytes.
    pub const fn bytes(self) -> u64 {
        PAGE_SIZE << (9 * (self.level() - 1))
    }

    /// Returns the level of the table that holds the entry of such a page.
    const fn level(self) -> u32 {
        match self {
            Self::Base => 1,
            Self::Huge => 2,
            Self::Giant => 3,
        }
    }

    fn flags(self) -> PageTableFlags {
        match self {
            Self::Base => PageTableFlags::PRESENT,
            Self::Huge | Self::Giant => PageTableFlags::PRESENT | PageTableFlags::HUGE_PAGE,
        }
    }
}

const _: () = assert!(PageSize::Huge.bytes() == frame::HUGE_SIZE as u64);
const _: () = assert!(PageSize::Giant.bytes() == frame::GIANT_SIZE as u64);

impl Levels {
    const fn depth(self) -> u32 {
        match self {
            Self::Four => 4,
            Self::Five => 5,
        }
    }
}

impl Access {
    fn flags(self) -> PageTableFlags {
        match self {
            Self::Read => PageTableFlags::NO_EXECUTE,
            Self::ReadExecute => PageTableFlags::empty(),
            Self::ReadWrite => PageTableFlags::NO_EXECUTE | PageTableFlags::WRITABLE,
        }
    }
}

/// Returns an upper bound for the tables that map `len_bytes` bytes contiguously
/// with pages of one size.
pub const fn tables_for(len_bytes: u64, size: PageSize) -> u64 {
    let mut total = 0;
    let mut covered = size.bytes() * ENTRIES;
    let mut level = size.level();
    while level <= 5 {
        // One more where the range begins in the middle of a table.
        total += len_bytes.div_ceil(covered) + 1;
        covered = covered.saturating_mul(ENTRIES);
        level += 1;
    }
    total
}

impl From<OutOfMemory> for MapError {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaligned {
                virt,
                phys,
                len_bytes,
            } => write!(
                f,
                "{len_bytes:#x} bytes at {phys} can not be mapped at {virt:#x} in whole pages"
            ),
            Self::OutOfRange { virt, len_bytes } => {
                write!(
                    f,
                    "{len_bytes:#x} bytes at {virt:#x} leave the address space"
                )
            }
            Self::Occupied { virt } => write!(f, "{virt:#x} is mapped already"),
            Self::OutOfMemory(error) => write!(f, "no memory for page tables: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
