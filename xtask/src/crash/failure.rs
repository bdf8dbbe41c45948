//! What a failing cycle leaves: enough to look at it again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::judge;

use super::{campaign::Campaign, rig::Rig};

/// A cycle that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The series.
    series: String,
    /// Seed of the first process on the file.
    seed: u64,
    /// What was wrong.
    pub(crate) what: String,
    /// Where the file and the log are.
    #[serde(skip)]
    pub(crate) dir: PathBuf,
}

const FILE: &str = "pmem.img";
const LOG: &str = "serial.log";
const FACTS: &str = "failure.json";

impl Failure {
    /// Copies the persistent file and the log of `rig` to a directory of its own.
    ///
    /// # Errors
    ///
    /// Returns an error where the host fails.
    pub(super) fn keep(
        campaign: &Campaign<'_>,
        rig: &Rig,
        seed: u64,
        what: String,
    ) -> Result<Self> {
        let series = campaign.series.name();
        let dir = free_dir(campaign.failures, &series)?;
        let failure = Self {
            series,
            seed,
            what,
            dir,
        };
        let keep = || -> Result<()> {
            fs::copy(rig.file(), failure.dir.join(FILE))?;
            fs::write(failure.dir.join(LOG), rig.log())?;
            let facts = serde_json::to_string_pretty(&failure)?;
            fs::write(failure.dir.join(FACTS), facts)?;
            Ok(())
        };
        keep().with_context(|| format!("keeping a failure in {}", failure.dir.display()))?;
        Ok(failure)
    }
}

/// Makes the first directory of this name and a number that does not exist yet.
///
/// # Errors
///
/// Returns an error where that is not possible.
pub(crate) fn free_dir(parent: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent)?;
    for number in 1.. {
        let dir = parent.join(format!("{name}-{number}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("numbers do not run out")
}

/// Judges a kept file again; returns whether it holds.
///
/// # Errors
///
/// Returns an error if the directory is not of a failure.
pub(super) fn replay(dir: &Path) -> Result<bool> {
    let facts = dir.join(FACTS);
    let text = fs::read_to_string(&facts).with_context(|| {
        format!(
            "cannot read {}; name a failure's directory",
            facts.display()
        )
    })?;
    let failure: Failure = serde_json::from_str(&text)?;
    println!("series {}, seed {}", failure.series, failure.seed);
    println!("then: {}", failure.what);
    let zones = match judge::judge_all(&dir.join(FILE)) {
        Ok(zones) => zones,
        Err(error) => {
            println!("now: {error:#}");
            return Ok(false);
        }
    };
    let mut holds = true;
    for zone in zones {
        let judge::Zone::Accounted(zone) = zone else {
            println!("now: a zone with nothing in it, which holds");
            continue;
        };
        let judgement = &zone.judgement;
        println!(
            "now: zone {}: {} operations acknowledged, {} in flight; {} blocks owned, {} frames \
             lost, defaced or doubled, {} of at most {} leaked",
            zone.id,
            judgement.acknowledged,
            judgement.in_flight,
            judgement.owned,
            judgement.violated(),
            judgement.leaked,
            judgement.bound
        );
        for fault in judgement.faults() {
            println!("     {fault}");
        }
        holds &= judgement.holds();
    }
    Ok(holds)
}
