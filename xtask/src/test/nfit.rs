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
    /// Two ranges have one index.
    RepeatedIndex,
    /// No device is behind the range.
    NoDevice,
    /// The table ends in the middle of its own header.
    CutHeader,
}

/// Where QEMU puts the first module of a machine with DRAM below 4 GiB only.
const MODULE_START: u64 = 4 << 30;

/// `66F0D379-B4F3-4074-AC43-0D3318B78CDB`, byte-addressable persistent memory,
/// in the order of a table.
const PERSISTENT: [u8; 16] = [
    0x79, 0xd3, 0xf0, 0x66, 0xf3, 0xb4, 0x74, 0x40, 0xac, 0x43, 0x0d, 0x33, 0x18, 0xb7, 0x8c, 0xdb,
];

/// `EFI_MEMORY_WB | EFI_MEMORY_NV`.
const WRITE_BACK: u64 = 0x8008;

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
        let start = match self {
            Self::OverDram => 256 << 20,
            Self::Misaligned => MODULE_START + 0x800,
            Self::BeyondAddressSpace => u64::MAX - 0xfff,
            _ => MODULE_START,
        };
        let mut range = range(1, start, len);
        match self {
            Self::LengthZero => range[2..4].fill(0),
            Self::RangeTooShort => {
                range.truncate(40);
                range[2] = 40;
            }
            _ => {}
        }
        let mut structures = range.clone();
        if self == Self::RepeatedIndex {
            structures.extend(&range);
        }
        if self != Self::NoDevice {
            structures.extend(map(len));
            structures.extend(control());
        }
        let mut capabilities = capabilities();
        if self == Self::Overrun {
            capabilities[2] = 0xff;
        }
        structures.extend(capabilities);
        structures
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
fn range(index: u16, start: u64, len: u64) -> Vec<u8> {
    structure(
        0,
        &[
            &index.to_le_bytes(),
            &[0; 2],
            &[0; 4],
            &[0; 4],
            &PERSISTENT,
            &start.to_le_bytes(),
            &len.to_le_bytes(),
            &WRITE_BACK.to_le_bytes(),
        ],
    )
}

/// Type 1, 48 bytes: device 1 in range 1, described by control region 1.
fn map(len: u64) -> Vec<u8> {
    structure(
        1,
        &[
            &1_u32.to_le_bytes(),
            &[0; 2],
            &[0; 2],
            &1_u16.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &len.to_le_bytes(),
            &[0; 8],
            &[0; 8],
            // No interleave description, one way.
            &[0; 2],
            &1_u16.to_le_bytes(),
            // Flags: armed, nothing has failed.
            &[0; 2],
            &[0; 2],
        ],
    )
}

/// Type 4, 32 bytes: no block windows.
fn control() -> Vec<u8> {
    structure(
        4,
        &[
            &1_u16.to_le_bytes(),
            // Vendor, device, revision; the same of the subsystem.
            &0x8086_u16.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &[0; 6],
            // Which fields are valid, where and when it was made.
            &[0; 4],
            &[0; 2],
            &0x5045_524e_u32.to_le_bytes(),
            // Byte-addressable energy-backed, as QEMU says of its own.
            &0x0301_u16.to_le_bytes(),
            &[0; 2],
        ],
    )
}

/// Type 7, 16 bytes: caches are flushed on power failure.
fn capabilities() -> Vec<u8> {
    const HIGHEST_VALID: u8 = 1;
    const CACHES_AND_QUEUES: u32 = 0b11;
    structure(
        7,
        &[
            &[HIGHEST_VALID, 0, 0, 0],
            &CACHES_AND_QUEUES.to_le_bytes(),
            &[0; 4],
        ],
    )
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
        for broken in super::super::table::MALFORMED {
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
