//! The job itself: what is measured and proven once the machine stands.
//!
//! Crashes come first. They need the zones as the last boot left them, and
//! whatever a boot has measured is forgotten with its DRAM; so the boot that
//! judges the last crash goes on to the benchmarks, and its summary has it all.

mod bench;
mod crash;
mod handle;
mod report;
mod selftest;
mod sizes;
mod table;

use options::Options;
use record::Verdict;

use crate::{log::info, system::System};
use report::Report;

pub(crate) use crash::{Saving, ledger_of};

/// A part of the job, by the name that the command line uses.
struct Scenario {
    name: &'static str,
    is_wanted: fn(&Options) -> bool,
    run: fn(&mut System, &mut Report),
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "crash",
        is_wanted: |options| options.run.crash,
        run: crash::run,
    },
    Scenario {
        name: "selftest",
        is_wanted: |options| options.run.selftest,
        run: selftest::run,
    },
    Scenario {
        name: "bench",
        is_wanted: |options| options.run.bench,
        run: bench::run,
    },
];

/// Does everything that was asked for, and judges it.
pub(crate) fn all(system: &mut System) -> Verdict {
    let mut report = Report::default();
    for reason in &system.zones.left_alone {
        report.violation("zones", reason.clone());
    }
    // A crash is judged before anything is kept from use: what an earlier boot has kept
    // is freed then. The crash part does both by itself.
    if !system.options.run.crash {
        crash::look_back(system, &mut report);
        system.quarantine.settle(&system.zones);
    }
    for scenario in &SCENARIOS {
        if (scenario.is_wanted)(&system.options) {
            (scenario.run)(system, &mut report);
        } else {
            info!("run", "{} is not wanted", scenario.name);
        }
        system.quarantine.settle(&system.zones);
    }
    system.quarantine.report();
    table::print(&report, &system.clock);
    report.verdict()
}
