//! `cargo xtask run`: from sources to a verdict.

mod args;
mod judgement;
mod permit;
mod probe;
mod recorder;
mod setup;

use std::{
    fs::{self, File},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use record::Record;

use crate::{
    build::{self, Artifacts},
    figures,
    guest::Control,
    install,
    machine::{Listener, Machine},
    outcome::Outcome,
    results::RunDir,
    session::{self, Bounds},
    shell,
    summary::summary,
    workspace,
};

pub(crate) use args::{Args, Mutant};
pub(crate) use judgement::HostJudgement;
pub(crate) use recorder::Voice;
use recorder::{Kill, Recorder};
use setup::Setup;

/// What a run left behind.
pub(crate) struct Report {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What the kernel reported.
    pub(crate) records: Vec<Record>,
    /// What the host found in the persistent files.
    pub(crate) judgements: Vec<HostJudgement>,
    /// Where the files are.
    pub(crate) dir: RunDir,
    /// The closing summary.
    pub(crate) summary: String,
}

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where the host fails; see [`execute`].
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    args.check()?;
    if args.install {
        install::install()?;
    }
    if args.print {
        let command = Setup::expected(args)?.machine.command(Listener::Terminal);
        println!("{}", shell::lines(&command));
        return Ok(ExitCode::SUCCESS);
    }
    println!("build: kernel and loaders, release profile");
    let artifacts = build(args)?;
    let parent = workspace::output().join("run");
    let report = execute(args, &artifacts, &parent, Voice::Terminal)?;
    println!("\n{}", report.summary);
    println!("results in {}", report.dir.path().display());
    println!("{}", report.outcome);
    Ok(ExitCode::from(&report.outcome))
}

/// Builds the images that `args` ask for.
///
/// # Errors
///
/// Returns an error where a build fails or its result is not what it must be.
pub(crate) fn build(args: &Args) -> Result<Artifacts> {
    build::build(&setup::build_options(args)).context("building the images")
}

/// Boots and waits for the outcome; files go to a new directory in `parent`.
///
/// # Errors
///
/// Returns an error where the host fails: a missing tool, a full disk. What the
/// guest does is the report's outcome.
pub(crate) fn execute(
    args: &Args,
    artifacts: &Artifacts,
    parent: &Path,
    voice: Voice,
) -> Result<Report> {
    args.check()?;
    let started = Instant::now();
    let dir = RunDir::create(parent)?;
    let setup = Setup::prepare(args, artifacts, &dir, voice)?;
    let kill = match args.tests.kill_after {
        Some(crashes) => Kill::After {
            crashes,
            delay: kill_delay(args.seed),
        },
        None => Kill::Never,
    };
    let mut recorder = Recorder::create(&dir, setup.files(), voice, kill)?;
    let ended = watch(&setup.machine, &dir, bounds(args), &mut recorder)?;
    report(ended, recorder, &setup, dir, started.elapsed())
}

/// Starts `machine` and watches it to its end.
fn watch(
    machine: &Machine,
    dir: &RunDir,
    bounds: Bounds,
    recorder: &mut Recorder,
) -> Result<Outcome> {
    let path = dir.file("qemu.log");
    let errors = File::create(&path)?;
    let command = machine.command(Listener::Session);
    fs::write(dir.file("qemu.sh"), shell::lines(&command) + "\n")?;
    let outcome = session::run(command, Control::Qmp, &errors, bounds, recorder)?;
    Ok(match outcome {
        // What QEMU said is in its log, and is the next thing to know.
        Outcome::NotStarted { said } => Outcome::NotStarted {
            said: format!("{said}; {}", fs::read_to_string(&path)?.trim()),
        },
        other => other,
    })
}

/// Writes the results and closes the run.
fn report(
    ended: Outcome,
    mut recorder: Recorder,
    setup: &Setup,
    dir: RunDir,
    elapsed: Duration,
) -> Result<Report> {
    recorder.flush()?;
    let (records, judgements) = (recorder.records, recorder.judgements);
    let figures = figures::figures(&records);
    figures::write(&figures.rows, &dir.file("results.csv"))?;
    let incomplete = figures.incomplete.first().cloned();
    let unreported = judgement::unreported(&judgements, &records);
    let outcome = match (incomplete, unreported) {
        _ if !ended.passed() => ended,
        (_, Some(what)) => Outcome::HostDisagrees { what },
        (Some(what), None) => Outcome::Incomplete { what },
        (None, None) => ended,
    };
    if outcome.passed() {
        // What is wrong with persistent memory is to be found there; where
        // nothing is, a gibibyte need not be kept.
        setup.remove_images()?;
    }
    Ok(Report {
        outcome,
        summary: summary(&records, &figures.rows, &judgements, elapsed),
        records,
        judgements,
        dir,
    })
}

/// The bounds of a run: generous, since a loaded host is no failure of the guest.
fn bounds(args: &Args) -> Bounds {
    let seconds = args.timeout.unwrap_or(if args.quick { 300 } else { 900 });
    let silence = if args.quick { 60 } else { 120 };
    let unless_debugged = |seconds| (!args.gdb).then(|| Duration::from_secs(seconds));
    Bounds {
        silence: unless_debugged(silence.min(seconds)),
        total: unless_debugged(seconds),
        boots: args.cycles + 1,
    }
}

/// How long after a recovered crash QEMU is killed: somewhere in the next cycle.
fn kill_delay(seed: u64) -> Duration {
    // Any mixing will do: neighbouring seeds shall not kill at the same instant.
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    const LONGEST_MS: u64 = 150;
    Duration::from_millis((seed.wrapping_mul(MULTIPLIER) >> 32) % LONGEST_MS)
}
