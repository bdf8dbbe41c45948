//! Trials of malformed tables: a boot each.
//!
//! Whatever is wrong, a line says what, nothing that is not sound is written to,
//! and the machine goes on with what is: each run ends with a verdict, after the
//! self-test on DRAM and on as many processors as the tables leave. The two
//! well-formed tables are the controls.

use super::{
    madt::Madt,
    nfit::Nfit,
    trial::{Claim, Content, Damage, Ends, Step, Table, Trial},
};
use Claim::{Created, FileChanged, FileUnchanged, PersistentZones, Processors, Refused, Says};

/// A run on a module that only an injected table lists. Formatting is permitted,
/// so that nothing but the table keeps the kernel from writing.
const INJECTED: &str = "--quick --boot pvh --parts selftest --cycles 0 --pmem-file {file} \
                        --format --unlisted --acpitable {table}";

/// A run on tables that replace all of QEMU's.
const REPLACED: &str =
    "--quick --boot pvh --parts selftest --cycles 0 --pmem none --firmware {table}";

macro_rules! nfits {
    ($($name:literal $nfit:ident: $($claim:expr),+;)+) => {
        [$(Trial {
            name: $name,
            file: Content::Blank,
            table: Some(Table::Nfit(Nfit::$nfit)),
            steps: &[Step {
                damage: Damage::None,
                line: INJECTED,
                ends: Ends::Pass,
                claims: &[Processors(4), $($claim),+],
            }],
        }),+]
    };
}

macro_rules! madts {
    ($($name:literal $madt:ident $processors:literal $says:literal;)+) => {
        [$(Trial {
            name: $name,
            file: Content::None,
            table: Some(Table::Madt(Madt::$madt)),
            steps: &[Step {
                damage: Damage::None,
                line: REPLACED,
                ends: Ends::Pass,
                claims: &[Processors($processors), Says($says)],
            }],
        }),+]
    };
}

static NFITS: [Trial; 27] = nfits! {
    "nfit-well-formed" WellFormed: PersistentZones(1), FileChanged, Created;
    "nfit-length-zero" LengthZero: Says("has 0 bytes, at least 56 needed"), FileUnchanged;
    "nfit-overrun" Overrun: Refused("its table NFIT is doubtful"), FileUnchanged;
    "nfit-range-too-short" RangeTooShort: Says("has 40 bytes, at least 56 needed"), FileUnchanged;
    "nfit-beyond-address-space" BeyondAddressSpace: Refused("address bits of the processor"),
        FileUnchanged;
    "nfit-over-dram" OverDram: Refused("the memory map has something else"), FileUnchanged;
    "nfit-misaligned" Misaligned: Refused("not whole frames"), FileUnchanged;
    "nfit-overlap" Overlap: Refused("it overlaps NFIT range 2"), FileUnchanged;
    "nfit-repeated-index" RepeatedIndex: Refused("repeats index 1"), FileUnchanged;
    "nfit-no-device" NoDevice: Refused("no memory device"), FileUnchanged;
    "nfit-cut-header" CutHeader: Says("its length is 36 bytes, at least 40 needed"), FileUnchanged;
    "nfit-no-index" NoIndex: Refused("its NFIT index is 0"), FileUnchanged;
    "nfit-empty" Empty: Refused("has no bytes"), FileUnchanged;
    "nfit-first-mebibyte" FirstMebibyte: Refused("in the first mebibyte"), FileUnchanged;
    "nfit-disk-image" DiskImage: Refused("it is a disk image"), FileUnchanged;
    "nfit-not-write-back" NotWriteBack: Refused("can't be cached write-back"), FileUnchanged;
    "nfit-no-control" NoControl: Refused("control region 1, which is missing"), FileUnchanged;
    "nfit-not-armed" NotArmed: Refused("is not armed"), FileUnchanged;
    "nfit-failed" Failed: Refused("reports a failed save"), FileUnchanged;
    "nfit-size-mismatch" SizeMismatch: Refused("its memory devices contribute"), FileUnchanged;
    "nfit-ways-mismatch" WaysMismatch: Refused("claims an interleave set of 2"), FileUnchanged;
    "nfit-no-interleave" NoInterleave: Refused("interleave structure 5"), FileUnchanged;
    "nfit-repeated-map" RepeatedMap: Refused("repeats memory device"), FileUnchanged;
    "nfit-overfull-hints" OverfullHints: Refused("less than it counts"), FileUnchanged;
    "nfit-two-capabilities" TwoCapabilities: Refused("contradict earlier ones"), FileUnchanged;
    "nfit-highest-capability" HighestCapability: Refused("beyond 31"), FileUnchanged;
    "nfit-half-armed" HalfArmed: Refused("is not armed"), PersistentZones(1), Created, FileChanged;
};

static MADTS: [Trial; 14] = madts! {
    "madt-well-formed" WellFormed 4 "4 processors enabled of 4 listed";
    "madt-not-there" NotThere 1 "APIC: not there; only the boot processor runs";
    "madt-repeated" Repeated 4 "there is another one; the first one is used";
    "madt-checksum" Checksum 1 "instead of 0; processors it should list stay off";
    "madt-length-too-long" LengthTooLong 1 "its length is 2147483648 bytes, at most";
    "madt-length-too-short" LengthTooShort 1 "its length is 40 bytes, at least 44 needed";
    "madt-entry-length-zero" EntryLengthZero 2 "has 0 bytes, at least 2 needed";
    "madt-entry-too-short" EntryTooShort 2 "has 6 bytes, at least 8 needed";
    "madt-entry-overrun" EntryOverrun 4 "has 255 bytes, but the table ends after 2";
    "madt-repeated-processors" RepeatedProcessors 4 "4 processors enabled of 4 listed";
    "madt-all-disabled" AllDisabled 1 "0 processors enabled of 4 listed";
    "madt-phantom" Phantom 4 "apic id 77 is skipped: it did not answer within 2 s";
    "madt-thousand" Thousand 4 "128 of 1000 processors take part";
    "madt-out-of-reach" OutOfReach 4 "is skipped: it can't be reached without x2APIC";
};

/// All trials of tables.
pub(super) fn trials() -> impl Iterator<Item = &'static Trial> {
    NFITS.iter().chain(&MADTS)
}

/// The NFITs that are broken.
#[cfg(test)]
pub(super) fn broken_nfits() -> impl Iterator<Item = Nfit> {
    trials().filter_map(|trial| match trial.table {
        Some(Table::Nfit(nfit)) if nfit != Nfit::WellFormed => Some(nfit),
        _ => None,
    })
}

/// The lists of processors that are broken.
#[cfg(test)]
pub(super) fn broken_madts() -> impl Iterator<Item = Madt> {
    trials().filter_map(|trial| match trial.table {
        Some(Table::Madt(madt)) if madt != Madt::WellFormed => Some(madt),
        _ => None,
    })
}
