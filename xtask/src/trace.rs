//! `cargo xtask trace`: what a power failure could have left, at every instruction.
//!
//! The shipped kernel runs in QEMU on persistent memory whose caches are not saved
//! (ADR). A plugin (`xtask/plugin`) writes down its stores, write-backs and fences; on
//! the host, every moment of that is a crash point. The enumerator of the proofs
//! (`kernel/libs/prove`) says which images of the allocator's tables there can be; each
//! one is recovered by the shipped code and held against the ledger of that moment.
//!
//! ```text
//! boot (QEMU, plugin) ─► events ─► world (tables behind a cache, ledger, stamps)
//!                                    └► explore ─► images ─► recovery ─► verdict
//! ```

mod boot;
mod explore;
mod layout;
mod recovery;
mod tally;
#[cfg(test)]
mod tests;
mod world;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    build::Artifacts,
    crash::{self, free_dir},
    judge,
    ongoing::Ongoing,
    run::Mutant,
    workspace,
};

use boot::{Life, Rig};
use explore::{Limits, Violation, Without, explore};
use layout::Layout;
use recovery::Recovery;
use tally::Tally;
use world::World;

const WORD_BYTES: usize = size_of::<u64>();

/// Trace the kernel, and let the power fail at every store.
///
/// Emulates ADR: what was not written back and fenced may be lost. Exit status: 0
/// where everything held, 1 where something did not, 12 where the host failed; 2 is a
/// usage error.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Crash points at least.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    points: u64,
    /// As many as the targets ask for: 10^5 points and 10^6 images.
    #[arg(long, conflicts_with = "points")]
    full: bool,
    /// Seed of everything random.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Processors.
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// Threads that recover images.
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// Keep counts in this directory, and go on from those of the same images.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// A mutation of the kernel, which must not pass.
    #[arg(long, value_name = "NAME")]
    mutant: Option<Mutant>,
    /// Leave something out of the trace, which must not pass.
    #[arg(long, value_enum)]
    without: Option<Without>,
    /// Recover and judge the file of a failure again.
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
}

/// Images of each model at each crash point: a few dozen are all that there are where
/// few operations are in flight.
const IMAGES: usize = 24;
/// Lives on one file; then another one is formatted.
const LIVES: u64 = 4;
/// What a full run sets out for.
const FULL: (u64, u64) = (100_000, 1_000_000);

/// Runs the subcommand.
///
/// # Errors
///
/// Returns an error where the host fails; what the kernel does is in the status.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    if let Some(dir) = &args.replay {
        let holds = replay(dir, args.cpus)?;
        return Ok(ExitCode::from(u8::from(!holds)));
    }
    println!("build: kernel, loaders and plugin, release profile");
    let artifacts = crash::build(args.mutant)?;
    let plugin = plugin()?;
    let subject = [&*artifacts.kernel_elf, &artifacts.pvh, &plugin];
    let mut counted = Ongoing::<Tally>::open(args.state.as_deref(), &subject)?;
    let (points, images) = if args.full { FULL } else { (args.points, 0) };
    let campaign = Campaign {
        artifacts: &artifacts,
        plugin: &plugin,
        seed: args.seed,
        limits: Limits {
            points: points.div_ceil(LIVES),
            images: IMAGES,
            jobs: args.jobs,
            cpus: args.cpus as usize,
            without: args.without,
        },
        points,
        images,
        failures: &workspace::output().join("trace"),
        progress: true,
    };
    let failure = campaign.run(&mut counted)?;
    let tally = counted.counts();
    println!("{}", tally.table());
    if let Some(Failure { what, dir }) = &failure {
        println!(
            "{what}\n    replay: cargo xtask trace --replay {}",
            dir.display()
        );
    }
    println!("adr, by trace: QEMU emulates all processors by one thread; times mean nothing");
    Ok(ExitCode::from(u8::from(tally.violations != 0)))
}

/// Crash points of each life in the slice, and what has to have been tried of both.
const SLICE: u64 = 700;
const SLICE_AT_LEAST: (u64, u64) = (1_000, 10_000);
/// Kernels with a mistake that only a trace of its instructions shows, or this one too.
const CONTROLS: [Mutant; 2] = [Mutant::FenceIsMissing, Mutant::LedgerAcksEarly];

/// A slice for `cargo xtask test`: a life that formats, one that recovers, what is
/// left out of its trace on purpose, and kernels with a mistake.
///
/// # Errors
///
/// Returns an error where something does not hold, or a control does.
pub(crate) fn slice() -> Result<()> {
    let artifacts = crash::build(None)?;
    let plugin = plugin()?;
    let failures = workspace::output().join("test/trace");
    let limits = Limits {
        points: SLICE,
        images: IMAGES,
        jobs: 2,
        cpus: 2,
        without: None,
    };
    let true_one = Campaign {
        artifacts: &artifacts,
        plugin: &plugin,
        seed: 1,
        limits,
        points: 4 * SLICE,
        images: 0,
        failures: &failures,
        progress: false,
    };
    let mut rig = true_one.rig()?;
    let mut tally = Tally::default();
    let mut try_life = |seed| -> Result<Life> {
        let life = rig.live(seed)?;
        let (found, violation) = explore(&life, limits, &ProgressBar::hidden())?;
        tally.merge(&found);
        if let Some(violation) = violation {
            let Failure { what, dir } = true_one.keep(&life, violation)?;
            bail!("{what}; see {}", dir.display());
        }
        Ok(life)
    };
    try_life(1)?;
    let life = try_life(2)?;
    let (points, images) = SLICE_AT_LEAST;
    ensure!(
        tally.points >= points && tally.images >= images,
        "only {} crash points and {} images were tried",
        tally.points,
        tally.images
    );
    for &without in Without::value_variants() {
        let limits = Limits {
            without: Some(without),
            ..limits
        };
        let (_, violation) = explore(&life, limits, &ProgressBar::hidden())?;
        ensure!(violation.is_some(), "nobody misses {without:?} in a trace");
    }
    let kept = tempfile::tempdir()?;
    for mutant in CONTROLS {
        let artifacts = crash::build(Some(mutant))?;
        let campaign = Campaign {
            artifacts: &artifacts,
            failures: kept.path(),
            ..true_one
        };
        let mut counted = Ongoing::default();
        ensure!(
            campaign.run(&mut counted)?.is_some(),
            "{mutant:?} holds at {} crash points",
            counted.counts().points
        );
    }
    Ok(())
}

