//! Why a kernel could not be loaded.

use core::fmt;

use frame::PhysAddr;

use crate::arena::OutOfMemory;
use crate::layout::LayoutError;
use crate::paging::MapError;

/// Why the kernel could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The kernel asks for something that this loader does not do.
    Unsupported {
        /// The field of `BootloaderConfig`.
        field: &'static str,
    },
    /// The firmware reports something where no memory can be.
    OutOfReach {
        /// Where it is said to begin.
        start: PhysAddr,
        /// Its length in bytes.
        len_bytes: u64,
    },
    /// The arena was made too small.
    OutOfMemory(OutOfMemory),
    /// Something found no place in the address space.
    Layout(LayoutError),
    /// Something could not be mapped.
    Map(MapError),
}

impl From<OutOfMemory> for LoadError {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

impl From<LayoutError> for LoadError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<MapError> for LoadError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { field } => {
                write!(
                    f,
                    "kernel sets {field} to what this loader does not support"
                )
            }
            Self::OutOfReach { start, len_bytes } => {
                write!(f, "{len_bytes:#x} bytes at {start} leave the address space")
            }
            Self::OutOfMemory(error) => write!(f, "loader's memory: {error}"),
            Self::Layout(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
        }
    }
}
