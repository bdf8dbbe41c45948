//! The kernel's file: parsed, checked, never trusted.
//!
//! The loader turns the segments of this file into executable memory, so it
//! accepts only what it fully understands: a static 64-bit executable whose
//! segments are whole pages, apart from each other, and never both writable and
//! executable. Relocations, interpreters and thread-local storage have no one to
//! handle them and are refused rather than ignored.
//!
//! Source: System V ABI, chapters 4 and 5; AMD64 supplement, chapter 4.

mod error;
mod raw;

pub use error::ElfError;

use arrayvec::ArrayVec;
use bootloader_api::BootloaderConfig;
use x86_64::VirtAddr;

use crate::PAGE_SIZE;
use crate::paging::Access;
use raw::{Header, ProgramHeader, SectionHeader};

/// The most segments that a kernel can have; the linker script makes three.
pub const MAX_SEGMENTS: usize = 8;

/// The section in which a kernel tells what it asks of its loader.
const CONFIG_SECTION: &[u8] = b".bootloader-config";

const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

/// A kernel that can be loaded.
#[derive(Debug)]
pub struct Kernel<'a> {
    /// Where it begins to run.
    pub entry: VirtAddr,
    /// What it asks of its loader.
    pub config: BootloaderConfig,
    /// Its parts, in ascending order of address.
    pub segments: ArrayVec<Segment<'a>, MAX_SEGMENTS>,
}

/// A part of the kernel with one kind of access.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Where it begins, at the start of a page.
    pub start: VirtAddr,
    /// Its first bytes; the remaining ones are zero.
    pub data: &'a [u8],
    /// Its length in bytes, at least that of the data.
    pub len_bytes: u64,
    /// What the kernel may do with it.
    pub access: Access,
}

impl<'a> Kernel<'a> {
    /// Reads `file`, the whole ELF file.
    ///
    /// # Errors
    ///
    /// [`ElfError`] says what the loader does not accept.
    pub fn parse(file: &'a [u8]) -> Result<Self, ElfError> {
        let header = Header::parse(file)?;
        let mut segments = ArrayVec::new();
        for index in 0..header.program_headers {
            let program_header = header.program_header(file, index)?;
            match program_header.kind {
                raw::LOAD if program_header.memory_len == 0 => {}
                raw::LOAD => segments
                    .try_push(segment(file, &program_header)?)
                    .map_err(|_| ElfError::TooManySegments)?,
                raw::DYNAMIC | raw::INTERPRETER | raw::THREAD_LOCAL => {
                    return Err(ElfError::UnsupportedSegment {
                        kind: program_header.kind,
                    });
                }
                _ => {}
            }
        }
        segments.sort_unstable_by_key(|segment| segment.start);
        check_apart(&segments)?;
        check_entry(header.entry, &segments)?;
        let config = config(file, &header)?;
        Ok(Self {
            entry: VirtAddr::new(header.entry),
            config,
            segments,
        })
    }

    /// Returns the lowest address of a segment.
    pub fn start(&self) -> VirtAddr {
        // `parse` has found the entry in a segment, so there is one.
        self.segments
            .first()
            .map_or(self.entry, |segment| segment.start)
    }
}

fn segment<'a>(file: &'a [u8], header: &ProgramHeader) -> Result<Segment<'a>, ElfError> {
    let address = header.address;
    let data = raw::slice(file, header.offset, header.file_len)?;
    if header.file_len > header.memory_len {
        return Err(ElfError::DataExceedsSegment { address });
    }
    // The offset too: loaders that map the file's pages in place need it.
    if !address.is_multiple_of(PAGE_SIZE) || !header.offset.is_multiple_of(PAGE_SIZE) {
        return Err(ElfError::UnalignedSegment { address });
    }
    let last = address.checked_add(header.memory_len - 1);
    let start = VirtAddr::try_new(address)
        .ok()
        .filter(|_| address != 0 && last.is_some_and(|last| last >> 47 == address >> 47))
        .ok_or(ElfError::OutOfRange { address })?;
    Ok(Segment {
        start,
        data,
        len_bytes: header.memory_len,
        access: access(header)?,
    })
}

fn access(header: &ProgramHeader) -> Result<Access, ElfError> {
    match header.flags & (READ | WRITE | EXECUTE) {
        READ => Ok(Access::Read),
        flags if flags == READ | EXECUTE => Ok(Access::ReadExecute),
        flags if flags == READ | WRITE => Ok(Access::ReadWrite),
        flags => Err(ElfError::BadAccess {
            address: header.address,
            flags,
        }),
    }
}

/// Segments have different rights, so they may not share a page.
fn check_apart(segments: &[Segment<'_>]) -> Result<(), ElfError> {
    for pair in segments.windows(2) {
        let [low, high] = pair else { continue };
        let last = low.start.as_u64() + (low.len_bytes - 1);
        if last | (PAGE_SIZE - 1) >= high.start.as_u64() {
            return Err(ElfError::Overlap {
                address: high.start.as_u64(),
            });
        }
    }
    Ok(())
}

fn check_entry(entry: u64, segments: &[Segment<'_>]) -> Result<(), ElfError> {
    segments
        .iter()
        .filter(|segment| segment.access == Access::ReadExecute)
        .find(|segment| {
            let offset = entry.checked_sub(segment.start.as_u64());
            offset.is_some_and(|offset| offset < segment.len_bytes)
        })
        .map(|_| ())
        .ok_or(ElfError::BadEntry { entry })
}

fn config(file: &[u8], header: &Header) -> Result<BootloaderConfig, ElfError> {
    let names = header.section_header(file, header.names_section)?;
    let names = raw::slice(file, names.offset, names.len)?;
    let mut config = None;
    for index in 0..header.section_headers {
        let section = header.section_header(file, index)?;
        if section.is_relocation() {
            return Err(ElfError::Relocations);
        }
        if section.name(names) == Some(CONFIG_SECTION) {
            config = Some(section);
        }
    }
    let SectionHeader { offset, len, .. } = config.ok_or(ElfError::NoConfig)?;
    BootloaderConfig::deserialize(raw::slice(file, offset, len)?)
        .map_err(|reason| ElfError::BadConfig { reason })
}

#[cfg(test)]
mod tests;
