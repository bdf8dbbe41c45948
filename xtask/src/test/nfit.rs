//! NFITs to inject, one well-formed and the others each broken in one way.
//!
//! QEMU repairs length and checksum of an injected table, so what is wrong is in
//! the structures, where a parser has to notice by itself. The module that they
//! speak of is listed by no other table.
//!
//! Layouts: ACPI 6.4, section 5.2.25.

/// An NFIT to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nfit {
    /// Nothing is wrong: the control without which the others show nothing.
    WellFormed,
    /// The range's structure has a length of zero.
    LengthZero,
    /// The last structure reaches beyond the end of the table.
    Overrun,
    /// The range's structure is shorter than its type.
    RangeTooShort,
    /// The range ends beyond the address space.
    BeyondAddressSpace,
    /// The range lies over DRAM.
    OverDram,
    /// The range begins in the middle of a frame.
    Misaligned,
    /// A second range lies over the end of the first one.
    Overlap,
    /// Two ranges have one index.
    RepeatedIndex,
    /// No device is behind the range.
    NoDevice,
    /// The table ends in the middle of its own header.
    CutHeader,
    /// The range has the index that means none.
    NoIndex,
    /// The range has no bytes.
    Empty,
    /// The range begins in the first mebibyte.
    FirstMebibyte,
    /// The range is somebody's disk image.
    DiskImage,
    /// The range can't be cached write-back.
    NotWriteBack,
    /// The device is not described.
    NoControl,
    /// The device would lose its content with power.
    NotArmed,
    /// The device has failed to save its content.
    Failed,
    /// The device contributes half of the range.
    SizeMismatch,
    /// The device is one of two, of which the other is not there.
    WaysMismatch,
    /// How the device's lines alternate is not described.
    NoInterleave,
    /// The device is mapped twice.
    RepeatedMap,
    /// Flush hints count more addresses than they have.
    OverfullHints,
    /// Two sets of capabilities say different things.
    TwoCapabilities,
    /// The highest capability is none that there can be.
    HighestCapability,
    /// The first half is a range of its own, whose device is not armed; nothing is wrong
    /// with the second one.
    HalfArmed,
}

/// Where QEMU puts the first module of a machine with DRAM below 4 GiB only.
const MODULE_START: u64 = 4 << 30;

/// `66F0D379-B4F3-4074-AC43-0D3318B78CDB`, byte-addressable persistent memory,
/// in the order of a table.
const PERSISTENT: [u8; 16] = [
    0x79, 0xd3, 0xf0, 0x66, 0xf3, 0xb4, 0x74, 0x40, 0xac, 0x43, 0x0d, 0x33, 0x18, 0xb7, 0x8c, 0xdb,
];

/// `5CEA02C9-4D07-69D3-269F-4496FBE096F9`, a persistent virtual disk.
const DISK_IMAGE: [u8; 16] = [
    0xc9, 0x02, 0xea, 0x5c, 0x07, 0x4d, 0xd3, 0x69, 0x26, 0x9f, 0x44, 0x96, 0xfb, 0xe0, 0x96, 0xf9,
];

/// `EFI_MEMORY_WB | EFI_MEMORY_NV`.
const WRITE_BACK: u64 = 0x8008;

/// `EFI_MEMORY_UC | EFI_MEMORY_NV`.
const UNCACHED: u64 = 0x8001;

/// Caches are flushed on power failure, and so are the controller's queues.
const CACHES_AND_QUEUES: u32 = 0b11;

/// Only the queues are.
const QUEUES: u32 = 0b10;

impl Nfit {
    /// Returns the table, for a module of `len` bytes.
    pub(super) fn table(self, len: u64) -> Vec<u8> {
        let mut table = header();
        table.extend(self.structures(len));
        if self == Self::CutHeader {
            table.truncate(HEADER_LEN);
        }
        let total = u32::try_from(table.len()).unwrap_or(u32::MAX);
        table[4..8].copy_from_slice(&total.to_le_bytes());
        table
    }

    fn structures(self, len: u64) -> Vec<u8> {
        let mut all = self.ranges(len);
        all.extend(self.devices(len));
        if self == Self::OverfullHints {
            all.extend(hints_without_addresses(5));
        }
        all.extend(self.platform());
        all
    }

    fn ranges(self, len: u64) -> Vec<u8> {
        let start = match self {
            Self::OverDram => 256 << 20,
            Self::FirstMebibyte => 0x1000,
            Self::Misaligned => MODULE_START + 0x800,
            Self::BeyondAddressSpace => u64::MAX - 0xfff,
            _ => MODULE_START,
        };
        let index = u16::from(self != Self::NoIndex);
        let usage = if self == Self::DiskImage {
            DISK_IMAGE
        } else {
            PERSISTENT
        };
        let attributes = if self == Self::NotWriteBack {
            UNCACHED
        } else {
            WRITE_BACK
        };
        let len = match self {
            Self::Empty => 0,
            Self::HalfArmed => len / 2,
            _ => len,
        };
        let mut range = range(index, usage, start, len, attributes);
        match self {
            Self::LengthZero => range[2..4].fill(0),
            Self::RangeTooShort => {
                range.truncate(40);
                range[2] = 40;
            }
            Self::Overlap => {
                range.extend(self::range(2, PERSISTENT, start + len / 2, len, WRITE_BACK))
            }
            Self::RepeatedIndex => range.extend_from_within(..),
            Self::HalfArmed => {
                range.extend(self::range(2, PERSISTENT, start + len, len, WRITE_BACK))
            }
            _ => {}
        }
        range
    }

