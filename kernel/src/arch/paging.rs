//! Page tables.
//!
//! The loader maps the kernel and all that the firmware's memory map mentions.
//! What it does not mention (persistent ranges, device registers) and what needs
//! guard pages (stacks) the kernel maps itself, in parts of the address space
//! that the loader left unused, with the largest pages that fit.
//!
//! What the direct map shows of persistent memory is hidden first ([`hide`]).
//!
//! Nothing is ever unmapped, and no right ever taken away, once a second
//! processor runs: entries only turn from absent to present. Therefore no
//! processor has to be told to forget a translation.

mod hide;

use core::fmt;

use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use x86_64::{
    PhysAddr as EntryAddr, VirtAddr,
    registers::control::{Cr3, Cr4, Cr4Flags},
    structures::paging::{PageTable, PageTableFlags, page_table::PageTableEntry},
};

use super::{cpu, to_usize};
use crate::mem::DirectMap;

/// Entries of a table.
const ENTRIES: usize = 512;

/// Where page tables get their frames.
pub(crate) trait FrameSource {
    /// Returns a frame that nothing else uses and that the direct map covers.
    fn frame(&mut self) -> Option<PhysAddr>;
}

/// What may be done with a mapping; nothing is both writable and executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read, cached.
    Read,
    /// Read and write, cached write-back.
    Write,
    /// Read and write device registers, not cached.
    Device,
    /// Read and execute, for the page in which another processor starts.
    Execute,
}

impl Access {
    fn flags(self) -> PageTableFlags {
        let present = PageTableFlags::PRESENT;
        let uncached = PageTableFlags::NO_CACHE | PageTableFlags::WRITE_THROUGH;
        match self {
            Self::Read => present | PageTableFlags::NO_EXECUTE,
            Self::Write => present | PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE,
            Self::Device => Self::Write.flags() | uncached,
            Self::Execute => present,
        }
    }
}

/// Why a range can't be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// No frame is left for a table.
    OutOfFrames {
        /// What was to be mapped.
        address: VirtAddr,
    },
    /// Something is mapped there already.
    Occupied {
        /// Where.
        address: VirtAddr,
    },
    /// The address space has no room.
    OutOfAddresses {
        /// How many bytes were to be mapped.
        len_bytes: u64,
    },
    /// The range does not consist of whole frames.
    Misaligned {
        /// The range.
        range: PhysRange,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFrames { address } => {
                write!(f, "no frame is left for the page table of {address:#x}")
            }
            Self::Occupied { address } => write!(f, "{address:#x} is mapped already"),
            Self::OutOfAddresses { len_bytes } => {
                write!(f, "the address space has no room for {len_bytes} bytes")
            }
            Self::Misaligned { range } => write!(f, "{range} does not consist of whole frames"),
        }
    }
}

/// A tree of page tables.
pub(crate) struct AddressSpace {
    direct: DirectMap,
    root: PhysAddr,
    levels: u8,
    largest_level: u8,
}

impl AddressSpace {
    /// Returns the address space in force.
    ///
    /// # Safety
    ///
    /// 1. Nothing else changes its page tables from now on.
    pub(crate) unsafe fn current(direct: DirectMap) -> Self {
        let (root, _) = Cr3::read_raw();
        Self::rooted(direct, PhysAddr(root.start_address().as_u64()))
    }

    /// Returns a new address space with the same mappings, its root in the frame
    /// at `root`.
    ///
    /// # Safety
    ///
    /// 1. The frame is unused, and the direct map covers it.
    pub(crate) unsafe fn fork(&self, root: PhysAddr) -> Self {
        let fork = Self::rooted(self.direct, root);
        // SAFETY: the root is a frame of the direct map, and only this address
        // space changes it.
        let original = unsafe { self.table(self.root).read() };
        // SAFETY: clause 1.
        unsafe { fork.table(root).write(original) };
        fork
    }

    fn rooted(direct: DirectMap, root: PhysAddr) -> Self {
        let five = Cr4::read().contains(Cr4Flags::L5_PAGING);
        Self {
            direct,
            root,
            levels: if five { 5 } else { 4 },
            largest_level: if cpu::has_giant_pages() { 3 } else { 2 },
        }
    }

    /// Returns the physical address of the root table.
    pub(crate) fn root(&self) -> PhysAddr {
        self.root
    }

    /// Returns the first address of `len_bytes` in the upper half of which no
    /// part is mapped.
    ///
    /// A fifth level is not made use of: [`VirtAddr`] has 48 bits, and their upper
    /// half is behind its last entry.
    pub(crate) fn unused(&self, len_bytes: u64) -> Option<VirtAddr> {
        const LEVEL: u8 = 4;
        let table = match self.levels {
            LEVEL => self.root,
            _ => {
                // SAFETY: the root is a frame of the direct map.
                let last = unsafe { &*self.entry_of(self.root, ENTRIES - 1) };
                PhysAddr(last.addr().as_u64())
            }
        };
        let wanted = to_usize(len_bytes.div_ceil(page_bytes(LEVEL)));
        let mut run = 0;
        for index in ENTRIES / 2..ENTRIES {
            // SAFETY: the table is in force, since it maps this kernel, so it is a
            // frame of the direct map; `index` is within it.
            let entry = unsafe { &*self.entry_of(table, index) };
            run = if entry.is_unused() { run + 1 } else { 0 };
            if run == wanted {
                let first = (index + 1 - run) as u64;
                return Some(VirtAddr::new_truncate(first * page_bytes(LEVEL)));
            }
        }
        None
    }