/// Builds the plugin.
fn plugin() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace::root())
        .args(["build", "--quiet", "--release"])
        .args(["--package", "perennial-trace", "--example", "plugin"])
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the plugin can't be built: {status}");
    Ok(workspace::target().join("release/examples/libplugin.so"))
}

/// Many lives.
#[derive(Clone, Copy)]
struct Campaign<'c> {
    artifacts: &'c Artifacts,
    plugin: &'c Path,
    seed: u64,
    /// For each life.
    limits: Limits,
    /// In all.
    points: u64,
    images: u64,
    failures: &'c Path,
    progress: bool,
}

/// Where a violation is kept.
struct Failure {
    what: String,
    dir: PathBuf,
}

impl Campaign<'_> {
    /// Traces lives until there were enough crash points, or something did not hold.
    fn run(&self, counted: &mut Ongoing<Tally>) -> Result<Option<Failure>> {
        let bar = self.bar(counted.counts());
        let mut rig = None;
        loop {
            let Tally {
                points,
                images,
                lives,
                ..
            } = *counted.counts();
            if points >= self.points && images >= self.images {
                break;
            }
            if lives.is_multiple_of(LIVES) {
                rig = None;
            }
            let rig = match &mut rig {
                Some(rig) => rig,
                none => none.insert(self.rig()?),
            };
            let life = rig.live(self.seed.wrapping_add(lives))?;
            let (found, violation) = explore(&life, self.limits, &bar)?;
            counted.change(|tally| tally.merge(&found))?;
            if let Some(violation) = violation {
                bar.finish_and_clear();
                return self.keep(&life, violation).map(Some);
            }
        }
        bar.finish_and_clear();
        Ok(None)
    }

    fn rig(&self) -> Result<Rig> {
        let cpus = u32::try_from(self.limits.cpus)?;
        Rig::new(self.artifacts, self.plugin, cpus)
    }

    fn bar(&self, tally: &Tally) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(
            "{bar:30} {pos}/{len} crash points, {per_sec}, ends with the first violation",
        );
        let bar = ProgressBar::new(self.points).with_position(tally.points);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    }

    /// Keeps what a crash could have left, for a second look.
    fn keep(&self, life: &Life, violation: Violation) -> Result<Failure> {
        let dir = free_dir(self.failures, "trace")?;
        let what = format!(
            "{} (seed {}, after {} events)",
            violation.what, life.seed, violation.event
        );
        let file = dir.join(FILE);
        fs::copy(&life.before, &file)?;
        let file = File::options().write(true).open(&file)?;
        violation.world.write(&file, &violation.image)?;
        // Of a superblock that was lost, nobody could tell where the tables are.
        let superblocks = layout::superblocks(&File::open(&life.after)?)?;
        fs::write(dir.join(SUPERBLOCKS), superblocks.concat())?;
        fs::write(dir.join("serial.log"), life.log.join("\n"))?;
        fs::write(dir.join(WHAT), &what)?;
        Ok(Failure { what, dir })
    }
}

const FILE: &str = "pmem.img";
const WHAT: &str = "what.txt";
/// Both superblocks as the life left them, one after the other.
const SUPERBLOCKS: &str = "superblocks.bin";

/// Reads the superblocks that were kept beside a file.
fn superblocks_in(dir: &Path) -> Result<[Vec<u8>; 2]> {
    let path = dir.join(SUPERBLOCKS);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    Ok([first.to_vec(), second.to_vec()])
}

/// Recovers and judges a kept file again, and says what the host's own reader makes of
/// it; returns whether it holds.
fn replay(dir: &Path, cpus: u32) -> Result<bool> {
    let what = fs::read_to_string(dir.join(WHAT))
        .with_context(|| format!("{} is no failure's directory", dir.display()))?;
    println!("then: {what}");
    let path = dir.join(FILE);
    let file = File::open(&path)?;
    let layout = Layout::of(&superblocks_in(dir)?)?;
    let world = World::read(&file, layout, 1)?;
    let mut recovery = Recovery::new(layout, usize::try_from(cpus)?);
    let now = recovery.judge(world.medium.visible(), &world);
    println!(
        "now, recovered: {}",
        now.as_ref().err().map_or("holds", String::as_str)
    );
    match judge::judge_all(&path) {
        Ok(zones) => zones.iter().for_each(|zone| match zone {
            judge::Zone::Accounted(zone) => {
                let faults = zone.judgement.faults().map(|fault| fault.to_string());
                println!("now, as it is: {:?}", faults.collect::<Vec<_>>());
            }
            judge::Zone::Vacant => println!("now, as it is: a zone with nothing in it"),
        }),
        Err(error) => println!("now, as it is: {error:#}"),
    }
    Ok(now.is_ok())
}
