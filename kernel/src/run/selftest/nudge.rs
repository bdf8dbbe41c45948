//! Does a processor get the last frames of one that sleeps?
//!
//! Processor 1 holds the last free frames of a zone and sleeps. Processor 0 is
//! refused at first, which shows that it would never get them by itself; then it
//! nudges. The zone is made of numbers: none of its frames exists, so it can be
//! exhausted without anybody missing memory.

use alloc::{format, string::String, vec, vec::Vec};
use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use frame::Order;
use llfree::{Environment, GetError, Layout, Memory, Zone};
use persist::Volatile;
use spin::Mutex;

use crate::{
    arch::tsc::Clock,
    log::info,
    run::report::Report,
    smp::{self, Nudges},
    system::System,
};

const ASKER: usize = 0;
const SLEEPER: usize = 1;
const CPUS: usize = 2;
/// Frames of the zone: four huge frames.
const FRAMES: usize = 4 * 512;
/// Attempts of the asker, 100 µs apart: a virtual processor may be slow to wake.
const TRIES: usize = 50_000;
/// How long the sleeper may take to fall asleep.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the two have come.
#[derive(Default)]
struct Progress {
    /// The sleeper holds frames, and is about to sleep.
    holds: AtomicBool,
    /// The asker has been refused; the sleeper may give back from now on.
    refused: AtomicBool,
    /// The sleeper may go.
    over: AtomicBool,
}

/// Runs it, on a machine with two processors or more.
pub(super) fn run(system: &mut System, report: &mut Report) {
    if system.crew.len() < CPUS {
        info!("selftest", "nobody to nudge: there is one processor");
        return;
    }
    let layout = Layout::for_frames(FRAMES, CPUS);
    let (mut lower, mut upper) = (lines(layout.lower_bytes), lines(layout.upper_bytes));
    let memory = Memory {
        lower: aligned(&mut lower, layout.lower_bytes),
        upper: aligned(&mut upper, layout.upper_bytes),
    };
    let zone = match Zone::create(FRAMES, CPUS, memory, Volatile) {
        Ok(zone) => zone,
        Err(error) => return report.violation("nudge", format!("{error}")),
    };
    let progress = Progress::default();
    let outcome = Mutex::new(Ok(()));
    let (nudges, clock) = (system.crew.nudges(), system.clock);
    let ran = system.crew.run(CPUS, &|cpu| {
        if cpu == ASKER {
            *outcome.lock() = ask(&zone, &progress, &nudges, &clock);
            // Release pairs with the sleeper's Acquire.
            progress.over.store(true, Ordering::Release);
            nudges.nudge(SLEEPER);
        } else {
            hold(&zone, &progress);
        }
    });
    let outcome = match ran {
        Ok(()) => outcome.into_inner(),
        Err(silent) => Err(format!("{silent}")),
    };
    match outcome {
        Ok(()) => {
            info!("selftest", "a sleeping processor gave back when nudged");
            report.checked(1);
        }
        Err(what) => report.violation("nudge", what),
    }
}

/// Takes a frame, and with it a row; gives back what is left of it when woken.
fn hold(zone: &Zone<'_, Volatile>, progress: &Progress) {
    let Ok(mut local) = zone.local(SLEEPER) else {
        return;
    };
    if local.get(Order::FRAME).is_err() {
        return;
    }
    // Acquire pairs with the Release stores of the asker.
    let is_over = || progress.over.load(Ordering::Acquire);
    smp::sleep_until(is_over, || {
        progress.holds.store(true, Ordering::Release);
        // The interrupt that brought the job may come late, and wakes as well.
        if progress.refused.load(Ordering::Acquire) {
            local.give_back_if_asked();
        }
    });
}

/// Takes all frames but the sleeper's, and then one of those.
fn ask(
    zone: &Zone<'_, Volatile>,
    progress: &Progress,
    nudges: &Nudges,
    clock: &Clock,
) -> Result<(), String> {
    // Acquire pairs with the Release in `hold`.
    if !clock.wait_until(PATIENCE, || progress.holds.load(Ordering::Acquire)) {
        return Err(format!("processor {SLEEPER} did not get to hold anything"));
    }
    let mut local = zone.local(ASKER).map_err(|error| format!("{error}"))?;
    let Some(refusal) = (0..=FRAMES).find_map(|_| local.get(Order::FRAME).err()) else {
        return Err(format!("more than {FRAMES} frames were to be had"));
    };
    if !matches!(refusal, GetError::HeldElsewhere { .. }) {
        return Err(format!("with frames held by a sleeper: {refusal}"));
    }
    progress.refused.store(true, Ordering::Release);
    // All others are taken: this one is the sleeper's.
    let got = local.get_or_nudge(Order::FRAME, nudges, TRIES);
    got.map(drop)
        .map_err(|error| format!("after {TRIES} tries: {error}"))
}

/// Returns room for `len_bytes` that start at a cache line.
fn lines(len_bytes: usize) -> Vec<u8> {
    vec![0; len_bytes + 63]
}

fn aligned(room: &mut [u8], len_bytes: usize) -> &mut [u8] {
    let start = room.as_ptr().align_offset(64);
    &mut room[start..][..len_bytes]
}
