//! Many cycles of one series, on several machines at once.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

use crate::build::Artifacts;

use super::{
    failure::Failure,
    rig::{Rig, Step},
    series::Series,
    tally::Tally,
};

/// After so many failures there is nothing more to learn from going on.
const ENOUGH_FAILURES: u64 = 3;

/// What a campaign needs, once for all its machines.
pub(crate) struct Campaign<'c> {
    /// What to do.
    pub(crate) series: Series,
    /// Seed of everything random.
    pub(crate) seed: u64,
    /// Machines at once.
    pub(crate) jobs: u32,
    /// The images.
    pub(crate) artifacts: &'c Artifacts,
    /// Where failing cycles are kept.
    pub(crate) failures: &'c Path,
    /// Whether somebody watches.
    pub(crate) progress: bool,
}

/// What a campaign came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The counts.
    pub(crate) tally: Tally,
    /// The cycles that failed.
    pub(crate) failures: Vec<Failure>,
}

impl Campaign<'_> {
    /// Breaks machines until there were enough cycles, or failures.
    ///
    /// # Errors
    ///
    /// Returns an error where the host fails.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let progress = self.progress_bar();
        let shared = Shared {
            left: AtomicI64::new(i64::try_from(self.series.cycles)?),
            failed: AtomicU64::new(0),
            outcome: Mutex::default(),
            progress: &progress,
        };
        thread::scope(|scope| {
            let shared = &shared;
            let jobs: Vec<_> = (0..self.jobs)
                .map(|job| scope.spawn(move || self.job(job, shared)))
                .collect();
            jobs.into_iter().try_for_each(|job| {
                let ended = job.join();
                ended.map_err(|_| anyhow!("a job has panicked"))?
            })
        })?;
        progress.finish_and_clear();
        // Every job has ended in an orderly way.
        Ok(shared
            .outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }

    fn progress_bar(&self) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(
            "{prefix} {bar:30} {pos}/{len} cycles, {per_sec}, violations so far: {msg}",
        );
        let bar = ProgressBar::new(self.series.cycles);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.with_prefix(self.series.name()).with_message("0")
    }

    /// One machine, over and over; a new one on a new file after each failure.
    fn job(&self, job: u32, shared: &Shared<'_>) -> Result<()> {
        // Seeds of the machines lie apart: each process takes the next one.
        let mut seed = self.seed.wrapping_add(u64::from(job) << 32);
        while !shared.is_over() {
            let dir = fresh_dir()?;
            let mut rig = Rig::new(self.series, seed, self.artifacts, dir.path())?;
            if let Some(what) = self.break_on(&mut rig, shared)? {
                let failed = shared.failed.fetch_add(1, Ordering::Relaxed) + 1;
                shared.progress.set_message(failed.to_string());
                rig.end();
                let failure = Failure::keep(self, &rig, seed, what)?;
                shared.with(|outcome| {
                    outcome.tally.failed += 1;
                    outcome.failures.push(failure);
                });
            }
            seed = seed.wrapping_add(1 << 16);
        }
        Ok(())
    }

    /// Breaks one machine until there were enough cycles; returns what failed.
    fn break_on(&self, rig: &mut Rig, shared: &Shared<'_>) -> Result<Option<String>> {
        let started = Instant::now();
        let mut tally = Tally::default();
        let mut failed = None;
        while !shared.is_over() {
            match rig.step()? {
                Step::Broken(cycle) => {
                    tally.add(&cycle);
                    shared.left.fetch_sub(1, Ordering::Relaxed);
                    shared.progress.inc(1);
                }
                Step::Settled => tally.settled += 1,
                Step::Failed(what) => {
                    failed = Some(what);
                    break;
                }
            }
        }
        tally.seconds = started.elapsed().as_secs();
        shared.with(|outcome| outcome.tally.merge(&tally));
        Ok(failed)
    }
}

/// What the machines of a campaign have in common.
struct Shared<'p> {
    left: AtomicI64,
    failed: AtomicU64,
    outcome: Mutex<Outcome>,
    progress: &'p ProgressBar,
}

impl Shared<'_> {
    // Relaxed: the numbers are all that the jobs tell each other this way.
    fn is_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) <= 0
            || self.failed.load(Ordering::Relaxed) >= ENOUGH_FAILURES
    }

    fn with(&self, change: impl FnOnce(&mut Outcome)) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut outcome);
    }
}

/// A directory for a persistent file, in memory where the host has such a place:
/// what is on a disk is waited for.
///
/// # Errors
///
/// Returns an error where none can be made.
pub(crate) fn fresh_dir() -> Result<tempfile::TempDir> {
    let memory = PathBuf::from("/dev/shm");
    let parent = if fs::metadata(&memory).is_ok_and(|found| found.is_dir()) {
        memory
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("perennial-crash-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a directory in {}", parent.display()))
}
