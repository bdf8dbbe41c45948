//! Why a range must not be written to.
//!
//! One variant a cause, with the facts that somebody in front of the machine
//! needs: what is wrong, where, and what to do about it.

use core::fmt;

use frame::PhysRange;

use super::chain::Broken;
use super::guid::Use;
use super::identity::RegionId;

/// Why a range must not be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The table that describes the range is doubtful as a whole.
    BrokenTable(Broken),
    /// The range is a disk or CD image.
    DiskImage {
        /// Which of them.
        usage: Use,
    },
    /// The range has no index, so nothing can refer to it.
    NoIndex,
    /// The range has no bytes.
    Empty {
        /// Index of the range.
        index: u16,
    },
    /// The range ends beyond what processors can address.
    BeyondAddressSpace {
        /// First address.
        base: u64,
        /// Length in bytes.
        len_bytes: u64,
        /// Bits of a physical address.
        bits: u8,
    },
    /// The range doesn't consist of whole frames.
    Misaligned {
        /// First address.
        base: u64,
        /// Length in bytes.
        len_bytes: u64,
    },
    /// The range shares bytes with the first mebibyte.
    FirstMebibyte {
        /// First address.
        base: u64,
    },
    /// The range shares bytes with another one of the same table.
    OverlapsRange {
        /// Index of the other.
        index: u16,
        /// Addresses of the other.
        other: PhysRange,
    },
    /// The memory map says that something else is there.
    Occupied {
        /// What it says to be occupied.
        by: PhysRange,
    },
    /// No device is behind the range.
    NoDevice {
        /// Index of the range.
        index: u16,
    },
    /// A device isn't described.
    NoControlRegion {
        /// The device.
        handle: u32,
        /// Index of the missing structure.
        index: u16,
    },
    /// A device would lose its content with power.
    NotArmed {
        /// The device.
        handle: u32,
        /// All its flags.
        flags: u16,
    },
    /// A device has lost content before.
    Failed {
        /// The device.
        handle: u32,
        /// All its flags.
        flags: u16,
    },
    /// What the devices contribute isn't what the range has.
    SizeMismatch {
        /// Sum over the devices, in bytes.
        devices_bytes: u64,
        /// Length of the range, in bytes.
        range_bytes: u64,
    },
    /// A device claims another number of devices than there are.
    WaysMismatch {
        /// The device.
        handle: u32,
        /// How many it claims.
        claimed: u16,
        /// How many there are.
        found: usize,
    },
    /// How the devices alternate isn't described.
    NoInterleave {
        /// The device.
        handle: u32,
        /// Index of the missing structure.
        index: u16,
    },
    /// The range can't be cached write-back, so atomic operations may not work.
    NotWriteBack {
        /// UEFI memory attributes of the range.
        attributes: u64,
    },
    /// Another range can't be told from this one.
    SameIdentity {
        /// The name of both.
        id: RegionId,
        /// Addresses of the other.
        other: PhysRange,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause(f)?;
        f.write_str("; ")?;
        f.write_str(self.advice())
    }
}

impl core::error::Error for Refusal {}

impl Refusal {
    /// Writes what is wrong, and where.
    fn cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenTable(broken) => write!(f, "its table NFIT is doubtful: {broken}"),
            Self::DiskImage { usage } => write!(f, "it is a disk image ({usage:?})"),
            Self::NoIndex => f.write_str("its NFIT index is 0, so that no device can belong to it"),
            Self::Empty { index } => write!(f, "NFIT range {index} has no bytes"),
            Self::BeyondAddressSpace {
                base,
                len_bytes,
                bits,
            } => write!(
                f,
                "{len_bytes:#x} bytes from {base:#x} exceed the {bits} address bits of the processor"
            ),
            Self::Misaligned { base, len_bytes } => write!(
                f,
                "{len_bytes:#x} bytes from {base:#x} are not whole frames of 4096 bytes"
            ),
            Self::FirstMebibyte { base } => {
                write!(f, "it starts at {base:#x}, in the first mebibyte")
            }
            Self::OverlapsRange { index, other } => {
                write!(f, "it overlaps NFIT range {index} at {other}")
            }
            Self::Occupied { by } => write!(f, "the memory map has something else at {by}"),
            Self::NoDevice { index } => write!(f, "no memory device maps to NFIT range {index}"),
            Self::NoControlRegion { handle, index } => write!(
                f,
                "memory device {handle:#x} refers to control region {index}, which is missing"
            ),
            Self::NotArmed { handle, flags } => write!(
                f,
                "memory device {handle:#x} is not armed (flags {flags:#x}): it would lose its content with power"
            ),
            Self::Failed { handle, flags } => write!(
                f,
                "memory device {handle:#x} reports a failed save, restore, flush or mapping (flags {flags:#x})"
            ),
            Self::SizeMismatch {
                devices_bytes,
                range_bytes,
            } => write!(
                f,
                "its memory devices contribute {devices_bytes:#x} bytes of {range_bytes:#x}"
            ),
            Self::WaysMismatch {
                handle,
                claimed,
                found,
            } => write!(
                f,
                "memory device {handle:#x} claims an interleave set of {claimed}, but {found} map to the range"
            ),
            Self::NoInterleave { handle, index } => write!(
                f,
                "memory device {handle:#x} refers to interleave structure {index}, which is missing"
            ),
            Self::NotWriteBack { attributes } => write!(
                f,
                "it can't be cached write-back (attributes {attributes:#x})"
            ),
            Self::SameIdentity { id, other } => {
                write!(f, "it has the same identity {id} as the range at {other}")
            }
        }
    }

    /// Returns what to do about it.
    const fn advice(&self) -> &'static str {
        match self {
            Self::DiskImage { .. } => "leave it to its owner",
            Self::NotArmed { .. } => {
                "check its energy source and the firmware's set-up (QEMU: no unarmed=on)"
            }
            Self::Failed { .. } => "save what is readable and check the device",
            Self::Occupied { .. } | Self::FirstMebibyte { .. } => {
                "let the firmware's set-up place it elsewhere"
            }
            Self::SameIdentity { .. } => "let the firmware give the devices serial numbers",
            Self::BeyondAddressSpace { .. } => {
                "let the firmware's set-up place it lower, or update the firmware"
            }
            Self::NotWriteBack { .. } => "let the firmware's set-up make it write-back",
            _ => "update the firmware, or create the range anew in its set-up",
        }
    }
}
