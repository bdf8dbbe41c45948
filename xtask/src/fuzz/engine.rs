//! libFuzzer as a program: built, started, listened to.
//!
//! Coverage instrumentation on stable Rust is a pass of LLVM and a few arguments
//! to it; the precompiled library stays as it is. Everything else that the
//! fuzzer wants to know comes on its command line, and what it says comes line
//! by line on its standard error.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{shell, workspace};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const PACKAGE: &str = "perennial-fuzz";
/// Edges, counted, with the operands of comparisons: what libFuzzer looks at.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// libFuzzer's exit statuses.
const PANICKED: i32 = 77;
const HUNG: i32 = 70;
const OUT_OF_MEMORY: i32 = 71;
/// Most memory that an input may make a parser use, in MiB.
const MEMORY_MIB: u32 = 1024;

/// The fuzzer, built.
pub(super) struct Engine {
    program: PathBuf,
}

/// A target as the fuzzer lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    /// Most bytes of an input.
    max_len: u32,
    /// Whether it contains a mistake that has to be found.
    pub(super) control: bool,
}

/// What ends a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) executions: u64,
    pub(super) time: Duration,
    /// Time for one input.
    pub(super) patience: Duration,
}

/// What came of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) target: Target,
    pub(super) executions: u64,
    pub(super) seconds: u64,
    /// Edges of the program that were reached.
    pub(super) edges: u64,
    pub(super) found: Found,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A panic, with its message and the input.
    Panic {
        message: String,
        input: PathBuf,
    },
    /// An input that takes too long.
    Hang {
        input: PathBuf,
    },
}

/// What libFuzzer said in the course of a run.
#[derive(Default)]
struct Heard {
    executions: u64,
    edges: u64,
    seconds: u64,
    message: String,
    input: Option<PathBuf>,
    panics: bool,
    last: String,
}

impl Engine {
    /// Builds the fuzzer.
    pub(super) fn build() -> Result<Self> {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(program);
        cargo
            .current_dir(workspace::root())
            .args([
                "build",
                "--quiet",
                "--profile",
                "fuzz",
                "--package",
                PACKAGE,
            ])
            // With `--target`, build scripts are not instrumented.
            .args(["--features", "libfuzzer", "--target", TARGET])
            .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
        let line = shell::line(&cargo);
        let status = cargo.status().with_context(|| format!("starting {line}"))?;
        ensure!(status.success(), "{line}: {status}");
        let program = workspace::target().join(TARGET).join("fuzz").join(PACKAGE);
        Ok(Self { program })
    }

