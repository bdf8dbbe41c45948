//! `cargo xtask fuzz`: every parser of foreign bytes, under coverage guidance.
//!
//! The targets are in `kernel/libs/fuzz`, one a parser, and two controls among
//! them that contain a mistake: a run in which those are not found has shown
//! nothing. A corpus grows from run to run under `target/perennial/fuzz`; inputs
//! that mattered are kept beside the targets, and are tests from then on.

mod counts;
mod engine;
mod report;

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    ongoing::{Ongoing, Parts},
    page::Part,
    tools,
};

use engine::{Bounds, Engine, Found, Tally, Target};

/// Fuzz every parser of bytes that others have written.
///
/// Prints a table: executions, executions a second, panics and hangs of each
/// target. The exit status is 1 if a parser panics or hangs, or a control is not
/// found; the input is named then.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only this target.
    #[arg(long, value_name = "TARGET")]
    only: Option<String>,
    /// Executions of each target.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    executions: u64,
    /// Spend at most so long on each target.
    #[arg(long, value_name = "S", default_value_t = 20)]
    seconds: u64,
    /// Go on, in rounds, until there are 100 million executions in all.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    parts: Parts,
}

/// Executions of a full run, over all parsers.
const FULL: u64 = 100_000_000;
/// Counts of a full run, which is done in parts.
type State = Ongoing<counts::All>;
/// Where they are published.
const PART: Part = Part {
    name: "fuzzing",
    command: "cargo xtask fuzz --state DIR --publish",
};
/// Targets that a full run fuzzes at once.
const AT_ONCE: usize = 2;
/// How long a full run stays with one target.
const ROUND: Duration = Duration::from_secs(20);
/// A parser that needs longer for an input hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// The control that hangs is given up sooner.
const CONTROL_PATIENCE: Duration = Duration::from_secs(1);
/// A control that is not found within this is missed.
const CONTROL_SEARCH: Duration = Duration::from_secs(30);

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where fuzzing could not be done; what it found is in the
/// status.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    ensure!(
        args.full || args.parts.publish || args.parts.state.is_none(),
        "only the counts of a full run are kept: --full --state DIR"
    );
    let (engine, targets) = prepare(args.only.as_deref())?;
    let bounds = Bounds {
        executions: args.executions,
        time: Duration::from_secs(args.seconds),
        patience: PATIENCE,
    };
    let mut state = State::open(args.parts.state.as_deref(), &[engine.program()])?;
    if args.parts.publish {
        PART.write(&counts::published(&state, FULL))?;
        return Ok(ExitCode::SUCCESS);
    }
    let tallies = if args.full {
        run_fully(&engine, &targets, args.parts.limit(), &mut state)?
    } else {
        run(&engine, &targets, bounds)?
    };
    println!("{}", report::table(&tallies));
    let faults = report::faults(&tallies);
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{}", report::summary(&tallies));
    if args.full {
        let done = counts::executions(state.counts());
        println!("fuzz: {done} executions of {FULL} wanted");
    }
    Ok(ExitCode::from(u8::from(!faults.is_empty())))
}

/// A target with fewer executions in the slice has not been fuzzed.
const AT_LEAST: u64 = 1_000;

/// A minute of fuzzing, for `cargo xtask test`.
///
/// # Errors
///
/// Returns an error where a parser panics or hangs, or a control is missed.
pub(crate) fn slice() -> Result<()> {
    const SLICE: Bounds = Bounds {
        executions: 200_000,
        time: Duration::from_secs(4),
        patience: PATIENCE,
    };
    let (engine, targets) = prepare(None)?;
    let tallies = run(&engine, &targets, SLICE)?;
    let faults = report::faults(&tallies);
    ensure!(faults.is_empty(), faults.join("\n"));
    let idle = tallies
        .iter()
        .find(|tally| !tally.target.control && tally.executions < AT_LEAST);
    match idle {
        None => Ok(()),
        Some(Tally {
            target, executions, ..
        }) => bail!("{}: only {executions} executions in its time", target.name),
    }
}

