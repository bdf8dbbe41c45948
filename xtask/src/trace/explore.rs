//! Crashes at the moments of a trace: which, and what comes of them.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use anyhow::{Result, anyhow, ensure};
use crash_images::{random::Random, remains::Remains};
use indicatif::ProgressBar;
use trace_plugin::{Event, What};

use super::{
    boot::Life,
    layout::Layout,
    recovery::Recovery,
    tally::Tally,
    world::{Change, World},
};

/// How much of a life is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Moments at most, spread evenly.
    pub(super) points: u64,
    /// Images of each model at each moment.
    pub(super) images: usize,
    /// Threads.
    pub(super) jobs: u64,
    /// Processors of the machine.
    pub(super) cpus: usize,
    /// What is left out of the trace on purpose.
    pub(super) without: Option<Without>,
}

/// What can be left out of a trace, to see whether anybody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Without {
    /// Write-backs.
    Flushes,
    /// Fences, and locked instructions as such.
    Fences,
}

impl Without {
    fn leaves_out(self, what: What) -> bool {
        match self {
            Self::Flushes => matches!(what, What::Flush { .. }),
            Self::Fences => matches!(what, What::Fence | What::Locked { .. }),
        }
    }
}

/// Something that does not hold.
pub(super) struct Violation {
    /// What.
    pub(super) what: String,
    /// After so many events.
    pub(super) event: usize,
    /// The tables that a crash could have left.
    pub(super) image: Vec<u64>,
    /// The rest.
    pub(super) world: World,
}

/// Lets the power fail in the course of a life.
///
/// # Errors
///
/// Returns an error where the host fails, or where the trace can't be believed.
pub(super) fn explore(
    life: &Life,
    limits: Limits,
    bar: &ProgressBar,
) -> Result<(Tally, Option<Violation>)> {
    let after = File::open(&life.after)?;
    let layout = Layout::read(&after)?;
    let begin = || World::read(&File::open(&life.before)?, layout, limits.cpus);
    let mut tally = survey(begin()?, &life.events, &after)?;
    let stride = tally.moments.div_ceil(limits.points).max(1);
    let is_over = AtomicBool::new(false);
    // Relaxed: the number is all that the threads tell each other.
    let next = AtomicU64::new(0);
    let job = || -> Result<(Tally, Option<Violation>)> {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            recovery: Recovery::new(layout, limits.cpus),
            random: Random::new(life.seed << 8 | number),
            tally: Tally::default(),
            limits,
        };
        let is_mine = |moment: u64| {
            moment.is_multiple_of(stride) && (moment / stride) % limits.jobs == number
        };
        Ok(job.run(begin()?, &life.events, is_mine, &is_over, bar))
    };
    let parts = thread::scope(|scope| {
        let jobs: Vec<_> = (0..limits.jobs).map(|_| scope.spawn(job)).collect();
        let ended = jobs.into_iter().map(|job| match job.join() {
            Ok(part) => part,
            Err(_) => Err(anyhow!("a job has panicked")),
        });
        ended.collect::<Result<Vec<_>>>()
    })?;
    let mut violation = None;
    for (part, found) in parts {
        tally.merge(&part);
        violation = violation.or(found);
    }
    tally.violations = u64::from(violation.is_some());
    Ok((tally, violation))
}

/// Counts what is in a trace, and checks that nothing is missing.
fn survey(mut world: World, events: &[Event], after: &File) -> Result<Tally> {
    let changes = events.iter().map(|&event| world.apply(event));
    let moments = changes.filter(|change| change.is_moment()).count() as u64;
    world.check(after)?;
    let counts = world.counts;
    ensure!(
        moments > 0 && counts.stores > 0 && counts.flushes > 0 && counts.fences > 0,
        "the trace has {} stores to the tables, {} write-backs, {} fences",
        counts.stores,
        counts.flushes,
        counts.fences
    );
    ensure!(
        counts.unpaired == 0,
        "{} of the kernel's write-backs have no load of their line right before them",
        counts.unpaired
    );
    Ok(Tally {
        lives: 1,
        moments,
        stores: counts.stores,
        flushes: counts.flushes,
        fences: counts.fences,
        ..Tally::default()
    })
}

impl Change {
    /// Whether a crash now and a crash before are not the same.
    fn is_moment(self) -> bool {
        matches!(self, Self::Tables | Self::Account)
    }
}

/// One thread's part.
struct Job {
    recovery: Recovery,
    random: Random,
    tally: Tally,
    limits: Limits,
}

impl Job {
    fn run(
        mut self,
        mut world: World,
        events: &[Event],
        is_mine: impl Fn(u64) -> bool,
        is_over: &AtomicBool,
        bar: &ProgressBar,
    ) -> (Tally, Option<Violation>) {
        let mut moment = 0;
        for (number, &event) in events.iter().enumerate() {
            let without = self.limits.without;
            if without.is_some_and(|without| without.leaves_out(event.what)) {
                continue;
            }
            let change = world.apply(event);
            if matches!(change, Change::Account | Change::Frame) {
                self.recovery.forget();
            }
            if !change.is_moment() {
                continue;
            }
            moment += 1;
            if !is_mine(moment) {
                continue;
            }
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            bar.inc(1);
            if let Err((what, image)) = self.fail(&world) {
                is_over.store(true, Ordering::Relaxed);
                let violation = Violation {
                    what,
                    event: number + 1,
                    image,
                    world,
                };
                return self.end(Some(violation));
            }
        }
        self.end(None)
    }

    fn end(mut self, violation: Option<Violation>) -> (Tally, Option<Violation>) {
        let done = self.recovery.counts;
        (self.tally.recovered, self.tally.judged) = (done.recovered, done.judged);
        (self.tally, violation)
    }

    /// Lets the power fail now.
    fn fail(&mut self, world: &World) -> Result<(), (String, Vec<u64>)> {
        let Self {
            recovery,
            random,
            tally,
            limits,
        } = self;
        let remains = Remains::new(&world.medium, &[], false);
        let mut failing = Vec::new();
        let mut check = |image: &[u64]| {
            tally.images += 1;
            recovery
                .judge(image, world)
                .inspect_err(|_| failing = image.to_vec())
        };
        let all = remains.images(limits.images, random, &mut check);
        let all = all.map_err(|what| (what, failing))?;
        tally.points += 1;
        tally.sampled += u64::from(!all);
        Ok(())
    }
}
