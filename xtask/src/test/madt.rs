//! Lists of processors, one well-formed and the others each broken in one way.
//!
//! They replace QEMU's, so lengths and checksums can be wrong as well. The
//! machine has four processors with identities 0 to 3, whatever the list says.
//!
//! Layouts: ACPI 6.5, section 5.2.12.

/// A list of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Madt {
    /// Nothing is wrong: the control without which the others show nothing.
    WellFormed,
    /// There is no such table.
    NotThere,
    /// There are two.
    Repeated,
    /// Its bytes don't add up.
    Checksum,
    /// It claims two gibibytes.
    LengthTooLong,
    /// It ends before its own fixed part does.
    LengthTooShort,
    /// The third entry has a length of zero.
    EntryLengthZero,
    /// The third entry is shorter than its type.
    EntryTooShort,
    /// The last entry reaches beyond the end of the table.
    EntryOverrun,
    /// Each processor is listed twice.
    RepeatedProcessors,
    /// No processor may be started.
    AllDisabled,
    /// A processor is listed that does not exist.
    Phantom,
    /// A processor is listed that this machine has no way to address.
    OutOfReach,
    /// A thousand processors are listed.
    Thousand,
}

/// Bytes before the first entry.
const FIXED_LEN: usize = 44;
const CHECKSUM: usize = 9;
/// Where local interrupt controllers are on every PC.
const LOCAL_APIC: u32 = 0xfee0_0000;
/// Identities of the processors that exist.
const IDS: [u8; 4] = [0, 1, 2, 3];

impl Madt {
    /// Returns the tables of the machine.
    pub(super) fn tables(self) -> Vec<Vec<u8>> {
        match self {
            Self::NotThere => Vec::new(),
            Self::Repeated => vec![self.table(), Self::AllDisabled.table()],
            _ => vec![self.table()],
        }
    }

    fn table(self) -> Vec<u8> {
        let mut table = b"APIC".to_vec();
        table.resize(FIXED_LEN, 0);
        table[8] = 1;
        table[36..40].copy_from_slice(&LOCAL_APIC.to_le_bytes());
        table.extend(self.entries());
        if self == Self::LengthTooShort {
            table.truncate(40);
        }
        let declared = match self {
            Self::LengthTooLong => 2 << 30,
            _ => u32::try_from(table.len()).unwrap_or(u32::MAX),
        };
        table[4..8].copy_from_slice(&declared.to_le_bytes());
        let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        table[CHECKSUM] = sum.wrapping_neg();
        if self == Self::Checksum {
            table[CHECKSUM] ^= 0xff;
        }
        table
    }

    fn entries(self) -> Vec<u8> {
        let enabled = self != Self::AllDisabled;
        let mut entries: Vec<_> = IDS.iter().map(|id| local(*id, enabled)).collect();
        match self {
            Self::EntryLengthZero => entries[2][1] = 0,
            Self::EntryTooShort => {
                entries[2].truncate(6);
                entries[2][1] = 6;
            }
            Self::EntryOverrun => entries.push(vec![0, 0xff]),
            Self::RepeatedProcessors => entries.extend_from_within(..),
            Self::Phantom => entries.push(local(77, true)),
            Self::OutOfReach => entries.push(local_x2(0x1_0000)),
            Self::Thousand => entries.extend((0..996).map(|id| local_x2(0x1_0000 + id))),
            _ => {}
        }
        entries.concat()
    }
}

/// Type 0: a processor with an identity of 8 bits.
fn local(id: u8, enabled: bool) -> Vec<u8> {
    vec![0, 8, id, id, u8::from(enabled), 0, 0, 0]
}

/// Type 9: a processor with an identity of 32 bits.
fn local_x2(id: u32) -> Vec<u8> {
    let enabled = 1_u32;
    let fields = [id.to_le_bytes(), enabled.to_le_bytes(), id.to_le_bytes()];
    [&[9, 16, 0, 0], &fields.concat()[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(table: &[u8]) -> u8 {
        table.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn only_one_table_has_a_wrong_checksum() {
        assert_eq!(sum(&Madt::WellFormed.table()), 0);
        assert_eq!(sum(&Madt::Phantom.table()), 0);
        assert_ne!(sum(&Madt::Checksum.table()), 0);
    }

    #[test]
    fn the_well_formed_table_has_an_entry_for_each_processor() {
        assert_eq!(Madt::WellFormed.table().len(), FIXED_LEN + 4 * 8);
        assert_eq!(Madt::OutOfReach.table().len(), FIXED_LEN + 4 * 8 + 16);
    }

    #[test]
    fn each_broken_list_differs_from_the_well_formed_one() {
        let good = Madt::WellFormed.tables();
        for broken in super::super::malformed::broken_madts() {
            assert_ne!(broken.tables(), good, "{broken:?}");
        }
    }
}
