//! Crashes by the hundred: a slice of what `cargo xtask crash --full` does.
//!
//! Each series says how often what it is there for must have been hit at least: a
//! series that broke nothing would pass. The controls are kernels with one mistake
//! each, and the kind of break that must notice it.

use anyhow::{Result, ensure};

use crate::{
    crash::{self, Campaign, Kind, Phase, Series, Tally},
    run::Mutant,
    workspace,
};

/// A series of the slice.
struct Slice {
    kind: Kind,
    phase: Phase,
    uefi: bool,
    cycles: u64,
    /// Where cycles have to break, and how many at least.
    hits: Hits,
}

/// What cycles have to hit to count.
enum Hits {
    /// New work, with operations acknowledged.
    Work(u64),
    /// One of these stages.
    Stages(&'static [&'static str], u64),
}

const fn slice(kind: Kind, phase: Phase, cycles: u64, hits: Hits) -> Slice {
    Slice {
        kind,
        phase,
        uefi: false,
        cycles,
        hits,
    }
}

const SLICES: [Slice; 10] = [
    slice(Kind::Kill, Phase::Any, 100, Hits::Work(50)),
    slice(Kind::Reset, Phase::Any, 25, Hits::Work(10)),
    slice(Kind::Own, Phase::Any, 20, Hits::Work(20)),
    slice(Kind::Triple, Phase::Any, 15, Hits::Work(15)),
    Slice {
        uefi: true,
        ..slice(Kind::Reset, Phase::Any, 5, Hits::Work(1))
    },
    slice(Kind::Powercut, Phase::Any, 50, Hits::Work(50)),
    slice(Kind::Powercut, Phase::Run, 50, Hits::Work(50)),
    slice(
        Kind::Own,
        Phase::Recovery,
        40,
        Hits::Stages(&["recovery"], 20),
    ),
    slice(Kind::Own, Phase::Format, 40, Hits::Stages(&["format"], 20)),
    slice(
        Kind::Powercut,
        Phase::Shutdown,
        10,
        Hits::Stages(&["shutdown"], 10),
    ),
];

/// A kernel with a mistake, and what must notice it within so many cycles.
const CONTROLS: [(Mutant, Kind, Phase, u64); 7] = [
    (Mutant::FlushDoesNothing, Kind::Powercut, Phase::Any, 40),
    (Mutant::LedgerAcksEarly, Kind::Own, Phase::Run, 200),
    (Mutant::LedgerAcksEarly, Kind::Powercut, Phase::Run, 100),
    (Mutant::LedgerAcksEarly, Kind::Kill, Phase::Any, 200),
    (Mutant::LedgerAcksEarly, Kind::Triple, Phase::Any, 100),
    (Mutant::ReadyEarly, Kind::Own, Phase::Format, 100),
    (Mutant::LeakOneFrame, Kind::Reset, Phase::Run, 60),
];

/// Processors of a machine, and machines at once.
const CPUS: u32 = 2;
const JOBS: u32 = 2;
const SEED: u64 = 1;

/// Runs the slice and the controls.
///
/// # Errors
///
/// Returns an error where a cycle of the true kernel fails, where the cycles do not
/// hit what they are for, or where all of a mutant's hold.
pub(super) fn run() -> Result<()> {
    let failures = workspace::output().join("test/crashes");
    let artifacts = crash::build(None)?;
    let mut settled = 0;
    for slice in SLICES {
        let series = Series {
            kind: slice.kind,
            phase: slice.phase,
            uefi: slice.uefi,
            cpus: CPUS,
            cycles: slice.cycles,
        };
        let campaign = Campaign {
            series,
            seed: SEED,
            jobs: JOBS,
            artifacts: &artifacts,
            failures: &failures,
            progress: false,
        };
        let outcome = campaign.run()?;
        let name = series.name();
        if let Some(failure) = outcome.failures.first() {
            anyhow::bail!("{name}: {}; see {}", failure.what, failure.dir.display());
        }
        slice.hits.check(&name, &outcome.tally)?;
        check_evictions(slice.kind, &outcome.tally)?;
        settled += outcome.tally.settled;
    }
    ensure!(
        settled > 0,
        "no series was settled: nobody saw every frame free"
    );
    CONTROLS.iter().try_for_each(control)
}

impl Hits {
    fn check(&self, name: &str, tally: &Tally) -> Result<()> {
        let (hit, wanted) = match self {
            Self::Work(wanted) => (tally.fruitful, *wanted),
            Self::Stages(stages, wanted) => {
                let counts = stages.iter().map(|stage| tally.broken_in(stage));
                (counts.sum(), *wanted)
            }
        };
        ensure!(
            hit >= wanted,
            "{name}: {hit} of {} cycles hit what they are for, {wanted} must",
            tally.cycles
        );
        Ok(())
    }
}

/// A cache that evicts nothing on its own would hide half of what can go wrong.
fn check_evictions(kind: Kind, tally: &Tally) -> Result<()> {
    ensure!(
        kind != Kind::Powercut || tally.evicted > 0,
        "no line was evicted in {} power cuts",
        tally.cycles
    );
    Ok(())
}

fn control(&(mutant, kind, phase, cycles): &(Mutant, Kind, Phase, u64)) -> Result<()> {
    let artifacts = crash::build(Some(mutant))?;
    let dir = tempfile::tempdir()?;
    let campaign = Campaign {
        series: Series {
            kind,
            phase,
            uefi: false,
            cpus: CPUS,
            cycles,
        },
        seed: SEED,
        jobs: JOBS,
        artifacts: &artifacts,
        failures: dir.path(),
        progress: false,
    };
    let outcome = campaign.run()?;
    ensure!(
        !outcome.failures.is_empty(),
        "{mutant:?}: {} held for {} cycles",
        campaign.series.name(),
        outcome.tally.cycles
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_possible() {
        let series = |kind, phase| Series {
            kind,
            phase,
            uefi: false,
            cpus: CPUS,
            cycles: 1,
        };
        let slices = SLICES.iter().map(|slice| series(slice.kind, slice.phase));
        let controls = CONTROLS.map(|(_, kind, phase, _)| series(kind, phase));
        assert!(slices.chain(controls).all(|series| series.is_possible()));
    }

    #[test]
    fn cycles_that_hit_nothing_are_not_enough() {
        let idle = Tally {
            cycles: 100,
            ..Tally::default()
        };
        assert!(Hits::Work(1).check("a series", &idle).is_err());
        assert!(
            Hits::Stages(&["format"], 1)
                .check("a series", &idle)
                .is_err()
        );
        assert!(check_evictions(Kind::Powercut, &idle).is_err());
        let busy = Tally {
            fruitful: 1,
            ..idle
        };
        assert!(Hits::Work(1).check("a series", &busy).is_ok());
    }
}
