//! Why a kernel file is refused.

use core::fmt;

/// What the loader does not accept in a kernel file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// No 64-bit little-endian ELF file.
    NotElf,
    /// A header refers to bytes past the end of the file.
    Truncated {
        /// Offset of the first byte.
        start: u64,
        /// Number of bytes.
        len_bytes: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// For another machine, or not linked statically to fixed addresses.
    NotStaticExecutable {
        /// `e_type`; 2 is a static executable.
        kind: u16,
        /// `e_machine`; 62 is x86-64.
        machine: u16,
    },
    /// Headers have lengths that this loader does not know.
    BadHeaderLength {
        /// `e_phentsize`; 56 is right.
        program_header_len: u16,
        /// `e_shentsize`; 64 is right.
        section_header_len: u16,
    },
    /// More segments than the loader has room for.
    TooManySegments,
    /// A segment that needs a dynamic linker or a thread library.
    UnsupportedSegment {
        /// `p_type`
        kind: u32,
    },
    /// A segment has more bytes in the file than in memory.
    DataExceedsSegment {
        /// Where the segment begins.
        address: u64,
    },
    /// A segment does not begin at a page, in memory or in the file.
    UnalignedSegment {
        /// Where the segment begins.
        address: u64,
    },
    /// A segment is not readable, or both writable and executable.
    BadAccess {
        /// Where the segment begins.
        address: u64,
        /// `p_flags`: 1 executable, 2 writable, 4 readable.
        flags: u32,
    },
    /// A segment includes the null page or addresses that don't exist.
    OutOfRange {
        /// Where the segment begins.
        address: u64,
    },
    /// Two segments share a page.
    Overlap {
        /// Where the second one begins.
        address: u64,
    },
    /// The entry point lies in no executable segment.
    BadEntry {
        /// The entry point.
        entry: u64,
    },
    /// The kernel wants to be relocated at load time.
    Relocations,
    /// No section `.bootloader-config`: this is no kernel for this loader.
    NoConfig,
    /// The section `.bootloader-config` can not be understood.
    BadConfig {
        /// The reason, as `bootloader_api` gives it.
        reason: &'static str,
    },
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "no 64-bit little-endian ELF file"),
            Self::Truncated {
                start,
                len_bytes,
                file_len,
            } => write!(
                f,
                "{len_bytes} bytes at offset {start} exceed the file's {file_len}"
            ),
            Self::NotStaticExecutable { kind, machine } => {
                write!(
                    f,
                    "type {kind} for machine {machine}, not a static x86-64 executable"
                )
            }
            Self::BadHeaderLength {
                program_header_len,
                section_header_len,
            } => write!(
                f,
                "headers of {program_header_len} and {section_header_len} bytes instead of 56 and 64"
            ),
            Self::TooManySegments => {
                write!(f, "more than {} segments", super::MAX_SEGMENTS)
            }
            Self::UnsupportedSegment { kind } => {
                write!(f, "segment type {kind}: not a static executable")
            }
            Self::DataExceedsSegment { address } => {
                write!(
                    f,
                    "segment at {address:#x} is longer in the file than in memory"
                )
            }
            Self::UnalignedSegment { address } => {
                write!(f, "segment at {address:#x} does not begin at a page")
            }
            Self::BadAccess { address, flags } => write!(
                f,
                "segment at {address:#x} has access flags {flags:#x}: unreadable, or writable and executable"
            ),
            Self::OutOfRange { address } => {
                write!(f, "segment at {address:#x} leaves the address space")
            }
            Self::Overlap { address } => {
                write!(f, "segment at {address:#x} shares a page with another")
            }
            Self::BadEntry { entry } => write!(f, "entry point {entry:#x} is not executable"),
            Self::Relocations => write!(f, "needs relocation at load time"),
            Self::NoConfig => write!(f, "no section .bootloader-config"),
            Self::BadConfig { reason } => write!(f, "section .bootloader-config: {reason}"),
        }
    }
}
