//! `cargo xtask test`: everything that must hold, in rings.
//!
//! The rings go outwards: what a ring checks is what the next one is built on,
//! and the cheap ones come first. All of them run even where one fails, because
//! a failure is read better with the others beside it.

mod claims;
mod conduct;
mod crashes;
mod faults;
mod linker;
mod madt;
mod malformed;
mod nfit;
mod owners;
mod ring;
mod specimen;
mod table;
mod trial;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::install;

use ring::Ring;
use trial::Trial;

/// Run every test: format, lints, host tests, image inspection, virtual machines.
///
/// Each line says how long its part took. Logs of the virtual machines are kept
/// under `target/perennial/test`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Install QEMU and OVMF if they are missing; uses apt-get.
    #[arg(long)]
    install: bool,
    /// Run only this ring or trial.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Name rings and trials instead of running them.
    #[arg(long)]
    list: bool,
}

/// How many parts passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
}

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where the tests could not be run; failures are in the status.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let (rings, trials) = select(args.only.as_deref())?;
    if args.list {
        list(&rings, &trials);
        return Ok(ExitCode::SUCCESS);
    }
    if args.install {
        install::install()?;
    }
    let started = Instant::now();
    let mut tally = Tally::default();
    for ring in rings {
        tally.count(timed(ring.name(), || ring.run()));
    }
    if !trials.is_empty() {
        ring::machines(&trials, &mut tally);
    }
    let minutes = minutes(started.elapsed());
    println!(
        "{} passed, {} failed, in {minutes}",
        tally.passed, tally.failed
    );
    Ok(ExitCode::from(u8::from(tally.failed != 0)))
}

/// All trials, the longest first.
fn trials() -> impl Iterator<Item = &'static Trial> {
    let broken = faults::TRIALS.iter().chain(malformed::trials());
    let further = owners::trials().chain(broken);
    table::TRIALS.iter().chain(further)
}

/// The rings and trials that `only` names, or all of them.
fn select(only: Option<&str>) -> Result<(Vec<Ring>, Vec<&'static Trial>)> {
    let all = trials();
    let Some(name) = only else {
        return Ok((Ring::ALL.to_vec(), all.collect()));
    };
    if name == ring::MACHINES {
        return Ok((Vec::new(), all.collect()));
    }
    let rings: Vec<_> = Ring::ALL
        .into_iter()
        .filter(|ring| ring.name() == name)
        .collect();
    let trials: Vec<_> = all.filter(|trial| trial.name == name).collect();
    if rings.is_empty() && trials.is_empty() {
        let known: Vec<_> = Ring::ALL.into_iter().map(Ring::name).collect();
        let trials: Vec<_> = self::trials().map(|trial| trial.name).collect();
        bail!(
            "nothing is called `{name}`; there are the rings {}, {} and the trials {}",
            known.join(", "),
            ring::MACHINES,
            trials.join(", ")
        );
    }
    Ok((rings, trials))
}

fn list(rings: &[Ring], trials: &[&Trial]) {
    for ring in rings {
        println!("{}", ring.name());
    }
    for trial in trials {
        for step in trial.steps {
            println!("{}: cargo xtask run {}", trial.name, step.line);
        }
    }
}

/// Runs a part under a progress line and says how it went.
fn timed(name: &str, part: impl FnOnce() -> Result<()>) -> bool {
    let started = Instant::now();
    let progress = progress(name);
    let outcome = part();
    progress.finish_and_clear();
    said(name, &outcome, started.elapsed());
    outcome.is_ok()
}

/// A line that shows that something is going on; nothing where nobody watches.
fn progress(name: &str) -> ProgressBar {
    const TICK: Duration = Duration::from_millis(200);
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    let progress = ProgressBar::new_spinner().with_message(name.to_owned());
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    progress.enable_steady_tick(TICK);
    progress
}

/// Says how a part went.
fn said(name: &str, outcome: &Result<()>, elapsed: Duration) {
    let minutes = minutes(elapsed);
    match outcome {
        Ok(()) => println!("{name:.<40} ok      {minutes}"),
        Err(error) => println!("{name:.<40} FAILED  {minutes}\n    {error:#}"),
    }
}

fn minutes(elapsed: Duration) -> String {
    format!("{:.1} min", elapsed.as_secs_f64() / 60.0)
}

impl Tally {
    fn count(&mut self, passed: bool) {
        self.passed += usize::from(passed);
        self.failed += usize::from(!passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = select(Some("nonsense"))
            .expect_err("no such name")
            .to_string();
        for known in ["format", "host", "machines", "pvh-numa"] {
            assert!(error.contains(known), "{known} in {error}");
        }
    }

    #[test]
    fn a_name_selects_one_part() {
        let (rings, trials) = select(Some("unarmed")).expect("a trial");
        assert_eq!((rings.len(), trials.len()), (0, 1));
        let (rings, trials) = select(Some("format")).expect("a ring");
        assert_eq!((rings.len(), trials.len()), (1, 0));
        let (rings, trials) = select(None).expect("everything");
        assert_eq!(
            (rings.len(), trials.len()),
            (Ring::ALL.len(), super::trials().count())
        );
    }
}
