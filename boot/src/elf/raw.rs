//! The fields of an ELF file, read from its bytes.

use super::ElfError;

pub(super) const LOAD: u32 = 1;
pub(super) const DYNAMIC: u32 = 2;
pub(super) const INTERPRETER: u32 = 3;
pub(super) const THREAD_LOCAL: u32 = 7;

const HEADER_LEN: u64 = 64;
const PROGRAM_HEADER_LEN: u64 = 56;
const SECTION_HEADER_LEN: u64 = 64;

/// Magic number, 64 bit, little endian, version 1.
const IDENTIFICATION: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
const TYPE_EXECUTABLE: u16 = 2;
const MACHINE_X86_64: u16 = 62;

/// What the ELF header says of the rest.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) entry: u64,
    program_header_offset: u64,
    pub(super) program_headers: u16,
    section_header_offset: u64,
    pub(super) section_headers: u16,
    pub(super) names_section: u16,
}

/// A program header: a segment to be.
#[derive(Debug)]
pub(super) struct ProgramHeader {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_len: u64,
    pub(super) memory_len: u64,
}

/// A section header.
#[derive(Debug)]
pub(super) struct SectionHeader {
    name: u32,
    kind: u32,
    flags: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Header {
    pub(super) fn parse(file: &[u8]) -> Result<Self, ElfError> {
        let bytes = slice(file, 0, HEADER_LEN)?;
        if !bytes.starts_with(&IDENTIFICATION) {
            return Err(ElfError::NotElf);
        }
        let (kind, machine) = (half(bytes, 16), half(bytes, 18));
        if (kind, machine) != (TYPE_EXECUTABLE, MACHINE_X86_64) {
            return Err(ElfError::NotStaticExecutable { kind, machine });
        }
        let (program_header_len, section_header_len) = (half(bytes, 54), half(bytes, 58));
        if u64::from(program_header_len) != PROGRAM_HEADER_LEN
            || u64::from(section_header_len) != SECTION_HEADER_LEN
        {
            return Err(ElfError::BadHeaderLength {
                program_header_len,
                section_header_len,
            });
        }
        Ok(Self {
            entry: word(bytes, 24),
            program_header_offset: word(bytes, 32),
            program_headers: half(bytes, 56),
            section_header_offset: word(bytes, 40),
            section_headers: half(bytes, 60),
            names_section: half(bytes, 62),
        })
    }

    pub(super) fn program_header(
        &self,
        file: &[u8],
        index: u16,
    ) -> Result<ProgramHeader, ElfError> {
        let start = element(self.program_header_offset, PROGRAM_HEADER_LEN, index)?;
        let bytes = slice(file, start, PROGRAM_HEADER_LEN)?;
        Ok(ProgramHeader {
            kind: int(bytes, 0),
            flags: int(bytes, 4),
            offset: word(bytes, 8),
            address: word(bytes, 16),
            file_len: word(bytes, 32),
            memory_len: word(bytes, 40),
        })
    }

    pub(super) fn section_header(
        &self,
        file: &[u8],
        index: u16,
    ) -> Result<SectionHeader, ElfError> {
        let start = element(self.section_header_offset, SECTION_HEADER_LEN, index)?;
        let bytes = slice(file, start, SECTION_HEADER_LEN)?;
        Ok(SectionHeader {
            name: int(bytes, 0),
            kind: int(bytes, 4),
            flags: word(bytes, 8),
            offset: word(bytes, 24),
            len: word(bytes, 32),
        })
    }
}

impl SectionHeader {
    /// Returns whether these are relocations of memory, not of debugging data.
    pub(super) fn is_relocation(&self) -> bool {
        const WITH_ADDENDS: u32 = 4;
        const WITHOUT_ADDENDS: u32 = 9;
        const ALLOCATED: u64 = 2;
        matches!(self.kind, WITH_ADDENDS | WITHOUT_ADDENDS) && self.flags & ALLOCATED != 0
    }

    /// Returns the name, cut from the section of names.
    pub(super) fn name<'a>(&self, names: &'a [u8]) -> Option<&'a [u8]> {
        let rest = names.get(usize::try_from(self.name).ok()?..)?;
        rest.split(|&byte| byte == 0).next()
    }
}

/// Returns `len` bytes of the file.
pub(super) fn slice(file: &[u8], start: u64, len: u64) -> Result<&[u8], ElfError> {
    let truncated = ElfError::Truncated {
        start,
        len_bytes: len,
        file_len: file.len() as u64,
    };
    let end = start
        .checked_add(len)
        .and_then(|end| usize::try_from(end).ok());
    let start = usize::try_from(start).ok();
    start
        .zip(end)
        .and_then(|(start, end)| file.get(start..end))
        .ok_or(truncated)
}

/// Returns the offset of a table's element.
fn element(table: u64, len: u64, index: u16) -> Result<u64, ElfError> {
    table
        .checked_add(len * u64::from(index))
        .ok_or(ElfError::Truncated {
            start: table,
            len_bytes: len,
            file_len: 0,
        })
}

/// Reads two bytes; the caller has cut a header of fixed length.
fn half(header: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([header[at], header[at + 1]])
}

fn int(header: &[u8], at: usize) -> u32 {
    u32::from(half(header, at)) | u32::from(half(header, at + 2)) << 16
}

fn word(header: &[u8], at: usize) -> u64 {
    u64::from(int(header, at)) | u64::from(int(header, at + 4)) << 32
}
