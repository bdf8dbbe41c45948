//! Trials of ownership: whose the memory is, and what may be written to it.
//!
//! A foreign file is the same afterwards, byte for byte, and is named; the control
//! is that the same file does change once its token and its marks are said.

use super::trial::{Claim, Content, Damage, Ends, Step, Trial};
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
    ($($name:literal $specimen:literal: $($mark:literal),+;)+) => {
        [$(Trial {
            name: $name,
            file: Content::Specimen($specimen),
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

/// One mark of each kind: partitions, an encrypted volume, an array from its end,
/// persistent memory, swap space, file systems.
static LOOKS: [Trial; 8] = looks! {
    "mark-gpt" "gpt": "gpt", "mbr";
    "mark-luks2" "luks2": "luks2";
    "mark-zfs" "zfs": "zfs";
    "mark-btt" "btt": "btt";
    "mark-pmdk" "pmdk": "pmdk";
    "mark-swap" "swap": "swap";
    "mark-xfs" "xfs": "xfs";
    "mark-ntfs" "ntfs": "ntfs";
};

static TOKENS: [Trial; 3] = [
    Trial {
        name: "token",
        file: Content::Specimen("ext4"),
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
            step(Damage::None, USE, Ends::Pass, &[Recovered, HostJudged]),
        ],
    },
    Trial {
        name: "superblocks",
        file: Content::Blank,
        table: None,
        steps: &[
            step(Damage::None, FORMAT, Ends::Pass, &[Created, HostJudged]),
            step(Damage::First, USE, Ends::Pass, &[Recovered, HostJudged]),
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
        file: Content::Specimen("dax"),
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
