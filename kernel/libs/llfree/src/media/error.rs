//! Why a range was not opened or closed.

use core::fmt;

use super::header::Version;
use super::page::PageError;
use crate::error::ZoneError;

/// A field of [`Geometry`](super::Geometry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`Geometry::region_id`](super::Geometry::region_id).
    RegionId,
    /// [`Geometry::region_len`](super::Geometry::region_len).
    RegionLength,
    /// [`Geometry::lower_offset`](super::Geometry::lower_offset).
    LowerOffset,
    /// [`Geometry::lower_len`](super::Geometry::lower_len).
    LowerLength,
    /// [`Geometry::annex_offset`](super::Geometry::annex_offset).
    AnnexOffset,
    /// [`Geometry::annex_len`](super::Geometry::annex_len).
    AnnexLength,
    /// [`Geometry::managed_offset`](super::Geometry::managed_offset).
    ManagedOffset,
    /// [`Geometry::frames`](super::Geometry::frames).
    Frames,
    /// [`Geometry::words`](super::Geometry::words).
    Words,
}

/// Why a range was not opened. Nothing has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Blank, and formatting was not permitted.
    Blank,
    /// Somebody else's, and formatting was not permitted.
    Foreign,
    /// Formatting was never finished, and doing it again was not permitted.
    Unfinished,
    /// Ours, of a version that this code can't read.
    Unknown {
        /// The version.
        version: Version,
    },
    /// Ours, but neither copy of the superblock is intact.
    Damaged,
    /// Ours and complete, but laid out in another way than expected.
    Mismatch {
        /// The first field that differs.
        field: Field,
        /// What the superblock says.
        found: u64,
        /// What the caller, or this build, says.
        expected: u64,
    },
    /// The first frame can't be a superblock.
    Superblock(PageError),
    /// The last frame can't be a superblock.
    Replica(PageError),
    /// The tables can't be those of the zone.
    Zone(ZoneError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => write!(f, "the region is blank and may not be formatted"),
            Self::Foreign => write!(f, "the region holds foreign data and may not be formatted"),
            Self::Unfinished => {
                write!(
                    f,
                    "formatting the region was not finished and may not be repeated"
                )
            }
            Self::Unknown { version } => write!(
                f,
                "the region has format {}.{} with features {:#x}, which this version can't read",
                version.major, version.minor, version.incompatible
            ),
            Self::Damaged => write!(f, "neither copy of the superblock is intact"),
            Self::Mismatch {
                field,
                found,
                expected,
            } => {
                write!(
                    f,
                    "the region's {field:?} is {found:#x}, expected {expected:#x}"
                )
            }
            Self::Superblock(error) => write!(f, "first frame: {error}"),
            Self::Replica(error) => write!(f, "last frame: {error}"),
            Self::Zone(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for OpenError {}

/// Why a zone could not be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// A processor still has its handle.
    Busy {
        /// Number of the processor.
        cpu: usize,
    },
    /// The first frame can't be a superblock.
    Superblock(PageError),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { cpu } => write!(f, "processor {cpu} still has its handle"),
            Self::Superblock(error) => write!(f, "first frame: {error}"),
        }
    }
}

impl core::error::Error for CloseError {}