    /// Maps `range` to consecutive addresses from `start`; returns the bytes of
    /// the largest page used.
    ///
    /// # Errors
    ///
    /// Returns [`MapError`]; what was mapped until then stays mapped.
    ///
    /// # Safety
    ///
    /// 1. The addresses belong to the caller alone.
    pub(crate) unsafe fn map(
        &mut self,
        frames: &mut impl FrameSource,
        start: VirtAddr,
        range: PhysRange,
        access: Access,
    ) -> Result<u64, MapError> {
        if range.shrink_to(FRAME_SIZE as u64) != range {
            return Err(MapError::Misaligned { range });
        }
        let mut largest = 0;
        let mut done = 0;
        while done < range.len_bytes() {
            let (address, target) = (start + done, range.start().0 + done);
            let level = self.leaf_level(address, target, range.len_bytes() - done);
            let entry = self.walk(address, level, frames)?;
            if !entry.is_unused() {
                return Err(MapError::Occupied { address });
            }
            let size = match level {
                1 => PageTableFlags::empty(),
                _ => PageTableFlags::HUGE_PAGE,
            };
            entry.set_addr(EntryAddr::new(target), access.flags() | size);
            largest = largest.max(page_bytes(level));
            done += page_bytes(level);
        }
        Ok(largest)
    }

    /// Unmaps `len_bytes` from `start`, which [`AddressSpace::map`] has mapped.
    ///
    /// # Safety
    ///
    /// 1. Nothing refers to the memory through these addresses any more.
    /// 2. No other processor runs.
    pub(crate) unsafe fn unmap(&mut self, start: VirtAddr, len_bytes: u64) {
        let mut done = 0;
        while done < len_bytes {
            let address = start + done;
            let (entry, level) = self.leaf(address);
            // SAFETY: an entry of a table that only this address space changes.
            unsafe { entry.write(PageTableEntry::new()) };
            x86_64::instructions::tlb::flush(address);
            done += page_bytes(level);
        }
    }

    /// The level of the largest page that maps `address` to `target` without
    /// exceeding `len_bytes`.
    fn leaf_level(&self, address: VirtAddr, target: u64, len_bytes: u64) -> u8 {
        let fits = |level: &u8| {
            let bytes = page_bytes(*level);
            (address.as_u64() | target).is_multiple_of(bytes) && bytes <= len_bytes
        };
        (2..=self.largest_level).rev().find(fits).unwrap_or(1)
    }

    /// Returns the entry for `address` at `level`; makes the tables above it.
    fn walk(
        &mut self,
        address: VirtAddr,
        level: u8,
        frames: &mut impl FrameSource,
    ) -> Result<&mut PageTableEntry, MapError> {
        let mut table = self.root;
        for above in (level + 1..=self.levels).rev() {
            // SAFETY: `table` is a page table, which the direct map covers and
            // only this address space changes; the reference ends in this turn.
            let entry = unsafe { &mut *self.entry_of(table, index(address, above)) };
            if entry.is_unused() {
                let frame = frames.frame().ok_or(MapError::OutOfFrames { address })?;
                // SAFETY: the frame is unused and covered (`FrameSource`).
                unsafe { self.table(frame).write(PageTable::new()) };
                let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
                entry.set_addr(EntryAddr::new(frame.0), flags);
            } else if entry.flags().contains(PageTableFlags::HUGE_PAGE) {
                return Err(MapError::Occupied { address });
            }
            table = PhysAddr(entry.addr().as_u64());
        }
        // SAFETY: as above; `&mut self` makes it the only reference.
        Ok(unsafe { &mut *self.entry_of(table, index(address, level)) })
    }

    /// Returns the entry that maps `address`, and its level.
    ///
    /// # Panics
    ///
    /// Panics if nothing maps the address: the caller has never mapped it.
    fn leaf(&self, address: VirtAddr) -> (*mut PageTableEntry, u8) {
        let mut table = self.root;
        for level in (1..=self.levels).rev() {
            let pointer = self.entry_of(table, index(address, level));
            // SAFETY: as in `walk`, but nothing is written.
            let entry = unsafe { pointer.read() };
            assert!(!entry.is_unused(), "{address:#x} is not mapped");
            if level == 1 || entry.flags().contains(PageTableFlags::HUGE_PAGE) {
                return (pointer, level);
            }
            table = PhysAddr(entry.addr().as_u64());
        }
        unreachable!("level 1 always returns")
    }

    fn table(&self, table: PhysAddr) -> *mut PageTable {
        self.direct.pointer(table).cast()
    }

    fn entry_of(&self, table: PhysAddr, index: usize) -> *mut PageTableEntry {
        let first: *mut PageTableEntry = self.table(table).cast();
        first.wrapping_add(index)
    }
}

/// Returns the bytes of the page with which the direct map shows an address.
pub(crate) fn page_bytes_at(direct: DirectMap, address: PhysAddr) -> u64 {
    let (root, _) = Cr3::read_raw();
    let space = AddressSpace::rooted(direct, PhysAddr(root.start_address().as_u64()));
    let (_, level) = space.leaf(VirtAddr::from_ptr(direct.pointer(address)));
    page_bytes(level)
}

/// Bytes that an entry at `level` maps.
const fn page_bytes(level: u8) -> u64 {
    (FRAME_SIZE as u64) << (9 * (level - 1))
}

/// Number of the entry for `address` in a table at `level`.
fn index(address: VirtAddr, level: u8) -> usize {
    to_usize(address.as_u64() / page_bytes(level)) % ENTRIES
}