    /// The program that runs every target.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the targets.
    pub(super) fn targets(&self) -> Result<Vec<Target>> {
        let output = Command::new(&self.program).output();
        let output = output.with_context(|| format!("cannot run {}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(Target::parse).collect()
    }

    /// Runs a target; `progress` gets the number of executions now and then.
    pub(super) fn run(
        &self,
        target: &Target,
        bounds: Bounds,
        progress: impl Fn(u64),
    ) -> Result<Tally> {
        let mut command = self.command(target, bounds)?;
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let errors = child.stderr.take().context("standard error is piped")?;
        let mut heard = Heard::default();
        for line in BufReader::new(errors).lines() {
            heard.line(&line?);
            progress(heard.executions);
        }
        let status = child.wait()?;
        heard.tally(target, status.code())
    }

    /// The command line; makes the directories that it names.
    fn command(&self, target: &Target, bounds: Bounds) -> Result<Command> {
        let dir = workspace::output().join("fuzz").join(&target.name);
        let (corpus, found) = (dir.join("corpus"), dir.join("found"));
        if target.control && dir.exists() {
            // It has to be found again, not remembered.
            fs::remove_dir_all(&dir)?;
        }
        for dir in [&corpus, &found] {
            fs::create_dir_all(dir)?;
        }
        let kept = workspace::root().join("kernel/libs/fuzz/corpus");
        let kept = kept.join(&target.name);
        let runs = i64::try_from(bounds.executions).unwrap_or(-1);
        let mut command = Command::new(&self.program);
        command
            .env("FUZZ_TARGET", &target.name)
            .env("FUZZ_SEEDS", &corpus)
            .env("RUST_BACKTRACE", "0")
            .arg(format!("-runs={runs}"))
            .arg(format!("-max_total_time={}", bounds.time.as_secs()))
            .arg(format!("-timeout={}", bounds.patience.as_secs()))
            .arg(format!("-max_len={}", target.max_len))
            .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg("-print_final_stats=1")
            .arg(&corpus);
        if kept.is_dir() {
            command.arg(kept);
        }
        Ok(command)
    }
}

impl Target {
    fn parse(line: &str) -> Result<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let [name, max_len, kind] = words[..] else {
            bail!("{line:?} is no line of a list of targets");
        };
        Ok(Self {
            name: name.to_owned(),
            max_len: max_len.parse()?,
            control: kind == "control",
        })
    }
}

#[cfg(test)]
impl Target {
    /// A target for tests.
    pub(super) fn example(control: bool) -> Self {
        let (name, max_len) = ("example".to_owned(), 64);
        Self {
            name,
            max_len,
            control,
        }
    }
}

impl Tally {
    /// Adds a further run of the same target.
    pub(super) fn add(&mut self, more: Self) {
        self.executions += more.executions;
        self.seconds += more.seconds;
        self.edges = self.edges.max(more.edges);
        self.found = more.found;
    }
}

impl Heard {
    /// Takes a line such as `#8192 pulse cov: 680 ft: 1982 corp: 449/365Kb …`.
    fn line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or("");
        if let Some(count) = first.strip_prefix('#').and_then(|n| n.parse().ok()) {
            self.executions = count;
            let edges = words.skip_while(|word| *word != "cov:").nth(1);
            self.edges = edges.and_then(|n| n.parse().ok()).unwrap_or(self.edges);
        } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = count.trim().parse().unwrap_or(self.executions);
        } else if let Some(rest) = line.strip_prefix("Done ") {
            // `Done 509215 runs in 7 second(s)`
            let seconds = rest.split(" in ").nth(1).and_then(|s| s.split(' ').next());
            self.seconds = seconds.and_then(|n| n.parse().ok()).unwrap_or(0);
        } else if self.panics && self.message.is_empty() {
            line.clone_into(&mut self.message);
        } else if line.contains("panicked at") {
            self.panics = true;
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.input = Some(PathBuf::from(path));
        }
        line.clone_into(&mut self.last);
    }

    fn tally(self, target: &Target, status: Option<i32>) -> Result<Tally> {
        let input = self.input.clone().unwrap_or_default();
        let found = match status {
            Some(0) => Found::Nothing,
            Some(PANICKED) => Found::Panic {
                message: self.message,
                input,
            },
            Some(OUT_OF_MEMORY) => Found::Panic {
                message: format!("needs more than {MEMORY_MIB} MiB"),
                input,
            },
            Some(HUNG) => Found::Hang { input },
            _ => bail!("fuzzing {} ended oddly: {}", target.name, self.last),
        };
        Ok(Tally {
            target: target.clone(),
            executions: self.executions,
            seconds: self.seconds,
            edges: self.edges,
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str], status: i32) -> Tally {
        let target = Target::parse("acpi 4096 parser").expect("a line of the list");
        let mut heard = Heard::default();
        lines.iter().for_each(|line| heard.line(line));
        heard.tally(&target, Some(status)).expect("a known status")
    }

    #[test]
    fn a_run_that_finds_nothing_has_its_figures() {
        let tally = heard(
            &[
                "INFO: Seed: 1",
                "#8192\tpulse  cov: 680 ft: 1982 corp: 449/365Kb exec/s: 72745 rss: 45Mb",
                "Done 509215 runs in 7 second(s)",
                "stat::number_of_executed_units: 509215",
            ],
            0,
        );
        assert_eq!((tally.executions, tally.seconds), (509_215, 7));
        assert_eq!((tally.edges, tally.found), (680, Found::Nothing));
    }

    #[test]
    fn a_panic_has_its_message_and_the_input() {
        let tally = heard(
            &[
                "thread '<unnamed>' (9) panicked at kernel/libs/x.rs:1:2:",
                "attempt to add with overflow",
                "note: run with `RUST_BACKTRACE=1`",
                "artifact_prefix='a/'; Test unit written to a/crash-7",
            ],
            PANICKED,
        );
        let found = Found::Panic {
            message: "attempt to add with overflow".to_owned(),
            input: PathBuf::from("a/crash-7"),
        };
        assert_eq!(tally.found, found);
        assert!(matches!(heard(&[], HUNG).found, Found::Hang { .. }));
    }

    #[test]
    fn what_ends_oddly_is_an_error() {
        let target = Target::parse("acpi 4096 parser").expect("a line of the list");
        assert!(Heard::default().tally(&target, Some(2)).is_err());
        assert!(Heard::default().tally(&target, None).is_err());
        assert!(Target::parse("acpi").is_err());
    }
}
