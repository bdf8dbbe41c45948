//! Whether what a trial claims is true of what it left behind.

use std::collections::BTreeSet;

use record::{CpuState, Crash, How, Open, Plan, Pmem, Range, Record, Sample, Verdict, Workload};

use crate::run::HostJudgement;

use super::{conduct::Digest, trial::Claim};

/// What a run left behind.
pub(super) struct Evidence<'a> {
    /// The records, in order.
    pub(super) records: &'a [Record],
    /// What the host found.
    pub(super) judgements: &'a [HostJudgement],
    /// The console.
    pub(super) console: &'a str,
    /// A digest of the persistent file before the run.
    pub(super) before: Option<Digest>,
    /// The same after it.
    pub(super) after: Option<Digest>,
}

/// Operations that make a crash worth recovering from.
const THOUSANDS: u64 = 1000;

const WORKLOADS: [Workload; 3] = [Workload::Bulk, Workload::Repeat, Workload::Random];

/// The benchmark's orders: one frame, one huge frame.
const ORDERS: [u8; 2] = [0, 9];

impl Evidence<'_> {
    /// Checks a claim.
    ///
    /// # Errors
    ///
    /// Returns what was found instead.
    pub(super) fn check(&self, claim: Claim) -> Result<(), String> {
        match claim {
            Claim::Processors(count) => same(count, self.processors(), "processors online"),
            Claim::PersistentZones(count) => self.check_zones(count),
            Claim::Nodes(count) => same(count, self.nodes(), "nodes with zones"),
            Claim::Created => some(self.opened(How::Created), "zone created"),
            Claim::Recovered => some(self.opened(How::Recovered), "zone recovered"),
            Claim::Crashes(count) => self.check_crashes(count),
            Claim::Samples { cpus, zones } => self.check_samples(cpus, zones),
            Claim::HostJudged => some(
                self.judgements.iter().any(|zone| zone.acknowledged > 0),
                "acknowledged operation judged by the host",
            ),
            Claim::Refused(words) => some(
                self.pmems()
                    .any(|pmem| !pmem.usable && pmem.reason.contains(words)),
                words,
            ),
            Claim::NotApplicable(words) => some(
                self.verdicts()
                    .flat_map(|verdict| &verdict.not_applicable)
                    .any(|sentence| sentence.contains(words)),
                words,
            ),
            Claim::Sound(part) => match self.violation(part) {
                None => Ok(()),
                Some(what) => Err(format!("{part}: {what}")),
            },
            Claim::Says(words) => some(self.console.contains(words), words),
            Claim::Marked(names) => self.check_marks(names),
            Claim::StartUnchanged => some(
                self.before.map(|digest| digest.start) == self.after.map(|digest| digest.start),
                "unchanged first 2 MiB",
            ),
            Claim::FileUnchanged if self.before == self.after => Ok(()),
            Claim::FileUnchanged => Err("the file has changed".into()),
            Claim::FileChanged if self.before != self.after => Ok(()),
            Claim::FileChanged => Err("the file has not changed".into()),
        }
    }

    /// The records since the last boot.
    fn last_boot(&self) -> &[Record] {
        let is_boot = |record: &Record| matches!(record, Record::Boot(_));
        let start = self.records.iter().rposition(is_boot).unwrap_or(0);
        &self.records[start..]
    }

    fn processors(&self) -> usize {
        let is_online =
            |record: &&Record| matches!(record, Record::Cpu(cpu) if cpu.state == CpuState::Online);
        self.last_boot().iter().filter(is_online).count()
    }

    fn plan(&self) -> Option<&Plan> {
        self.last_boot().iter().find_map(|record| match record {
            Record::Plan(plan) => Some(plan),
            _ => None,
        })
    }

    fn nodes(&self) -> usize {
        let zones = self.plan().map_or(&[][..], |plan| &plan.zones);
        let nodes: BTreeSet<_> = zones.iter().map(|zone| zone.node).collect();
        nodes.len()
    }

    fn pmems(&self) -> impl Iterator<Item = &Pmem> {
        self.last_boot().iter().filter_map(|record| match record {
            Record::Pmem(pmem) => Some(pmem),
            _ => None,
        })
    }

    fn check_marks(&self, names: &[&str]) -> Result<(), String> {
        let inspected = self.last_boot().iter().filter_map(|record| match record {
            Record::Inspect(inspect) if inspect.content == "foreign" => Some(inspect),
            _ => None,
        });
        let found: Vec<_> = inspected.collect();
        let words = format!(" pmem.overwrite={}", names.join(","));
        let is_marked = found
            .iter()
            .any(|inspect| inspect.marks == names && inspect.permit.ends_with(&words));
        if is_marked {
            Ok(())
        } else {
            Err(format!("found {found:?}"))
        }
    }

    fn violation(&self, part: &str) -> Option<&str> {
        self.records.iter().find_map(|record| match record {
            Record::Violation(found) if found.place == part => Some(found.what.as_str()),
            _ => None,
        })
    }

    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.records.iter().filter_map(|record| match record {
            Record::Verdict(verdict) => Some(verdict),
            _ => None,
        })
    }

    fn opened(&self, wanted: How) -> bool {
        let is_wanted =
            |record: &Record| matches!(record, Record::Open(Open { how, .. }) if *how == wanted);
        self.records.iter().any(is_wanted)
    }

    fn check_zones(&self, count: usize) -> Result<(), String> {
        let zones = self.plan().map_or(&[][..], |plan| &plan.zones);
        let persistent: Vec<_> = zones.iter().filter(|zone| zone.persistent).collect();
        same(count, persistent.len(), "persistent zones")?;
        for zone in persistent {
            let is_listed = |range: Range| self.pmems().any(|pmem| contains(pmem, range));
            if !is_listed(zone.lower) {
                return Err(format!(
                    "lower tables of {} are in no listed range",
                    zone.name
                ));
            }
            if is_listed(zone.upper) {
                return Err(format!(
                    "upper structures of {} are in a listed range",
                    zone.name
                ));
            }
        }
        Ok(())
    }

    fn check_crashes(&self, count: usize) -> Result<(), String> {
        let crashes = self.records.iter().filter_map(|record| match record {
            Record::Crash(crash) => Some(crash),
            _ => None,
        });
        let (sound, unsound): (Vec<_>, Vec<_>) = crashes.partition(|crash| is_sound(crash));
        match unsound.first() {
            Some(crash) => Err(format!("a crash that was not survived: {crash:?}")),
            // Cycles are numbered over all zones.
            None => {
                let cycles: BTreeSet<_> = sound.iter().map(|crash| crash.cycle).collect();
                same(count, cycles.len().min(count), "crashes at least")
            }
        }
    }

    fn check_samples(&self, cpus: &[u32], zones: usize) -> Result<(), String> {
        let samples: Vec<_> = self
            .records
            .iter()
            .filter_map(|record| match record {
                Record::Sample(sample) if !sample.warmup => Some(sample),
                _ => None,
            })
            .collect();
        for workload in WORKLOADS {
            for order in ORDERS {
                for &cpus in cpus {
                    let is_such = |sample: &&&Sample| {
                        (sample.workload, sample.order, sample.cpus) == (workload, order, cpus)
                    };
                    let found = samples.iter().filter(is_such);
                    let names: BTreeSet<_> = found.map(|sample| &sample.zone).collect();
                    let what =
                        format!("zones at least with {workload:?}, order {order}, on {cpus}");
                    same(zones, names.len().min(zones), &what)?;
                }
            }
        }
        Ok(())
    }
}

fn contains(pmem: &Pmem, range: Range) -> bool {
    let end = |start: u64, len: u64| u128::from(start) + u128::from(len);
    pmem.start <= range.start && end(range.start, range.len) <= end(pmem.start, pmem.len)
}

fn is_sound(crash: &Crash) -> bool {
    crash.acknowledged >= THOUSANDS
        && crash.lost == 0
        && crash.doubled == 0
        && crash.leaked <= crash.bound
}

fn same(expected: usize, found: usize, what: &str) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("expected {expected} {what}, found {found}")),
    }
}

fn some(found: bool, what: &str) -> Result<(), String> {
    found
        .then_some(())
        .ok_or_else(|| format!("not found: {what}"))
}

#[cfg(test)]
mod tests;
