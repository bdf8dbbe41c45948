//! The trials.
//!
//! Exactly one is the full default run; the others are quick, since what they
//! vary is the machine and not the amount of work. Most boot directly, which
//! takes a fifth of a second; the ways through firmware have trials of their own.

use super::trial::{Claim, Content, Damage, Ends, Step, Trial};
use Claim::{
    Crashes, Created, FileChanged, FileUnchanged, HostJudged, Nodes, NotApplicable,
    PersistentZones, Processors, Recovered, Refused, Samples, Says,
};

/// A trial of one run, without files of its own.
pub(super) const fn plain(name: &'static str, steps: &'static [Step]) -> Trial {
    Trial {
        name,
        file: Content::None,
        table: None,
        steps,
    }
}

/// A trial on a file.
const fn on_file(name: &'static str, file: Content, steps: &'static [Step]) -> Trial {
    Trial {
        name,
        file,
        table: None,
        steps,
    }
}

pub(super) const fn step(line: &'static str, ends: Ends, claims: &'static [Claim]) -> Step {
    let damage = Damage::None;
    Step {
        damage,
        line,
        ends,
        claims,
    }
}

/// The trials, the longest first.
pub(super) const TRIALS: &[Trial] = &[
    plain(
        "default",
        &[step(
            "",
            Ends::Pass,
            &[
                Processors(4),
                PersistentZones(1),
                Created,
                Recovered,
                Crashes(5),
                HostJudged,
                Samples {
                    cpus: &[1, 2, 4],
                    zones: 2,
                },
            ],
        )],
    ),
    plain(
        "uefi-8-processors",
        &[step(
            "--quick --cpus 8",
            Ends::Pass,
            &[Processors(8), Crashes(5), HostJudged],
        )],
    ),
    plain(
        "uefi-numa",
        &[step(
            "--quick --pmem 512M --pmem 512M --numa 2",
            Ends::Pass,
            &[PersistentZones(2), Nodes(2), Crashes(5), HostJudged],
        )],
    ),
    plain(
        "uefi-no-nvdimm",
        &[step(
            "--quick --pmem none",
            Ends::Pass,
            &[Says("emulated, not durable"), Processors(4)],
        )],
    ),
    plain(
        "drive-ahci",
        &[step(
            "--quick --parts selftest --cycles 0 --drive ahci",
            Ends::Pass,
            &[Processors(4)],
        )],
    ),
    plain(
        "drive-nvme",
        &[step(
            "--quick --parts selftest --cycles 0 --drive nvme",
            Ends::Pass,
            &[Processors(4)],
        )],
    ),
    plain(
        "drive-usb",
        &[step(
            "--quick --parts selftest --cycles 0 --drive usb",
            Ends::Pass,
            &[Processors(4)],
        )],
    ),
    plain(
        "pvh-1-processor",
        &[step(
            "--quick --boot pvh --cpus 1",
            Ends::Pass,
            &[Processors(1), Crashes(5)],
        )],
    ),
    plain(
        "pvh-2-processors",
        &[step(
            "--quick --boot pvh --cpus 2",
            Ends::Pass,
            &[Processors(2), Crashes(5)],
        )],
    ),
    plain(
        "pvh-4-processors",
        &[step(
            "--quick --boot pvh",
            Ends::Pass,
            &[
                Processors(4),
                Crashes(5),
                HostJudged,
                Samples {
                    cpus: &[1, 2, 4],
                    zones: 2,
                },
            ],
        )],
    ),
    plain(
        "pvh-8-processors",
        &[step(
            "--quick --boot pvh --cpus 8",
            Ends::Pass,
            &[Processors(8), Crashes(5)],
        )],
    ),
    plain(
        "pvh-numa",
        &[step(
            "--quick --boot pvh --pmem 512M --pmem 512M --numa 2",
            Ends::Pass,
            &[PersistentZones(2), Nodes(2), Crashes(5)],
        )],
    ),
    plain(
        "pvh-three-nvdimms",
        &[step(
            "--quick --boot pvh --pmem 256M --pmem 512M --pmem 256M",
            Ends::Pass,
            &[PersistentZones(3), Crashes(5)],
        )],
    ),
    plain(
        "pvh-no-nvdimm",
        &[step(
            "--quick --boot pvh --pmem none",
            Ends::Pass,
            &[Says("emulated, not durable")],
        )],
    ),
    plain(
        "label-area",
        &[step(
            "--quick --boot pvh --label-size 128K",
            Ends::Pass,
            &[PersistentZones(1), Crashes(5), HostJudged],
        )],
    ),
    plain(
        "thirty-crashes",
        &[step(
            "--quick --boot pvh --parts crash --cycles 30 --seed 7",
            Ends::Pass,
            &[Crashes(30), HostJudged],
        )],
    ),
    on_file(
        "power-failure",
        Content::Blank,
        &[
            step(
                "--quick --boot pvh --pmem-file {file} --format --kill-after 2",
                Ends::Killed,
                &[HostJudged],
            ),
            step(
                "--quick --boot pvh --pmem-file {file}",
                Ends::Pass,
                &[
                    Recovered,
                    Crashes(1),
                    HostJudged,
                    Says("pmem0: generation "),
                    Says(", not closed, "),
                    Says(" crashes before, last mounted as eadr"),
                ],
            ),
        ],
    ),
    on_file(
        "foreign-content",
        Content::Foreign,
        &[
            step(
                "--quick --boot pvh --pmem-file {file}",
                Ends::Verdict,
                &[FileUnchanged],
            ),
            step(
                "--quick --boot pvh --pmem-file {file} --format",
                Ends::Pass,
                &[FileChanged, Created, Crashes(5)],
            ),
        ],
    ),
    on_file(
        "unarmed",
        Content::Blank,
        &[step(
            "--quick --boot pvh --pmem-file {file} --format --unarmed",
            Ends::Verdict,
            &[Refused("armed"), FileUnchanged],
        )],
    ),
    plain(
        "adr",
        &[step(
            "--quick --boot pvh --persistence mem-ctrl",
            Ends::Verdict,
            &[NotApplicable("domain")],
        )],
    ),
    plain(
        "no-capabilities",
        &[step(
            "--quick --boot pvh --persistence none",
            Ends::Verdict,
            &[NotApplicable("domain")],
        )],
    ),
    plain(
        "mutant-get-forgets-bit",
        &[step(
            "--quick --boot pvh --mutant get_forgets_bit",
            Ends::Fail,
            &[],
        )],
    ),
    plain(
        "mutant-recover-skips-recount",
        // A counter is behind its bits only in the middle of an operation, which
        // about one crash in fourteen hits; the run ends with the first.
        &[step(
            "--quick --boot pvh --parts crash --cycles 200 --timeout 600 --mutant \
             recover_skips_recount",
            Ends::Fail,
            &[],
        )],
    ),
    plain(
        "guest-panics",
        &[step("--quick --boot pvh --break panic", Ends::Panic, &[])],
    ),
    plain(
        "guest-hangs",
        &[step(
            "--quick --boot pvh --break hang --timeout 25",
            Ends::Hang,
            &[],
        )],
    ),
    plain(
        "guest-ends-silently",
        &[step(
            "--quick --boot pvh --break silent",
            Ends::NoVerdict,
            &[],
        )],
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::{super::conduct, *};

    fn steps() -> impl Iterator<Item = &'static Step> {
        super::super::trials().flat_map(|trial| trial.steps)
    }

    #[test]
    fn names_are_unique_and_name_a_directory() {
        let names: BTreeSet<_> = super::super::trials().map(|trial| trial.name).collect();
        assert_eq!(names.len(), super::super::trials().count());
        let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        assert!(names.iter().all(is_plain));
    }

    #[test]
    fn every_line_is_one_that_the_command_line_accepts() {
        for step in steps() {
            let path = Path::new("file");
            conduct::args(step.line, path, path).expect(step.line);
        }
    }

    #[test]
    fn exactly_one_trial_is_the_full_default_run() {
        let full: Vec<_> = steps()
            .filter(|step| !step.line.contains("--quick"))
            .collect();
        assert_eq!(full.len(), 1);
        assert_eq!(full[0].line, "");
    }
}