fn prepare(only: Option<&str>) -> Result<(Engine, Vec<Target>)> {
    tools::cxx()?;
    let engine = Engine::build()?;
    let all = engine.targets()?;
    let Some(name) = only else {
        return Ok((engine, all));
    };
    match all.iter().find(|target| target.name == name) {
        Some(target) => Ok((engine, vec![target.clone()])),
        None => {
            let known: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
            bail!(
                "no target is called `{name}`; there are {}",
                known.join(", ")
            )
        }
    }
}

/// Runs each target once.
fn run(engine: &Engine, targets: &[Target], bounds: Bounds) -> Result<Vec<Tally>> {
    let mut tallies = Vec::new();
    for target in targets {
        let bounds = bounds_of(target, bounds);
        let progress = progress(target, bounds.executions);
        tallies.push(engine.run(target, bounds, |done| progress.set_position(done))?);
        progress.finish_and_clear();
    }
    Ok(tallies)
}

/// Runs the controls once, then the parsers round after round, some at once; a parser
/// with a fault is left out from then on. Returns what this run came to.
fn run_fully(
    engine: &Engine,
    targets: &[Target],
    limit: Option<Duration>,
    state: &mut State,
) -> Result<Vec<Tally>> {
    let bounds = Bounds {
        executions: FULL,
        time: ROUND,
        patience: PATIENCE,
    };
    let started = Instant::now();
    let is_over = |state: &State| {
        counts::executions(state.counts()) >= FULL
            || limit.is_some_and(|limit| started.elapsed() >= limit)
    };
    let (controls, parsers): (Vec<_>, Vec<_>) =
        targets.iter().cloned().partition(|target| target.control);
    let mut tallies = run(engine, &controls, bounds)?;
    let mut sound = parsers;
    while !sound.is_empty() && !is_over(state) {
        // A run that ends early leaves the next one to begin with the others.
        sound.sort_by_key(|target| counts::seconds(state.counts(), &target.name));
        for several in sound.clone().chunks(AT_ONCE) {
            for tally in run_at_once(engine, several, bounds)? {
                state.change(|all| counts::add(all, &tally))?;
                if tally.found != Found::Nothing {
                    sound.retain(|target| *target != tally.target);
                }
                match tallies
                    .iter_mut()
                    .find(|known| known.target == tally.target)
                {
                    Some(known) => known.add(tally),
                    None => tallies.push(tally),
                }
            }
            if is_over(state) {
                break;
            }
        }
        let done = counts::executions(state.counts());
        let minutes = started.elapsed().as_secs() / 60;
        println!("fuzz: {done} of {FULL} executions, {minutes} min in this run");
    }
    Ok(tallies)
}

/// Runs a few targets at the same time.
fn run_at_once(engine: &Engine, targets: &[Target], bounds: Bounds) -> Result<Vec<Tally>> {
    thread::scope(|scope| {
        let runs: Vec<_> = targets
            .iter()
            .map(|target| scope.spawn(move || engine.run(target, bounds, |_| ())))
            .collect();
        let ended = runs.into_iter().map(|run| run.join());
        ended
            .map(|run| run.map_err(|_| anyhow!("a run has panicked"))?)
            .collect()
    })
}

fn bounds_of(target: &Target, bounds: Bounds) -> Bounds {
    if target.control {
        Bounds {
            executions: u64::MAX,
            time: CONTROL_SEARCH,
            patience: CONTROL_PATIENCE,
        }
    } else {
        bounds
    }
}

fn progress(target: &Target, executions: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:14} {bar:30} {human_pos} {per_sec} {elapsed}");
    let progress = ProgressBar::new(executions).with_message(target.name.clone());
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_place_for_the_counts() {
        assert!(PART.exists());
    }
}
