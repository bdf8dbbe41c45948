//! Why the kernel can not be booted.

use core::fmt;

use boot::cpu::NoExecuteDisable;
use boot::elf::ElfError;
use boot::load::LoadError;
use boot::regions::TooManyRegions;
use uefi::{CStr16, Status};

use crate::KERNEL;

/// Why the kernel can not be booted.
#[derive(Debug)]
pub(crate) enum BootError {
    /// The firmware refused a service.
    Firmware {
        /// What was asked for.
        service: &'static str,
        /// The firmware's answer.
        status: Status,
    },
    /// A file could not be read.
    File {
        /// Its path.
        path: &'static CStr16,
        /// The firmware's answer.
        status: Status,
    },
    /// There is no kernel on the volume.
    NoKernel,
    /// The kernel file is not acceptable.
    Kernel(ElfError),
    /// The processor lacks execute-disable.
    Processor(NoExecuteDisable),
    /// The firmware's memory map is too long.
    Regions(TooManyRegions),
    /// The kernel could not be laid out.
    Load(LoadError),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware { service, status } => write!(f, "firmware: {service}: {status}"),
            Self::File { path, status } => write!(f, "reading {path}: {status}"),
            Self::NoKernel => {
                write!(
                    f,
                    "no {KERNEL} on the volume that this loader was started from"
                )
            }
            Self::Kernel(error) => write!(f, "{KERNEL}: {error}"),
            Self::Processor(NoExecuteDisable) => {
                write!(
                    f,
                    "processor lacks execute-disable, or the firmware has turned it off"
                )
            }
            Self::Regions(error) => error.fmt(f),
            Self::Load(error) => error.fmt(f),
        }
    }
}

impl From<ElfError> for BootError {
    fn from(error: ElfError) -> Self {
        Self::Kernel(error)
    }
}

impl From<NoExecuteDisable> for BootError {
    fn from(error: NoExecuteDisable) -> Self {
        Self::Processor(error)
    }
}

impl From<TooManyRegions> for BootError {
    fn from(error: TooManyRegions) -> Self {
        Self::Regions(error)
    }
}

impl From<LoadError> for BootError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}
