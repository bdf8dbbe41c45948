//! `cargo xtask bench`: how fast the allocator is, next to others.
//!
//! Everything runs on the host, natively, in one process: the allocator under
//! test, its paper's algorithm, allocators in the shape of Linux's and a buddy
//! system behind a lock. `docs/benchmarks.md` says what is asked, how it is
//! measured, and how to read the answers.

mod case;
mod churn;
mod count;
mod cycle;
mod failing;
mod field;
mod fragmentation;
mod processor;
mod provenance;
mod race;
mod recovery;
mod report;
mod rival;
mod schedule;
mod session;
mod statistics;
mod targets;
mod unit;
mod weight;
mod write_back;

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use self::{case::Workload, count::Probe, schedule::Scale};
use crate::workspace;

/// Measures the allocator on this machine, next to others.
///
/// Prints a table of medians with confidence intervals, as nanoseconds, as
/// multiples of C (a compare-exchange on a hot line, measured in the same run) and
/// as ratios, and says which targets are met. Writes `results.csv` (all samples),
/// `summary.json` (the table) and `figures.json` (everything else). Takes up to ten
/// minutes; other load on the machine shows.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure natively, in a process of this machine. The kernel's own
    /// measurements are a part of `run`.
    #[arg(long, required = true)]
    host: bool,

    /// Take a minute instead of ten: fewer repetitions, smaller zones.
    #[arg(long)]
    quick: bool,

    /// Write the files to this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Measure these workloads only.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WORKLOAD")]
    only: Vec<Workload>,

    /// Draw everything random from this number.
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// Use the present build, optimised or not; counts of locked instructions do
    /// not depend on it.
    #[arg(long, hide = true)]
    this_build: bool,

    /// Run as the process whose instructions are counted.
    #[arg(long, hide = true, value_name = "ALLOC:OP:ORDER")]
    probe: Option<Probe>,
}

impl Args {
    /// Returns whether a workload is to be measured.
    fn wants(&self, workload: Workload) -> bool {
        self.only.is_empty() || self.only.contains(&workload)
    }

    fn scale(&self) -> &'static Scale {
        if self.quick {
            &Scale::QUICK
        } else {
            &Scale::FULL
        }
    }

    fn out(&self) -> PathBuf {
        let default = || workspace::output().join("bench");
        self.out.clone().unwrap_or_else(default)
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where the host fails, or where an allocator did: violations
/// and lost fast paths are never just a line in a table.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    if let Some(probe) = &args.probe {
        return count::run_probe(probe).map(|()| ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) && !args.this_build {
        return optimised();
    }
    session::run(args).map(|()| ExitCode::SUCCESS)
}

/// Builds this program optimised, and has that do the same.
fn optimised() -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace::root())
        .args(["run", "--release", "--package", "xtask", "--"])
        .args(env::args_os().skip(1))
        .status()
        .context("cannot start cargo")?;
    // A status that is no code is a signal's, which is a failure too.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
