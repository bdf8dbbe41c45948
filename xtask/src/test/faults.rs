//! Trials of a machine that breaks: a processor, memory, or the lack of it.

use super::{
    madt::Madt,
    table::{plain, step},
    trial::{Claim, Ends, Table, Trial},
};
use Claim::{Crashes, Created, HostJudged, Processors, Samples, Says, Sound};

/// The trials.
pub(super) static TRIALS: [Trial; 7] = [
    // The last processor stops for good in the middle of a job, with the console
    // in its hands.
    plain(
        "processor-lost",
        &[step(
            "--quick --boot pvh --parts selftest,bench --cycles 0 --break deaf --patience 5",
            Ends::Pass,
            &[
                Says("did not come back within 5 s and was stopped"),
                Says("the console, which it held, was taken from it"),
                Says("3 of 4 processors have finished, 3 are left"),
                Samples {
                    cpus: &[1, 2, 3],
                    zones: 2,
                },
            ],
        )],
    ),
    // QEMU's monitor reports an error in a line of the persistent zone.
    plain(
        "machine-check",
        &[step(
            "--quick --boot pvh --parts selftest,bench --cycles 0 --break machine-check",
            Ends::Pass,
            &[
                Says("of pmem0: the 2 MiB around it are kept from use, 512 frames now, 0 as"),
                Says("512 frames around frame"),
                Samples {
                    cpus: &[1, 2, 4],
                    zones: 2,
                },
            ],
        )],
    ),
    // The same at each boot of a series of crashes: what is kept from use has not leaked,
    // is given to nobody, and is free again before the next one.
    plain(
        "machine-check-and-crashes",
        &[step(
            "--quick --boot pvh --break machine-check",
            Ends::Pass,
            &[
                Says("of pmem0: the 2 MiB around it are kept from use, 512 frames now, 0 as"),
                Says("512 frames around frame"),
                Crashes(5),
                HostJudged,
            ],
        )],
    ),
    plain(
        "dram-128-mib",
        &[step(
            "--quick --boot pvh --memory 128M --pmem 256M",
            Ends::Pass,
            &[Created, Crashes(5)],
        )],
    ),
    // Not enough for the stacks of all processors, which leaves a full zone.
    plain(
        "dram-24-mib-100-processors",
        &[step(
            "--quick --boot pvh --cpus 100 --memory 24M --pmem 64M --parts selftest --cycles 0",
            Ends::Pass,
            &[Says("is skipped: it lacks memory: no frame is left")],
        )],
    ),
    // A thousand are listed, and there is hardly any memory for what each one needs:
    // what was to stand in for persistent memory is too small.
    Trial {
        table: Some(Table::Madt(Madt::Thousand)),
        ..plain(
            "dram-24-mib-1000-processors",
            &[step(
                "--quick --boot pvh --memory 24M --parts selftest --cycles 0 --pmem none \
                 --firmware {table}",
                Ends::Fail,
                &[
                    Processors(4),
                    Says("128 of 1000 processors take part"),
                    Says("selftest: dram0: "),
                    Sound("selftest"),
                    Says("tables and one huge frame need 4198400; give it more"),
                ],
            )],
        )
    },
    plain(
        "dram-12-mib",
        &[step(
            "--quick --boot pvh --memory 12M --pmem 64M",
            Ends::Fail,
            &[Says("can't go on: the heap can't grow by")],
        )],
    ),
];
