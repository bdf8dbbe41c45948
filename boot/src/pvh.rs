//! What the PVH boot protocol tells: memory, modules, command line.
//!
//! The structures lie anywhere in memory and refer to each other by physical
//! address. They are read through a function that knows which addresses can be
//! read, so a wild pointer is an error and not a fault.
//!
//! Source: Xen, `public/arch-x86/hvm/start_info.h`.

use core::fmt;

use frame::{PhysAddr, PhysRange};

use crate::regions::{self, Map, TooManyRegions};

const MAGIC: u32 = 0x336e_c578;
const START_INFO_LEN: u64 = 56;
const MODULE_LEN: u64 = 32;
const MEMORY_LEN: u64 = 24;

/// The memory map came with this version.
const VERSION_MIN: u32 = 1;

/// No command line is longer: what would be, has no end.
const COMMAND_LINE_MAX: u64 = 64 << 10;

/// Gives access to a range of physical memory, or `None` if it is out of reach.
pub trait Read<'a>: Fn(PhysRange) -> Option<&'a [u8]> {}
impl<'a, F: Fn(PhysRange) -> Option<&'a [u8]>> Read<'a> for F {}

/// What the virtual machine monitor handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_entries: u32,
}

/// Why the start information can not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartInfoError {
    /// A structure lies where memory can not be read.
    Unreadable {
        /// Its address.
        start: u64,
        /// Its length in bytes.
        len_bytes: u64,
    },
    /// The structure does not begin with the magic number.
    BadMagic {
        /// What is there instead.
        found: u32,
    },
    /// The version has no memory map yet.
    OldVersion {
        /// The version.
        found: u32,
    },
    /// No module was given, so there is no kernel.
    NoModule,
    /// The command line does not end.
    EndlessCommandLine,
    /// The memory map is too long.
    TooManyRegions(TooManyRegions),
}

impl StartInfo {
    /// Reads the structure at `start`.
    ///
    /// # Errors
    ///
    /// [`StartInfoError`]
    pub fn read<'a>(start: u64, read: &impl Read<'a>) -> Result<Self, StartInfoError> {
        let bytes = fetch(read, start, START_INFO_LEN)?;
        let (magic, version) = (int(bytes, 0), int(bytes, 4));
        if magic != MAGIC {
            return Err(StartInfoError::BadMagic { found: magic });
        }
        if version < VERSION_MIN {
            return Err(StartInfoError::OldVersion { found: version });
        }
        Ok(Self {
            modules: int(bytes, 12),
            module_list: word(bytes, 16),
            command_line: word(bytes, 24),
            rsdp: word(bytes, 32),
            memory_map: word(bytes, 40),
            memory_entries: int(bytes, 48),
        })
    }

    /// Returns the address of the ACPI root pointer, if it is known.
    pub fn rsdp(&self) -> Option<PhysAddr> {
        (self.rsdp != 0).then_some(PhysAddr(self.rsdp))
    }

    /// Returns where the first module is: the kernel's file.
    ///
    /// # Errors
    ///
    /// [`StartInfoError`]
    pub fn module<'a>(&self, read: &impl Read<'a>) -> Result<PhysRange, StartInfoError> {
        if self.modules == 0 {
            return Err(StartInfoError::NoModule);
        }
        let bytes = fetch(read, self.module_list, MODULE_LEN)?;
        let (start, len_bytes) = (word(bytes, 0), word(bytes, 8));
        PhysRange::new(PhysAddr(start), len_bytes)
            .ok_or(StartInfoError::Unreadable { start, len_bytes })
    }

    /// Returns where the command line is, without its terminating zero.
    ///
    /// # Errors
    ///
    /// [`StartInfoError`]
    pub fn command_line<'a>(
        &self,
        read: &impl Read<'a>,
    ) -> Result<Option<PhysRange>, StartInfoError> {
        if self.command_line == 0 {
            return Ok(None);
        }
        for len_bytes in 0..COMMAND_LINE_MAX {
            let at = self.command_line.saturating_add(len_bytes);
            if fetch(read, at, 1)? == [0] {
                let text = PhysRange::new(PhysAddr(self.command_line), len_bytes);
                return Ok(text.filter(|text| !text.is_empty()));
            }
        }
        Err(StartInfoError::EndlessCommandLine)
    }

    /// Reports the memory map's entries to `map`.
    ///
    /// # Errors
    ///
    /// [`StartInfoError`]
    pub fn memory_map<'a>(
        &self,
        read: &impl Read<'a>,
        map: &mut Map,
    ) -> Result<(), StartInfoError> {
        for index in 0..u64::from(self.memory_entries) {
            let at = self.memory_map.saturating_add(index * MEMORY_LEN);
            let bytes = fetch(read, at, MEMORY_LEN)?;
            let kind = regions::kind_of_e820(int(bytes, 16));
            map.report(word(bytes, 0), word(bytes, 8), kind)?;
        }
        Ok(())
    }
}

fn fetch<'a>(read: &impl Read<'a>, start: u64, len_bytes: u64) -> Result<&'a [u8], StartInfoError> {
    PhysRange::new(PhysAddr(start), len_bytes)
        .and_then(read)
        .filter(|bytes| bytes.len() as u64 == len_bytes)
        .ok_or(StartInfoError::Unreadable { start, len_bytes })
}

/// Reads four bytes; the caller has fetched a structure of fixed length.
fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from(int(bytes, at)) | u64::from(int(bytes, at + 4)) << 32
}

impl From<TooManyRegions> for StartInfoError {
    fn from(error: TooManyRegions) -> Self {
        Self::TooManyRegions(error)
    }
}

impl fmt::Display for StartInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { start, len_bytes } => {
                write!(
                    f,
                    "start information: {len_bytes} bytes at {start:#x} are out of reach"
                )
            }
            Self::BadMagic { found } => {
                write!(
                    f,
                    "start information: magic number {found:#x} instead of {MAGIC:#x}"
                )
            }
            Self::OldVersion { found } => {
                write!(f, "start information: version {found} has no memory map")
            }
            Self::NoModule => write!(f, "no kernel: give its file with -initrd"),
            Self::EndlessCommandLine => {
                write!(f, "command line exceeds {COMMAND_LINE_MAX} bytes")
            }
            Self::TooManyRegions(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
