//! `cargo xtask crash`: the kernel, broken again and again.
//!
//! A run crashes a few times on its way to its figures. Here crashing is all that
//! happens, thousands of times: small machines, no benchmarks, a cycle in a part of
//! a second. After each break the host judges the persistent file on its own,
//! before any recovery, and then holds the kernel's own judgement against that.
//!
//! What a virtual machine loses with a crash is nothing that was visible: kills and
//! resets show what a platform promises that saves its caches (eADR). Power cuts
//! are emulated by the kernel, which loses a cache in DRAM: they show the weaker
//! promise of ADR.

mod campaign;
mod failure;
mod life;
mod report;
mod rig;
mod series;
mod tally;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum as _;

use crate::{
    build::{self, Artifacts, BuildOptions},
    ongoing::{Ongoing, Parts},
    options::{Boot, name_of},
    page::Part,
    run::Mutant,
    workspace,
};

pub(crate) use campaign::{Campaign, fresh_dir};
pub(crate) use failure::free_dir;
pub(crate) use series::{Kind, Phase, Series};
pub(crate) use tally::Tally;

use series::Domain;

/// Break the kernel again and again, and judge what each break has left.
///
/// Exit status: 0 where every cycle held, 1 where one failed, 12 where the host
/// did; 2 is a usage error.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Cycles of each kind.
    #[arg(long, value_name = "N", default_value_t = 100)]
    cycles: u64,
    /// Ways to break it, separated by commas; all by default.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    kinds: Vec<Kind>,
    /// Only the kinds that are like a platform of this promise.
    #[arg(long, value_enum)]
    domain: Option<Domain>,
    /// The way from power-on to the kernel.
    #[arg(long, value_enum, default_value = "pvh")]
    boot: Boot,
    /// Processors.
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// Where in its life to break it.
    #[arg(long, value_enum, default_value = "any")]
    phase: Phase,
    /// Seed of everything random.
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// All series of the published table, as far as they are not yet counted.
    #[arg(long, conflicts_with_all = ["kinds", "domain", "boot", "phase", "cycles", "cpus"])]
    full: bool,
    #[command(flatten)]
    parts: Parts,
    /// Judge the file of a failure again.
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
    /// Machines at once.
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// A mutation of the kernel, which must not pass.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["full", "publish"])]
    mutant: Option<Mutant>,
}

/// Where counts are published.
const PART: Part = Part {
    name: "crashes",
    command: "cargo xtask crash --state DIR --publish",
};

/// Counts by the name of the series.
type State = Ongoing<BTreeMap<String, Tally>>;

/// Cycles between two savings of the counts.
const BATCH: u64 = 250;

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where the host fails; what the kernel does is in the status.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    if let Some(dir) = &args.replay {
        let holds = failure::replay(dir)?;
        return Ok(ExitCode::from(u8::from(!holds)));
    }
    let series = args.series()?;
    println!("build: kernel and loaders, release profile");
    let artifacts = build(args.mutant)?;
    let images = [&*artifacts.kernel_elf, &artifacts.pvh, &artifacts.efi];
    let mut state = State::open(args.parts.state.as_deref(), &images)?;
    if args.parts.publish {
        PART.write(&published(&state))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = run_all(args, &series, &artifacts, &mut state)?;
    println!("{}", report::report(state.counts()));
    if args.full {
        println!("{}", report::progress(state.counts()));
        match report::missing(state.counts()) {
            short if short.is_empty() => println!("the full run is complete"),
            short => println!("the full run is short of: {}", short.join(", ")),
        }
        failed |= state.counts().values().any(|tally| tally.failed > 0);
    }
    println!(
        "eadr: kills and resets lose nothing that was visible; adr, emulated: a cache in DRAM is lost"
    );
    Ok(ExitCode::from(u8::from(failed)))
}

/// Returns what is published.
fn published(state: &State) -> String {
    let tallies = state.counts();
    let Some(days) = state.days() else {
        return "Nothing was counted of this kernel yet.".into();
    };
    let commit = tallies.values().find_map(|tally| tally.commit.as_deref());
    let parts = [
        format!("Kernel of commit {}, {days}.", commit.unwrap_or("unknown")),
        report::progress(tallies),
        report::report(tallies),
    ];
    parts.join("\n\n")
}

/// Builds the images, those of a mutant where one is named.
///
/// # Errors
///
/// Returns an error where a build fails or its result is not what it must be.
pub(crate) fn build(mutant: Option<Mutant>) -> Result<Artifacts> {
    build::build(&BuildOptions {
        mutant: mutant.as_ref().map(name_of),
        ..BuildOptions::default()
    })
}

