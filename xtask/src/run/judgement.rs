//! What the host finds in a persistent file while the machine stands still.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result};
use record::Record;

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

/// Returns what the host found that the kernel did not report, if anything.
///
/// The host judges what a crash left, the kernel what its recovery made of it;
/// what was acknowledged and who owned what must be the same to both.
pub(super) fn unreported(judgements: &[HostJudgement], records: &[Record]) -> Option<String> {
    let is_reported = |judgement: &&HostJudgement| {
        records.iter().any(|record| {
            matches!(record, Record::Crash(crash)
                if crash.acknowledged == judgement.acknowledged && crash.owned == judgement.owned)
        })
    };
    let silent = judgements
        .iter()
        .find(|judgement| !is_reported(judgement))?;
    Some(format!(
        "the kernel reports no crash with {} operations acknowledged and {} blocks owned, \
         which is what {} held at pause {}",
        silent.acknowledged, silent.owned, silent.file, silent.pause
    ))
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

#[cfg(test)]
mod tests {
    use record::Crash;

    use super::*;

    fn judgement(acknowledged: u64, owned: u64) -> HostJudgement {
        HostJudgement {
            pause: 1,
            file: "pmem0.img".into(),
            zone: "1".into(),
            acknowledged,
            in_flight: 0,
            owned,
            lost: 0,
            doubled: 0,
            leaked: 0,
            bound: 0,
            faults: vec![],
        }
    }

    fn crash(acknowledged: u64, owned: u64) -> Record {
        Record::Crash(Crash {
            zone: "pmem0".into(),
            cycle: 1,
            reset: "fadt".into(),
            acknowledged,
            in_flight: 0,
            owned,
            lost: 0,
            doubled: 0,
            leaked: 0,
            bound: 0,
        })
    }

    #[test]
    fn a_kernel_that_reports_what_the_host_found_is_in_agreement() {
        let records = [crash(5000, 30), crash(7000, 20)];
        assert_eq!(unreported(&[judgement(7000, 20)], &records), None);
    }

    #[test]
    fn a_kernel_that_forgets_operations_or_owners_is_found_out() {
        let found = [judgement(5000, 30)];
        assert!(unreported(&found, &[crash(4999, 30)]).is_some());
        assert!(unreported(&found, &[crash(5000, 29)]).is_some());
        assert!(unreported(&found, &[]).is_some());
    }
}
