//! What the host finds in a persistent file while the machine stands still.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result};

use crate::judge;

/// The host's own judgement of one zone in a file, before recovery ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostJudgement {
    /// Number of the pause, from 1.
    pub(crate) pause: u32,
    /// Name of the file.
    pub(crate) file: String,
    /// Identity of the zone.
    pub(crate) zone: String,
    /// Operations acknowledged.
    pub(crate) acknowledged: u64,
    /// Operations in flight.
    pub(crate) in_flight: u64,
    /// Blocks owned.
    pub(crate) owned: u64,
    /// Acknowledged frames that are free or whose content is gone.
    pub(crate) lost: u64,
    /// Frames with two owners.
    pub(crate) doubled: u64,
    /// Frames allocated without an owner.
    pub(crate) leaked: u64,
    /// Most frames that the operations in flight may leak.
    pub(crate) bound: u64,
    /// The first violation of each kind, in words.
    pub(crate) faults: Vec<String>,
}

impl HostJudgement {
    /// Whether nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for HostJudgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "zone {} in {} at pause {}: {} lost, {} doubled, {} leaked of {} that may",
            self.zone, self.file, self.pause, self.lost, self.doubled, self.leaked, self.bound
        )?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "; {fault}"))
    }
}

/// Judges `file`.
pub(super) fn judge(file: &Path, pause: u32) -> Result<Vec<HostJudgement>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let zones =
        judge::judge_file(file).with_context(|| format!("cannot judge {}", file.display()))?;
    let judgements = zones.into_iter().map(|zone| HostJudgement {
        pause,
        file: name.clone().into_owned(),
        zone: zone.id,
        acknowledged: zone.judgement.acknowledged,
        in_flight: zone.judgement.in_flight,
        owned: zone.judgement.owned,
        lost: zone.judgement.lost.count + zone.judgement.defaced.count,
        doubled: zone.judgement.doubled.count,
        leaked: zone.judgement.leaked,
        bound: zone.judgement.bound,
        faults: zone.judgement.faults().map(|f| f.to_string()).collect(),
    });
    Ok(judgements.collect())
}
