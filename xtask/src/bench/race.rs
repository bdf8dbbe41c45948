//! Repetitions of all rivals, in turn.
//!
//! A machine drifts: it warms up, a neighbour comes and goes. Measured one after
//! the other, rivals would be compared under different weather. So each round
//! measures the unit *C* and then every rival once, in an order that is shuffled
//! anew; what drifts hits all of them alike. The first rounds are warm-up: they are
//! kept among the samples, marked, and not counted.

use anyhow::{Context as _, Result};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use serde::Serialize;

use super::{
    case::Case,
    field::{Entry, Reading},
    processor::on_each,
    statistics::shuffle_front,
    unit::{Clock, hot_exchange},
};

/// How often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Rounds that are not counted.
    pub(super) warmup: usize,
    /// Rounds that are.
    pub(super) repetitions: usize,
}

/// One measurement, as it was taken.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) workload: &'static str,
    pub(super) alloc: &'static str,
    pub(super) order: u8,
    pub(super) threads: usize,
    pub(super) fill: Option<u8>,
    pub(super) gib: usize,
    pub(super) op: &'static str,
    pub(super) rep: usize,
    pub(super) warmup: bool,
    /// Operations of all threads.
    pub(super) ops: u64,
    /// Nanoseconds of all threads, added up.
    pub(super) nanos: u64,
    /// Readings of the clock in those.
    pub(super) intervals: u64,
    /// One *C* in the same round, in nanoseconds.
    pub(super) unit_ns: f64,
}

/// All counted samples of one rival in one case, for one operation.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) case: Case,
    pub(super) alloc: &'static str,
    pub(super) op: &'static str,
    /// Nanoseconds for one operation.
    pub(super) nanos: Vec<f64>,
    /// Nanoseconds for one *C*, in the same rounds.
    pub(super) unit: Vec<f64>,
}

/// Everything measured so far.
pub(super) struct Race {
    pub(super) effort: Effort,
    pub(super) seed: u64,
    pub(super) clock: Clock,
    pub(super) samples: Vec<Sample>,
    pub(super) series: Vec<Series>,
    /// What the oracle or an allocator objected to; such a rival has no figure.
    pub(super) violations: Vec<String>,
}

impl Race {
    pub(super) fn new(effort: Effort, seed: u64) -> Result<Self> {
        let clock = on_each(1, |_| Clock::measure())?;
        Ok(Self {
            effort,
            seed,
            clock: clock.into_iter().next().context("one processor")?,
            samples: Vec::new(),
            series: Vec::new(),
            violations: Vec::new(),
        })
    }

    /// Measures one case.
    pub(super) fn run(&mut self, case: &Case, mut entries: Vec<Entry<'_>>) -> Result<()> {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let Effort {
            warmup,
            repetitions,
        } = self.effort;
        for round in 0..warmup + repetitions {
            let unit = on_each(1, |_| hot_exchange())?[0];
            let all = entries.len();
            shuffle_front(&mut dice, &mut entries, all);
            entries.retain_mut(|entry| {
                let seed = self.seed.wrapping_add(round as u64);
                match entry.contestant.repetition(seed) {
                    Ok(readings) => {
                        let take = |reading| self.take(case, entry.name, round, unit, reading);
                        readings.into_iter().for_each(take);
                        true
                    }
                    Err(error) => {
                        self.disqualify(case, entry.name, &error);
                        false
                    }
                }
            });
        }
        Ok(())
    }

    fn take(
        &mut self,
        case: &Case,
        alloc: &'static str,
        round: usize,
        unit: f64,
        reading: Reading,
    ) {
        let Reading {
            op,
            ops,
            nanos,
            intervals,
        } = reading;
        let warmup = round < self.effort.warmup;
        self.samples.push(Sample {
            workload: case.workload.name(),
            alloc,
            order: case.order,
            threads: case.threads,
            fill: case.fill,
            gib: case.gib,
            op,
            rep: round,
            warmup,
            ops,
            nanos,
            intervals,
            unit_ns: unit,
        });
        if !warmup {
            let per_op = reading.per_op(&self.clock);
            let series = self.series_of(case, alloc, op);
            series.nanos.push(per_op);
            series.unit.push(unit);
        }
    }

    fn series_of(&mut self, case: &Case, alloc: &'static str, op: &'static str) -> &mut Series {
        let same = |s: &Series| s.op == op && s.alloc == alloc && s.case == *case;
        let index = self.series.iter().position(same).unwrap_or_else(|| {
            let (nanos, unit) = (Vec::new(), Vec::new());
            self.series.push(Series {
                case: case.clone(),
                alloc,
                op,
                nanos,
                unit,
            });
            self.series.len() - 1
        });
        &mut self.series[index]
    }

    /// Takes a rival's figures in this case away.
    fn disqualify(&mut self, case: &Case, alloc: &'static str, error: &anyhow::Error) {
        self.violations
            .push(format!("{alloc} in {case}: {error:#}"));
        self.series
            .retain(|series| series.alloc != alloc || series.case != *case);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::bench::{case::Workload, field::Contestant};

    /// Fails from a certain seed on.
    struct FailsFrom(u64);

    impl Contestant for FailsFrom {
        fn repetition(&mut self, seed: u64) -> Result<Vec<Reading>> {
            if seed >= self.0 {
                bail!("frame 7 was handed out twice");
            }
            Ok(vec![Reading {
                op: "get",
                ops: 10,
                nanos: 1000,
                intervals: 0,
            }])
        }
    }

    fn case() -> Case {
        Case {
            workload: Workload::Bulk,
            order: 0,
            threads: 1,
            fill: None,
            gib: 1,
        }
    }

    #[test]
    fn a_violation_costs_the_rival_its_figure_and_nobody_elses() {
        let effort = Effort {
            warmup: 1,
            repetitions: 3,
        };
        let mut race = Race::new(effort, 0).expect("a clock");
        let good = Entry {
            name: "good",
            contestant: Box::new(FailsFrom(u64::MAX)),
        };
        let bad = Entry {
            name: "bad",
            contestant: Box::new(FailsFrom(3)),
        };
        race.run(&case(), vec![good, bad]).expect("a race");
        assert_eq!(race.series.len(), 1);
        assert_eq!(race.series[0].nanos, [100.0; 3]);
        assert_eq!(race.series[0].unit.len(), 3);
        assert_eq!(race.violations.len(), 1);
        assert!(race.violations[0].starts_with("bad in bulk order 0"));
        let warm = race.samples.iter().filter(|sample| sample.warmup).count();
        assert_eq!(warm, 2);
    }
}
