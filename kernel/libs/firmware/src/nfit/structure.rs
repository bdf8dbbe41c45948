//! One structure of the table, decoded (ACPI 6.5, tables 5-131 to 5-142).
//!
//! A structure that is longer than its type is known here was extended by a
//! later revision and is read as far as it is known; one that is shorter can't
//! be understood.

use frame::{PhysAddr, PhysRange};

use crate::Bytes;

use super::guid::Use;

/// A structure of any type.
#[derive(Clone, Copy, Debug)]
pub enum Structure<'a> {
    /// Type 0: a range of physical memory.
    Range(Range),
    /// Type 1: which part of which device lies in which range.
    Map(Map),
    /// Type 2: how lines alternate between devices.
    Interleave(Interleave<'a>),
    /// Type 3: a copy of SMBIOS structures, for people.
    Smbios(Bytes<'a>),
    /// Type 4: what a device is.
    Control(Control),
    /// Type 5: windows for block access, which nobody uses any more.
    BlockWindow(BlockWindow),
    /// Type 6: where to write for a device to drain its buffers.
    FlushHints(FlushHints<'a>),
    /// Type 7: what the platform does when power fails.
    Capabilities(Capabilities),
    /// A type that isn't known here.
    Unknown {
        /// The type.
        kind: u16,
    },
}

/// System physical address range structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Index that maps refer to; 0 for none.
    pub index: u16,
    /// Flags.
    pub flags: u16,
    /// Proximity domain, if the flags say that it is valid.
    pub proximity: Option<u32>,
    /// What the range is used for, as it is in the table.
    pub guid: [u8; 16],
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub len_bytes: u64,
    /// UEFI memory attributes.
    pub attributes: u64,
    /// Cookie of the location, if the flags say that it is valid.
    pub cookie: Option<u64>,
}

impl Range {
    /// Attribute of memory that may be mapped write-back.
    pub const WRITE_BACK: u64 = 1 << 3;

    /// Returns what the range is used for.
    pub fn usage(&self) -> Use {
        Use::from_bytes(self.guid)
    }

    /// Returns the addresses, cut off at the end of the address space.
    pub fn addresses(&self) -> PhysRange {
        let end = self.base.saturating_add(self.len_bytes);
        PhysRange::between(PhysAddr(self.base), PhysAddr(end))
    }

    fn decode(bytes: Bytes<'_>) -> Option<Self> {
        let flags = bytes.u16(6)?;
        Some(Self {
            index: bytes.u16(4)?,
            flags,
            proximity: bytes.u32(12).filter(|_| flags & 1 << 1 != 0),
            guid: bytes.array(16)?,
            base: bytes.u64(32)?,
            len_bytes: bytes.u64(40)?,
            attributes: bytes.u64(48)?,
            cookie: bytes.u64(56).filter(|_| flags & 1 << 2 != 0),
        })
    }
}

/// Memory device to system physical address range mapping structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// The device.
    pub handle: u32,
    /// Its SMBIOS handle.
    pub physical_id: u16,
    /// Number of the region within the device.
    pub region_id: u16,
    /// Index of the range; 0 for none.
    pub range_index: u16,
    /// Index of the control region; 0 for none.
    pub control_index: u16,
    /// Bytes that the device contributes.
    pub region_len: u64,
    /// Where its part starts in the range, in bytes.
    pub region_offset: u64,
    /// Where its part starts in the device, in bytes.
    pub device_base: u64,
    /// Index of the interleave structure; 0 for none.
    pub interleave_index: u16,
    /// Devices in the interleave set.
    pub interleave_ways: u16,
    /// Flags.
    pub flags: u16,
}

impl Map {
    /// Content would be lost with power: the device's energy source isn't ready.
    pub const NOT_ARMED: u16 = 1 << 3;
    /// Saving, restoring, flushing, or mapping failed before.
    pub const FAILED: u16 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 6;

    fn decode(bytes: Bytes<'_>) -> Option<Self> {
        Some(Self {
            handle: bytes.u32(4)?,
            physical_id: bytes.u16(8)?,
            region_id: bytes.u16(10)?,
            range_index: bytes.u16(12)?,
            control_index: bytes.u16(14)?,
            region_len: bytes.u64(16)?,
            region_offset: bytes.u64(24)?,
            device_base: bytes.u64(32)?,
            interleave_index: bytes.u16(40)?,
            interleave_ways: bytes.u16(42)?,
            flags: bytes.u16(44)?,
        })
    }
}

/// Interleave structure.
#[derive(Clone, Copy, Debug)]
pub struct Interleave<'a> {
    /// Index that maps refer to.
    pub index: u16,
    /// Bytes in a line.
    pub line_len: u32,
    offsets: Bytes<'a>,
}

impl<'a> Interleave<'a> {
    /// Returns where the lines are in the device, counted in lines.
    pub fn line_offsets(self) -> impl Iterator<Item = u32> + use<'a> {
        let lines = self.offsets.as_slice().chunks_exact(4);
        lines.filter_map(|line| Bytes::new(line).u32(0))
    }

    fn decode(bytes: Bytes<'a>) -> Option<Self> {
        let count = usize::try_from(bytes.u32(8)?).ok()?;
        Some(Self {
            index: bytes.u16(4)?,
            line_len: bytes.u32(12)?,
            offsets: bytes.skip(16).first(count.checked_mul(4)?)?,
        })
    }
}

