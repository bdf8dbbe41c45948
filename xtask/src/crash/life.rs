//! What the kernel says from one break to the next.
//!
//! The stage it is in, and whether its own judgement of the last crash agrees with
//! the host's.

use std::{collections::VecDeque, time::Instant};

use record::{Record, StageName};

use crate::judge::ZoneJudgement;

use super::tally::{Cycle, Found};

/// Boots of which the lines are kept.
const KEPT_BOOTS: usize = 4;

/// What is known of the boot that is running.
#[derive(Default)]
pub(super) struct Life {
    first_word: Option<Instant>,
    stage: Option<StageName>,
    work_began: Option<Instant>,
    cache: Option<record::Cache>,
    verdict: Option<record::Verdict>,
    /// What the host found of a cycle that the kernel has yet to judge.
    expected: Option<Found>,
    /// Breaks in a row that each hit the recovery from the one before.
    depth: u32,
    commit: Option<String>,
    boots: VecDeque<Vec<String>>,
}

impl From<&ZoneJudgement> for Found {
    fn from(zone: &ZoneJudgement) -> Self {
        let judgement = &zone.judgement;
        Self {
            acknowledged: judgement.acknowledged,
            in_flight: judgement.in_flight,
            owned: judgement.owned,
            leaked: judgement.leaked,
            bound: judgement.bound,
            violated: judgement.violated(),
            splits: zone.splits as u64,
        }
    }
}

impl Life {
    /// Another boot begins.
    pub(super) fn begin(&mut self) {
        self.first_word = None;
        self.stage = None;
        self.work_began = None;
        self.cache = None;
        self.verdict = None;
        self.boots.push_back(Vec::new());
        if self.boots.len() > KEPT_BOOTS {
            self.boots.pop_front();
        }
    }

    /// Ends the boot, with what the host found in the file.
    pub(super) fn end(&mut self, found: Option<Found>, is_running: bool) -> Cycle {
        self.expected = found.filter(|_| is_running);
        let is_recovery = matches!(self.stage, Some(StageName::Recovery | StageName::Judge));
        self.depth = if is_recovery { self.depth + 1 } else { 0 };
        let cycle = Cycle {
            stage: self.stage,
            found,
            cache: self.cache.take(),
            depth: self.depth,
            commit: self.commit.clone(),
        };
        self.begin();
        cycle
    }

    /// What the host found is gone: the file was changed.
    pub(super) fn forget_account(&mut self) {
        self.expected = None;
    }

    /// When the work of this boot began.
    pub(super) fn work_began(&self) -> Option<Instant> {
        self.work_began
    }

    /// When the kernel said its first word in this boot.
    pub(super) fn first_word(&self) -> Option<Instant> {
        self.first_word
    }

    /// Whether the kernel has come to its end.
    pub(super) fn has_verdict(&self) -> bool {
        self.verdict.is_some()
    }

    /// The last line.
    pub(super) fn last_line(&self) -> &str {
        let lines = self.boots.iter().rev().flat_map(|boot| boot.iter().rev());
        lines.into_iter().next().map_or("", String::as_str)
    }

    /// All lines that are kept.
    pub(super) fn log(&self) -> String {
        let lines = self.boots.iter().flatten();
        lines.flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// What speaks against an orderly end.
    pub(super) fn verdict_against(&self) -> Option<String> {
        match &self.verdict {
            Some(verdict) if verdict.pass => None,
            Some(verdict) => Some(format!("the kernel's verdict: {}", verdict.reason)),
            None => Some(format!(
                "the guest ended without a verdict; last line: {:?}",
                self.last_line()
            )),
        }
    }

    /// Takes a line; returns what is wrong, if anything.
    pub(super) fn line(&mut self, line: String) -> Option<String> {
        let parsed = record::parse(&line);
        let panic = line.strip_prefix("panic: ").map(str::to_owned);
        if let Some(boot) = self.boots.back_mut() {
            boot.push(line);
        }
        if let Some(message) = panic {
            return Some(format!("the kernel panicked: {message}"));
        }
        match parsed {
            Ok(Some(record)) => self.record(record),
            Ok(None) => None,
            // A machine that breaks in the middle of a line leaves half of it, and
            // the next boot goes on there.
            Err(_) => None,
        }
    }

    fn record(&mut self, record: Record) -> Option<String> {
        self.first_word.get_or_insert_with(Instant::now);
        match record {
            Record::Boot(boot) => self.commit = Some(boot.commit),
            Record::Stage(stage) => {
                self.stage = Some(stage.stage);
                if stage.stage == StageName::Work {
                    self.work_began = Some(Instant::now());
                    if let Some(expected) = self.expected.take() {
                        return Some(format!(
                            "the kernel goes on without judging what the host found: {expected:?}"
                        ));
                    }
                }
            }
            Record::Cache(cache) => self.cache = Some(cache),
            Record::Crash(crash) => {
                let expected = self.expected.take()?;
                let agrees = crash.acknowledged == expected.acknowledged
                    && crash.owned == expected.owned
                    && crash.in_flight == expected.in_flight;
                let holds = crash.lost == 0 && crash.doubled == 0 && crash.leaked <= crash.bound;
                if !agrees || !holds {
                    return Some(format!(
                        "the host found {expected:?}, the kernel reports {crash:?}"
                    ));
                }
            }
            Record::Violation(violation) => {
                return Some(format!("{}: {}", violation.place, violation.what));
            }
            Record::Verdict(verdict) => self.verdict = Some(verdict),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use record::Crash;

    use super::*;

    const FOUND: Found = Found {
        acknowledged: 5000,
        in_flight: 2,
        owned: 30,
        leaked: 0,
        bound: 4,
        violated: 0,
        splits: 0,
    };

    fn work() -> String {
        let stage = StageName::Work;
        record::to_line(&Record::Stage(record::Stage { stage, event: 0 }))
    }

    fn crash(acknowledged: u64) -> String {
        record::to_line(&Record::Crash(Crash {
            zone: "pmem0".into(),
            cycle: 1,
            reset: "fadt".into(),
            acknowledged,
            in_flight: 2,
            owned: 30,
            lost: 0,
            doubled: 0,
            leaked: 0,
            bound: 4,
        }))
    }

    fn after_a_crash() -> Life {
        let mut life = Life::default();
        life.begin();
        assert_eq!(life.line(work()), None);
        let cycle = life.end(Some(FOUND), true);
        assert_eq!(cycle.stage, Some(StageName::Work));
        life
    }

    #[test]
    fn a_kernel_that_agrees_with_the_host_may_go_on() {
        let mut life = after_a_crash();
        assert_eq!(life.line(crash(5000)), None);
        assert_eq!(life.line(work()), None);
        assert!(life.work_began().is_some());
    }

    #[test]
    fn a_kernel_that_miscounts_or_does_not_judge_is_found_out() {
        assert!(after_a_crash().line(crash(4999)).is_some());
        assert!(after_a_crash().line(work()).is_some());
    }

    #[test]
    fn a_kernel_that_panics_or_finds_a_violation_has_failed() {
        let mut life = Life::default();
        life.begin();
        assert!(life.line("panic: at the disco".into()).is_some());
        let violation = Record::Violation(record::Violation {
            place: "crash".into(),
            what: "frame 3 twice".into(),
        });
        assert!(life.line(record::to_line(&violation)).is_some());
        assert_eq!(life.last_line(), record::to_line(&violation));
    }

    #[test]
    fn an_end_without_a_verdict_is_no_settlement() {
        assert!(Life::default().verdict_against().is_some());
    }
}
