//! What a run has found so far.

use alloc::{format, string::String, vec::Vec};

use record::{Crash, Record, Sample, Verdict, Violation};

use crate::log;

/// Findings of all parts of the job.
#[derive(Default)]
pub(super) struct Report {
    samples: Vec<Sample>,
    crashes: Vec<Crash>,
    checks: u64,
    violations: Vec<String>,
    not_applicable: Vec<String>,
}

impl Report {
    /// Counts things that were checked and found in order.
    pub(super) fn checked(&mut self, checks: u64) {
        self.checks += checks;
    }

    /// Reports something that must not be.
    pub(super) fn violation(&mut self, place: &str, what: String) {
        log::record(&Record::Violation(Violation {
            place: place.into(),
            what: what.clone(),
        }));
        self.violations.push(format!("{place}: {what}"));
    }

    /// Reports something that can't be judged on this machine.
    pub(super) fn not_applicable(&mut self, what: String) {
        log::info!("run", "not applicable: {what}");
        self.not_applicable.push(what);
    }

    /// Returns whether anything was found that must not be.
    pub(super) fn has_violations(&self) -> bool {
        !self.violations.is_empty()
    }

    /// Emits and keeps a sample.
    pub(super) fn sample(&mut self, sample: Sample) {
        let record = Record::Sample(sample);
        log::record(&record);
        if let Record::Sample(sample) = record {
            self.samples.push(sample);
        }
    }

    /// Emits and keeps the judgement of a crash.
    pub(super) fn crash(&mut self, crash: Crash, is_fresh: bool) {
        if is_fresh {
            log::record(&Record::Crash(crash.clone()));
        }
        self.crashes.push(crash);
    }

    /// Returns the samples so far.
    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the crashes so far.
    pub(super) fn crashes(&self) -> &[Crash] {
        &self.crashes
    }

    /// Returns what came of the run. Nothing checked is nothing proven.
    pub(super) fn verdict(self) -> Verdict {
        let reason = match (self.violations.as_slice(), self.checks) {
            ([], 0) => String::from("nothing was checked"),
            ([], checks) => format!(
                "{checks} checks held; {} samples, {} crashes",
                self.samples.len(),
                self.crashes.len()
            ),
            ([only], _) => only.clone(),
            ([first, others @ ..], _) => format!("{first}, and {} more", others.len()),
        };
        Verdict {
            pass: self.violations.is_empty() && self.checks > 0,
            reason,
            not_applicable: self.not_applicable,
        }
    }
}
