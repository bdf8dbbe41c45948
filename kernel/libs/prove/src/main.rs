//! Proofs about the allocator that take a scheduler, a power switch and a while.
//!
//! The code under test is the shipped one. It says before each access to a shared
//! word what it is about to do ([`persist::Persist`]); here that is the place at
//! which other threads run, stores wait in buffers, and the power fails.
//!
//! ```text
//! table ─► explore ─► trial ─► engine ─► fibers, which call the allocator
//!            │          │        ▲   ▼ requests
//!            │          │      chooser: chance, exhaustive
//!            │          └► ledger (who owns what) ─► crash ─► image ─► recovery ─► judge
//!            └► report
//! ```
//!
//! `cargo xtask prove` builds and runs this, and makes a table of what it says.
//!
//! What none of it can show: reorderings that x86 does not have, more threads than
//! [`engine::THREADS`], accesses that don't go through the platform, and anything
//! about the speed.

mod actor;
mod arguments;
mod chance;
mod controls;
mod crash;
mod engine;
mod exhaustive;
mod explore;
mod fiber;
mod image;
mod judge;
mod ledger;
mod lists;
mod machine;
mod program;
mod recovery;
mod report;
mod scenario;
mod service;
mod story;
mod table;
mod tables;
mod trial;
mod word;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use arguments::Arguments;
use crash_images::{lines, medium, random, remains};
use explore::{Budget, explore};

/// Schedules of each scenario in a moment.
const MOMENT: u64 = 200;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if let Some(name) = &arguments.mutant
        && !choose_mutant(name)
    {
        eprintln!("there are no mutants in this build");
        return ExitCode::from(2);
    }
    // Panics of threads under test are results.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = false;
    for control in controls::controls() {
        control.print();
        missed |= control.found != control.broken;
    }
    let failed = AtomicBool::new(false);
    // Who only looks for one violation looks everywhere for a moment first.
    if arguments.until_killed {
        let most = Some(MOMENT);
        try_all(
            &arguments,
            Budget {
                most,
                ..arguments.budget
            },
            &failed,
        );
    }
    if !(arguments.until_killed && failed.load(Ordering::Relaxed)) {
        try_all(&arguments, arguments.budget, &failed);
    }
    ExitCode::from(u8::from(missed || failed.into_inner()))
}

/// Tries the scenarios, several at a time.
fn try_all(arguments: &Arguments, budget: Budget, failed: &AtomicBool) {
    let scenarios = arguments.scenarios();
    let next = AtomicUsize::new(0);
    let work = || {
        // Relaxed: the number is all that the workers tell each other.
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            if arguments.until_killed && failed.load(Ordering::Relaxed) {
                return;
            }
            println!("@progress scenario={} done=0 of=1000", scenario.name);
            let row = explore(scenario, budget);
            if row.violations > 0 {
                failed.store(true, Ordering::Relaxed);
            }
            row.print();
        }
    };
    thread::scope(|scope| {
        for _ in 0..arguments.workers {
            scope.spawn(work);
        }
    });
}

/// Has the allocator make a mistake from now on; false if it was built without any.
#[cfg(mutant = "any")]
fn choose_mutant(name: &str) -> bool {
    llfree::mutant::choose(name);
    true
}

/// Has the allocator make a mistake from now on; false if it was built without any.
#[cfg(not(mutant = "any"))]
const fn choose_mutant(_: &str) -> bool {
    false
}
