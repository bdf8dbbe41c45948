//! `cargo xtask prove`: schedules, power failures and mutants.
//!
//! The work is done by `kernel/libs/prove`, which is built here, without and with
//! the mistakes that `mutants` lists, and says what it found in lines that `output`
//! reads.

mod mutants;
mod output;
mod report;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::workspace;

use output::{Output, Progress};

/// Try schedules and power failures on the allocator, or on mutants of it.
///
/// Prints a table (schedules, crash points, images, violations, seconds of each
/// scenario) and writes it as JSON. The exit status is 1 if anything is violated, a
/// control is not found, or a mutant survives; a violation is printed with its
/// history and the seed that replays it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Try as much as the targets ask for: half an hour instead of two
    /// minutes.
    #[arg(long)]
    full: bool,
    /// Only this scenario, or those whose names begin like that.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Draw everything from this number on.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Try so many schedules of each scenario: one replays a seed.
    #[arg(long, value_name = "N")]
    schedules: Option<u64>,
    /// Try each mutant until it is found. Also writes the table in
    /// `docs/reliability.md`.
    #[arg(long)]
    mutants: bool,
    /// Write the summary here instead of `target/perennial/prove`.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Args {
    /// Returns the flags for the program.
    fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        if self.full {
            flags.push("--full".to_owned());
        }
        let numbers = [("--seed", self.seed), ("--schedules", self.schedules)];
        for (flag, number) in numbers {
            flags.extend(
                number
                    .into_iter()
                    .flat_map(|n| [flag.to_owned(), n.to_string()]),
            );
        }
        let only = self.only.iter();
        flags.extend(only.flat_map(|name| ["--only".to_owned(), name.clone()]));
        flags
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where nothing could be tried; what was found is in the status.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    if args.mutants {
        return mutants::main();
    }
    let path = match &args.json {
        Some(path) => path.clone(),
        None => workspace::output().join("prove/summary.json"),
    };
    // After each scenario: a run that is cut short has figures too.
    let save = |output: &Output| write(&path, &serde_json::to_string_pretty(output)?);
    let output = try_all(&Program::shipped()?, &args.flags(), &save)?;
    println!("{}", report::table(&output));
    output.stories.iter().for_each(|line| println!("{line}"));
    println!("{}", report::summary(&output));
    save(&output)?;
    Ok(ExitCode::from(u8::from(!output.faults().is_empty())))
}

/// Two minutes of proofs, for `cargo xtask test`.
///
/// # Errors
///
/// Returns an error where something is violated, or a control is missed.
pub(crate) fn slice() -> Result<()> {
    let output = try_all(&Program::shipped()?, &[], &|_| Ok(()))?;
    let faults = output.faults();
    let story = output.stories.join("\n");
    ensure!(faults.is_empty(), "{}\n{story}", faults.join("\n"));
    Ok(())
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The program, built.
struct Program(PathBuf);

impl Program {
    /// Builds it around the shipped code.
    fn shipped() -> Result<Self> {
        Self::build(workspace::target(), None)
    }

    /// Builds it around the code with mistakes in it, one of which it is told to make.
    fn mutants() -> Result<Self> {
        let flag = "--cfg mutant=\"any\"".to_owned();
        Self::build(workspace::target().join("mutants"), Some(flag))
    }

    fn build(target: PathBuf, flags: Option<String>) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(workspace::root())
            .args(["build", "--quiet", "--profile", "prove"])
            .args(["--package", "perennial-prove"])
            .env("CARGO_TARGET_DIR", &target);
        if let Some(flags) = flags {
            command.env("RUSTFLAGS", flags);
        }
        let status = command.status().context("cannot start cargo")?;
        ensure!(status.success(), "perennial-prove can't be built: {status}");
        Ok(Self(target.join("prove/prove")))
    }
}

/// Runs the program and collects what it says; hands that to `save` whenever a scenario
/// has come to its end.
fn try_all(
    program: &Program,
    flags: &[String],
    save: &dyn Fn(&Output) -> Result<()>,
) -> Result<Output> {
    let mut child = Command::new(&program.0)
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.0.display()))?;
    let lines = child.stdout.take().map(BufReader::new);
    let mut bars = Bars::default();
    let mut output = Output::default();
    for line in lines.into_iter().flat_map(BufReader::lines) {
        let known = output.rows.len();
        match output.read(&line?) {
            Some(progress) => bars.show(&progress),
            None => bars.finish(&output),
        }
        if output.rows.len() > known {
            save(&output)?;
        }
    }
    let status = child.wait().context("cannot wait for perennial-prove")?;
    output.ended = status.code();
    Ok(output)
}

/// A line for each scenario that is being tried.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    running: Vec<(String, ProgressBar)>,
}

impl Bars {
    fn show(&mut self, progress: &Progress) {
        let known = self
            .running
            .iter()
            .find(|(name, _)| *name == progress.scenario);
        let bar = match known {
            Some((_, bar)) => bar.clone(),
            None => {
                let style = ProgressStyle::with_template("{msg:32} {bar:30} {percent} % {elapsed}");
                let bar = ProgressBar::new(progress.of).with_message(progress.scenario.clone());
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                let bar = self.all.add(bar);
                self.running.push((progress.scenario.clone(), bar.clone()));
                bar
            }
        };
        bar.set_position(progress.done);
    }

    /// Takes away the lines of those that are done.
    fn finish(&mut self, output: &Output) {
        let done = |name: &str| output.rows.iter().any(|row| row.scenario == name);
        for (name, bar) in &self.running {
            if done(name) {
                bar.finish_and_clear();
            }
        }
        self.running.retain(|(name, _)| !done(name));
    }
}