/// NVDIMM control region structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Index that maps refer to.
    pub index: u16,
    /// Vendor of the device.
    pub vendor: u16,
    /// What the vendor calls it.
    pub device: u16,
    /// Its revision.
    pub revision: u16,
    /// Vendor, device and revision of its controller.
    pub subsystem: [u16; 3],
    /// Where and when it was made, if that is valid.
    pub made: Option<Made>,
    /// Serial number.
    pub serial: u32,
    /// Code of the interface: 0x0101 and 0x0301 are byte-addressable.
    pub format: u16,
    /// Number of block windows.
    pub windows: u16,
}

/// Where and when a device was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Vendor's code of the place.
    pub location: u8,
    /// Week and year, in decimal digits of four bits.
    pub date: u16,
}

impl Control {
    fn decode(bytes: Bytes<'_>) -> Option<Self> {
        let made = Made {
            location: bytes.u8(19)?,
            date: bytes.u16(20)?,
        };
        let valid = bytes.u8(18)? & 1 != 0;
        let windows = bytes.u16(30)?;
        // What describes the windows may be left out where there is none.
        if windows != 0 {
            bytes.first(80)?;
        }
        Some(Self {
            index: bytes.u16(4)?,
            vendor: bytes.u16(6)?,
            device: bytes.u16(8)?,
            revision: bytes.u16(10)?,
            subsystem: [bytes.u16(12)?, bytes.u16(14)?, bytes.u16(16)?],
            made: valid.then_some(made),
            serial: bytes.u32(24)?,
            format: bytes.u16(28)?,
            windows,
        })
    }
}

/// NVDIMM block data window region structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockWindow {
    /// Index of the control region.
    pub control_index: u16,
    /// Number of windows.
    pub windows: u16,
    /// Bytes accessible through them.
    pub capacity: u64,
}

impl BlockWindow {
    fn decode(bytes: Bytes<'_>) -> Option<Self> {
        Some(Self {
            control_index: bytes.u16(4)?,
            windows: bytes.u16(6)?,
            capacity: bytes.u64(24)?,
        })
    }
}

/// Flush hint address structure.
#[derive(Clone, Copy, Debug)]
pub struct FlushHints<'a> {
    /// The device.
    pub handle: u32,
    addresses: Bytes<'a>,
}

impl<'a> FlushHints<'a> {
    /// Returns the physical addresses to write to.
    pub fn addresses(self) -> impl Iterator<Item = u64> + use<'a> {
        let addresses = self.addresses.as_slice().chunks_exact(8);
        addresses.filter_map(|address| Bytes::new(address).u64(0))
    }

    fn decode(bytes: Bytes<'a>) -> Option<Self> {
        let count = usize::from(bytes.u16(8)?);
        Some(Self {
            handle: bytes.u32(4)?,
            addresses: bytes.skip(16).first(count * 8)?,
        })
    }
}

/// Platform capabilities structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Number of the highest bit that means something.
    pub highest: u8,
    /// The bits as they are in the table.
    pub bits: u32,
}

impl Capabilities {
    /// Returns whether processor caches are written back when power fails.
    pub const fn flushes_caches(self) -> bool {
        self.valid() & 1 << 0 != 0
    }

    /// Returns whether the memory controller's buffers are, which the caches imply.
    pub const fn flushes_controller(self) -> bool {
        self.valid() & (1 << 0 | 1 << 1) != 0
    }

    /// Returns whether byte-addressable memory is mirrored.
    pub const fn mirrors(self) -> bool {
        self.valid() & 1 << 2 != 0
    }

    /// Returns the bits that mean something.
    const fn valid(self) -> u32 {
        match self.highest {
            highest @ 0..31 => self.bits & ((2 << highest) - 1),
            _ => self.bits,
        }
    }

    fn decode(bytes: Bytes<'_>) -> Option<Self> {
        Some(Self {
            highest: bytes.u8(4)?,
            bits: bytes.u32(8)?,
        })
    }
}

/// Returns the least length of a structure of this type in bytes, header included.
pub const fn least_len(kind: u16) -> usize {
    match kind {
        0 => 56,
        1 => 48,
        2 | 6 | 7 => 16,
        3 => 8,
        4 => 32,
        5 => 40,
        _ => 4,
    }
}

impl<'a> Structure<'a> {
    /// Decodes a structure of this type; `None` where its content exceeds it.
    pub fn decode(kind: u16, bytes: Bytes<'a>) -> Option<Self> {
        bytes.first(least_len(kind))?;
        match kind {
            0 => Range::decode(bytes).map(Self::Range),
            1 => Map::decode(bytes).map(Self::Map),
            2 => Interleave::decode(bytes).map(Self::Interleave),
            3 => Some(Self::Smbios(bytes.skip(8))),
            4 => Control::decode(bytes).map(Self::Control),
            5 => BlockWindow::decode(bytes).map(Self::BlockWindow),
            6 => FlushHints::decode(bytes).map(Self::FlushHints),
            7 => Capabilities::decode(bytes).map(Self::Capabilities),
            kind => Some(Self::Unknown { kind }),
        }
    }
}
