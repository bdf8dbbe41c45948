//! Trials of ownership: whose the memory is, and what may be written to it.
//!
//! A foreign file is the same afterwards, byte for byte, and is named; the control
//! is that the same file does change once its token and its marks are said.

use super::trial::{Claim, Content, Damage, Ends, Place, Step, Trial};
use Claim::{
    Crashes, Created, FileChanged, FileUnchanged, HostJudged, Marked, Recovered, Says,
    StartUnchanged,
};

/// A look at a file, without permission to format it.
const LOOK: &str = "--quick --boot pvh --cpus 1 --parts selftest --cycles 0 --pmem-file {file}";
/// A run that may format it, over a crash.
const FORMAT: &str =
    "--quick --boot pvh --cpus 2 --parts crash --cycles 1 --pmem-file {file} --format";
/// A run that may not.
const USE: &str = "--quick --boot pvh --cpus 2 --parts crash --cycles 1 --pmem-file {file}";

const fn step(damage: Damage, line: &'static str, ends: Ends, claims: &'static [Claim]) -> Step {
    Step {
        damage,
        line,
        ends,
        claims,
    }
}

/// A look at a specimen.
macro_rules! looks {
    ($($name:literal $specimen:literal $place:expr, $($mark:literal),+;)+) => {
        [$(Trial {
            name: $name,
            file: Content::Specimen($specimen, $place),
            table: None,
            steps: &[step(
                Damage::None,
                LOOK,
                Ends::Verdict,
                &[Marked(&[$($mark),+]), FileUnchanged],
            )],
        }),+]
    };
}

const START: Place = Place::At(0);
const SECOND_FRAME: Place = Place::At(4 << 10);
const SECOND_HUGE_FRAME: Place = Place::At(2 << 20);

/// Marks of each kind, and of each place where a format may begin.
static LOOKS: [Trial; 16] = looks! {
    "mark-gpt" "gpt" START, "gpt", "mbr";
    "mark-luks2" "luks2" START, "luks2";
    "mark-zfs" "zfs" START, "zfs";
    "mark-btt" "btt" START, "btt";
    "mark-pmdk" "pmdk" START, "pmdk";
    "mark-swap" "swap" START, "swap";
    "mark-xfs" "xfs" START, "xfs";
    "mark-ntfs" "ntfs" START, "ntfs";
    "mark-lvm2-second-frame" "lvm2" SECOND_FRAME, "lvm2";
    "mark-ext4-second-frame" "ext4" SECOND_FRAME, "ext4";
    "mark-btrfs-second-huge-frame" "btrfs" SECOND_HUGE_FRAME, "btrfs";
    "mark-luks1-second-huge-frame" "luks1" SECOND_HUGE_FRAME, "luks1";
    "mark-xfs-second-huge-frame" "xfs" SECOND_HUGE_FRAME, "xfs";
    "mark-md0-end" "md0" Place::End, "md0";
    "mark-ddf-end" "ddf" Place::End, "ddf";
    "mark-zfs-end" "zfs-tail" Place::End, "zfs";
};

static TOKENS: [Trial; 4] = [
    Trial {
        name: "permission-that-is-not-enough",
        file: Content::Specimen("ext4", START),
        table: None,
        steps: &[
            step(
                Damage::None,
                "--quick --boot pvh --cpus 1 --parts selftest --cycles 0 --pmem-file {file} \
                 --word pmem.format=any",
                Ends::Verdict,
                &[Marked(&["ext4"]), FileUnchanged],
            ),
            step(
                Damage::None,
                "--quick --boot pvh --cpus 1 --parts selftest --cycles 0 --pmem-file {file} \
                 --word pmem.format=any --word pmem.overwrite=xfs",
                Ends::Verdict,
                &[Marked(&["ext4"]), FileUnchanged],
            ),
            // The token of what the range held before.
            step(
                Damage::None,
                "--quick --boot pvh --cpus 1 --parts selftest --cycles 0 --pmem-file {file} \
                 --word pmem.format=1da56d5b89294b00-0123456789abcdef --word pmem.overwrite=ext4",
                Ends::Verdict,
                &[Marked(&["ext4"]), FileUnchanged],
            ),
        ],
    },
    Trial {
        name: "token",
        file: Content::Specimen("ext4", START),
        table: None,
        steps: &[
            step(
                Damage::None,
                LOOK,
                Ends::Verdict,
                &[Marked(&["ext4"]), FileUnchanged],
            ),
            // The command line is read again after the crash.
            step(
                Damage::None,
                FORMAT,
                Ends::Pass,
                &[
                    Created,
                    FileChanged,
                    Says("its token is ignored"),
                    Recovered,
                    Crashes(1),
                ],
            ),
            step(
                Damage::None,
                USE,
                Ends::Pass,
                &[Recovered, HostJudged, Says(", closed in order, ")],
            ),
        ],
    },
    Trial {
        name: "superblocks",
        file: Content::Blank,
        table: None,
        steps: &[
            step(Damage::None, FORMAT, Ends::Pass, &[Created, HostJudged]),
            step(
                Damage::First,
                USE,
                Ends::Pass,
                &[
                    Recovered,
                    HostJudged,
                    Says("the superblock tells of no mount"),
                ],
            ),
            step(Damage::Last, USE, Ends::Pass, &[Recovered, HostJudged]),
            step(
                Damage::Both,
                LOOK,
                Ends::Verdict,
                &[Says("neither copy of the superblock"), FileUnchanged],
            ),
        ],
    },
    Trial {
        name: "devdax",
        file: Content::Specimen("dax", START),
        table: None,
        steps: &[
            step(Damage::None, LOOK, Ends::Verdict, &[FileUnchanged]),
            step(
                Damage::None,
                FORMAT,
                Ends::Pass,
                &[
                    Says("is a devdax namespace"),
                    Created,
                    FileChanged,
                    StartUnchanged,
                    Crashes(1),
                    HostJudged,
                ],
            ),
            step(
                Damage::None,
                USE,
                Ends::Pass,
                &[Recovered, StartUnchanged, HostJudged],
            ),
        ],
    },
];

/// All of them.
pub(super) fn trials() -> impl Iterator<Item = &'static Trial> {
    TOKENS.iter().chain(&LOOKS)
}