/// Runs every series in batches; returns whether a cycle failed.
fn run_all(
    args: &Args,
    series: &[Series],
    artifacts: &Artifacts,
    state: &mut State,
) -> Result<bool> {
    let failures = workspace::output().join("crash");
    let started = std::time::Instant::now();
    let limit = args.parts.limit();
    let is_late = || limit.is_some_and(|limit| started.elapsed() >= limit);
    let mut failed = false;
    for series in series {
        let name = series.name();
        let counted = |state: &State| state.counts().get(&name).map_or(0, |tally| tally.cycles);
        let mut left = series.cycles;
        if args.full {
            left = left.saturating_sub(counted(state));
        }
        while left > 0 && !is_late() {
            let campaign = Campaign {
                series: Series {
                    cycles: left.min(BATCH),
                    ..*series
                },
                // Batches of one series must not repeat each other.
                seed: args.seed.wrapping_add(counted(state) << 8),
                jobs: args.jobs,
                artifacts,
                failures: &failures,
                progress: true,
            };
            let outcome = campaign.run()?;
            state.change(|all| all.entry(name.clone()).or_default().merge(&outcome.tally))?;
            for failure in &outcome.failures {
                println!("{name}: {}; see {}", failure.what, failure.dir.display());
            }
            if !outcome.failures.is_empty() {
                failed = true;
                break;
            }
            left = left.saturating_sub(outcome.tally.cycles);
        }
    }
    Ok(failed)
}

impl Args {
    fn series(&self) -> Result<Vec<Series>> {
        if self.full {
            return Ok(full());
        }
        let all = Kind::value_variants();
        let kinds = if self.kinds.is_empty() {
            all
        } else {
            &self.kinds
        };
        let is_wanted = |kind: &&Kind| self.domain.is_none_or(|domain| kind.domain() == domain);
        let series = kinds.iter().filter(is_wanted).map(|&kind| Series {
            kind,
            phase: self.phase,
            uefi: self.boot == Boot::Uefi,
            cpus: self.cpus,
            cycles: self.cycles,
        });
        let series: Vec<_> = series.collect();
        ensure!(
            !series.is_empty(),
            "no kind is both named and of this domain"
        );
        match series.iter().find(|series| !series.is_possible()) {
            Some(series) if !self.kinds.is_empty() => bail!(
                "{}: the host is too slow to hit this phase; the kernel breaks itself there: \
                 --kinds self,triple,powercut",
                series.name()
            ),
            _ => Ok(series.into_iter().filter(Series::is_possible).collect()),
        }
    }
}

/// The series of the published table, the most telling first.
fn full() -> Vec<Series> {
    let series = |kind, phase, cycles| Series {
        kind,
        phase,
        uefi: false,
        cpus: 2,
        cycles,
    };
    let uefi = |kind, cycles| Series {
        uefi: true,
        ..series(kind, Phase::Any, cycles)
    };
    vec![
        series(Kind::Own, Phase::Recovery, 1200),
        series(Kind::Own, Phase::Format, 1000),
        series(Kind::Powercut, Phase::Recovery, 1000),
        series(Kind::Powercut, Phase::Format, 1000),
        series(Kind::Powercut, Phase::Run, 4000),
        series(Kind::Powercut, Phase::Any, 4000),
        series(Kind::Powercut, Phase::Shutdown, 300),
        series(Kind::Own, Phase::Shutdown, 300),
        series(Kind::Own, Phase::Run, 1000),
        series(Kind::Own, Phase::Any, 500),
        series(Kind::Triple, Phase::Any, 500),
        series(Kind::Reset, Phase::Any, 1000),
        series(Kind::Kill, Phase::Any, 10_000),
        uefi(Kind::Reset, 110),
        uefi(Kind::Own, 110),
        uefi(Kind::Triple, 110),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Wrapper {
        #[command(flatten)]
        args: Args,
    }

    fn series(line: &str) -> Result<Vec<Series>, String> {
        let words = std::iter::once("crash").chain(line.split_whitespace());
        let wrapper = Wrapper::try_parse_from(words).map_err(|error| error.to_string())?;
        wrapper.args.series().map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_is_run_unless_told_otherwise() {
        let all = series("").expect("no flag is needed");
        assert_eq!(all.len(), Kind::value_variants().len());
        let cuts = series("--domain adr").expect("one of them");
        assert_eq!(cuts.len(), 1);
        assert_eq!(cuts[0].kind, Kind::Powercut);
    }

    #[test]
    fn what_the_host_cannot_hit_is_refused_where_it_is_asked_for() {
        assert!(series("--kinds kill --phase recovery").is_err());
        let rest = series("--phase recovery").expect("the kernel can");
        assert_eq!(rest.len(), 3);
        assert!(series("--kinds kill --domain adr").is_err());
    }

    #[test]
    fn the_page_has_a_place_for_the_counts() {
        assert!(PART.exists());
    }

    #[test]
    fn the_full_table_is_possible_and_names_nothing_twice() {
        let all = full();
        assert!(all.iter().all(Series::is_possible));
        let names: std::collections::BTreeSet<_> = all.iter().map(Series::name).collect();
        assert_eq!(names.len(), all.len());
        let tally = |series: &Series| {
            let cycles = series.cycles;
            let mut tally = Tally {
                cycles,
                split: 1,
                ..Tally::default()
            };
            // About two thirds of such a series break where they are meant to.
            let stage = match series.phase {
                Phase::Recovery => "recovery",
                Phase::Format => "format",
                Phase::Any | Phase::Run | Phase::Shutdown => "work",
            };
            tally.stages.insert(stage.into(), cycles * 3 / 5);
            (series.name(), tally)
        };
        let missing = report::missing(&all.iter().map(tally).collect());
        assert!(missing.is_empty(), "{missing:?}");
        assert!(!report::missing(&BTreeMap::new()).is_empty());
    }
}
