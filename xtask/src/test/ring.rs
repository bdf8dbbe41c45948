//! The rings.

use std::{
    env,
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build::{self, BuildOptions},
    fuzz, prove, shell, trace, workspace,
};

use super::{Tally, conduct::Conductor, crashes, said, trial::Trial};

/// A ring of tests on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// The format of the sources.
    Format,
    /// Clippy, with warnings as errors.
    Lints,
    /// The tests of every library, and of this program.
    Host,
    /// The parsers of foreign bytes, fuzzed for a minute.
    Fuzz,
    /// Schedules and power failures, a slice.
    Prove,
    /// The images, built and inspected.
    Images,
    /// The kernel, broken again and again.
    Crashes,
    /// The kernel, traced, and broken at its stores.
    Trace,
}

/// The name of the outermost ring, which is made of trials.
pub(super) const MACHINES: &str = "machines";

/// Virtual machines at the same time. They have several processors each, but
/// most of a boot is one of them.
const AT_ONCE: usize = 2;

impl Ring {
    /// All rings, the innermost first.
    pub(super) const ALL: [Self; 8] = [
        Self::Format,
        Self::Lints,
        Self::Host,
        Self::Fuzz,
        Self::Prove,
        Self::Images,
        Self::Crashes,
        Self::Trace,
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Lints => "lints",
            Self::Host => "host",
            Self::Fuzz => "fuzz",
            Self::Prove => "prove",
            Self::Images => "images",
            Self::Crashes => "crashes",
            Self::Trace => "trace",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// Returns an error where something does not hold.
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Format => cargo(&["fmt", "--all", "--check"]),
            Self::Lints => {
                // Kernel and loaders need flags of their own.
                cargo(&["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"])?;
                build::lint()
            }
            Self::Host => {
                cargo(&["test", "--quiet"])?;
                // The loaders' common part is a library that runs anywhere.
                cargo(&["test", "--quiet", "--package", "boot", "--lib"])
            }
            Self::Fuzz => fuzz::slice(),
            Self::Prove => prove::slice(),
            Self::Images => build::build(&BuildOptions::default()).map(drop),
            Self::Crashes => crashes::run(),
            Self::Trace => trace::slice(),
        }
    }
}

/// Runs cargo in the workspace; what it says is shown only where it fails.
fn cargo(args: &[&str]) -> Result<()> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace::root());
    let line = shell::line(&command);
    let output = command
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    ensure!(
        output.status.success(),
        "{line}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Conducts `trials`, a few at a time, and counts them.
pub(super) fn machines(trials: &[&Trial], tally: &mut Tally) {
    let started = Instant::now();
    let conductor = Conductor::default();
    let next = AtomicUsize::new(0);
    let shared = Mutex::new(tally);
    let progress = super::progress(MACHINES);
    let work = || {
        // Relaxed: the number is all that the threads tell each other.
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = Instant::now();
            let outcome = conductor.conduct(trial);
            progress.suspend(|| said(trial.name, &outcome, started.elapsed()));
            // A count is whole even if another thread panicked.
            let mut tally = shared.lock().unwrap_or_else(PoisonError::into_inner);
            tally.count(outcome.is_ok());
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    progress.finish_and_clear();
    println!("{MACHINES}: {}", super::minutes(started.elapsed()));
}