    fn devices(self, len: u64) -> Vec<u8> {
        let device = Device {
            handle: 1,
            len: match self {
                Self::SizeMismatch | Self::HalfArmed => len / 2,
                Self::Empty => 0,
                _ => len,
            },
            interleave: if self == Self::NoInterleave { 5 } else { 0 },
            ways: if self == Self::WaysMismatch { 2 } else { 1 },
            flags: match self {
                Self::Failed => 1 << 0,
                Self::NotArmed | Self::HalfArmed => 1 << 3,
                _ => 0,
            },
        };
        match self {
            Self::NoDevice => Vec::new(),
            Self::NoControl => device.map(),
            Self::RepeatedMap => [device.map(), device.map(), control(1)].concat(),
            Self::HalfArmed => {
                let sound = Device {
                    handle: 2,
                    flags: 0,
                    ..device
                };
                [device.map(), sound.map(), control(1), control(2)].concat()
            }
            _ => [device.map(), control(1)].concat(),
        }
    }

    fn platform(self) -> Vec<u8> {
        const HIGHEST: u8 = 1;
        let mut first = capabilities(HIGHEST, CACHES_AND_QUEUES);
        match self {
            Self::Overrun => first[2] = 0xff,
            Self::TwoCapabilities => first.extend(capabilities(HIGHEST, QUEUES)),
            Self::HighestCapability => first = capabilities(40, CACHES_AND_QUEUES),
            _ => {}
        }
        first
    }
}

const HEADER_LEN: usize = 36;

/// Header and the reserved field after it.
fn header() -> Vec<u8> {
    let mut header = b"NFIT".to_vec();
    header.extend([0; 4]);
    // Revision, checksum, who made it.
    header.extend([1, 0]);
    header.extend(b"PERENN");
    header.extend(b"PERENNTB");
    header.extend(1_u32.to_le_bytes());
    header.extend(b"PRNL");
    header.extend(1_u32.to_le_bytes());
    debug_assert_eq!(header.len(), HEADER_LEN);
    header.extend([0; 4]);
    header
}

/// A structure's type and length, then `fields`.
fn structure(kind: u16, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    let len = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
    [&kind.to_le_bytes(), &len.to_le_bytes(), &body[..]].concat()
}

/// Type 0, 56 bytes.
fn range(index: u16, usage: [u8; 16], start: u64, len: u64, attributes: u64) -> Vec<u8> {
    structure(
        0,
        &[
            &index.to_le_bytes(),
            &[0; 2],
            &[0; 4],
            &[0; 4],
            &usage,
            &start.to_le_bytes(),
            &len.to_le_bytes(),
            &attributes.to_le_bytes(),
        ],
    )
}

/// A device in the range of the same number, described by the control region of that
/// number.
struct Device {
    handle: u16,
    len: u64,
    interleave: u16,
    ways: u16,
    flags: u16,
}

impl Device {
    /// Type 1, 48 bytes.
    fn map(&self) -> Vec<u8> {
        structure(
            1,
            &[
                &u32::from(self.handle).to_le_bytes(),
                // Its number in the SMBIOS, and of the region.
                &[0; 4],
                &self.handle.to_le_bytes(),
                &self.handle.to_le_bytes(),
                &self.len.to_le_bytes(),
                &[0; 8],
                &[0; 8],
                &self.interleave.to_le_bytes(),
                &self.ways.to_le_bytes(),
                &self.flags.to_le_bytes(),
                &[0; 2],
            ],
        )
    }
}

/// Type 6, 16 bytes: flush hints of device 1, without the addresses.
fn hints_without_addresses(count: u16) -> Vec<u8> {
    structure(6, &[&1_u32.to_le_bytes(), &count.to_le_bytes(), &[0; 6]])
}

/// Type 4, 32 bytes: no block windows, and a serial number that no other one has.
fn control(index: u16) -> Vec<u8> {
    structure(
        4,
        &[
            &index.to_le_bytes(),
            // Vendor, device, revision; the same of the subsystem.
            &0x8086_u16.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &[0; 6],
            // Which fields are valid, where and when it was made.
            &[0; 4],
            &[0; 2],
            &(0x5045_524d + u32::from(index)).to_le_bytes(),
            // Byte-addressable energy-backed, as QEMU says of its own.
            &0x0301_u16.to_le_bytes(),
            &[0; 2],
        ],
    )
}

/// Type 7, 16 bytes.
fn capabilities(highest: u8, bits: u32) -> Vec<u8> {
    structure(7, &[&[highest, 0, 0, 0], &bits.to_le_bytes(), &[0; 4]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u64 = 128 << 20;

    /// Types and lengths of the structures, as far as they can be walked.
    fn walk(table: &[u8]) -> Vec<(u8, usize)> {
        let mut found = Vec::new();
        let mut rest = &table[HEADER_LEN + 4..];
        while let [kind, _, len, 0, ..] = *rest {
            let len = usize::from(len);
            if len == 0 || len > rest.len() {
                break;
            }
            found.push((kind, len));
            rest = &rest[len..];
        }
        found
    }

    #[test]
    fn the_well_formed_table_has_the_lengths_of_the_specification() {
        let table = Nfit::WellFormed.table(LEN);
        assert_eq!(walk(&table), [(0, 56), (1, 48), (4, 32), (7, 16)]);
        assert_eq!(table.len(), HEADER_LEN + 4 + 56 + 48 + 32 + 16);
    }

    #[test]
    fn each_broken_table_differs_from_the_well_formed_one() {
        let good = Nfit::WellFormed.table(LEN);
        for broken in super::super::malformed::broken_nfits() {
            assert_ne!(broken.table(LEN), good, "{broken:?}");
        }
    }

    #[test]
    fn broken_lengths_stop_a_walk() {
        for (broken, structures) in [(Nfit::LengthZero, 0), (Nfit::Overrun, 3)] {
            assert_eq!(walk(&broken.table(LEN)).len(), structures, "{broken:?}");
        }
    }
}
