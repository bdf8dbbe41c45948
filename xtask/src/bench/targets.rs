//! What the allocator is meant to reach, as data.
//!
//! A target names a row of the table and a bound; bounds are multiples of *C* or
//! of another row of the same case, so that they hold on any machine. It is *met*
//! or *missed* by the median; where the confidence interval reaches over the bound,
//! that is said too.

use super::{
    case::{Case, Workload},
    race::{Race, Series},
    statistics::{Estimate, median},
    write_back::ROW_CLAIM,
};

/// The design under test.
const LLFREE: &str = "llfree";
/// Its paper's algorithm, one bit at a time.
const PER_OPERATION: &str = "llfree-op";

/// One thing to reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    workload: Workload,
    order: u8,
    threads: Option<usize>,
    fill: Option<u8>,
    op: &'static str,
    alloc: &'static str,
    bound: Bound,
}

/// What the median is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// At most this many *C*.
    Units(f64),
    /// At most this many *C* and one load from random memory, measured in the
    /// same case.
    UnitsAndLoad(f64),
    /// At most this multiple of another rival's median.
    Rival(f64, &'static str),
    /// At most what the design takes without durability, and this multiple of a frame's
    /// share of what the instructions of a claim of 64 take, measured in the same case.
    PlainAndClaim(f64),
    /// Less than another rival's median.
    Faster(&'static str),
    /// At most this many nanoseconds.
    Nanos(f64),
    /// From one thread to two, at least this share of what the control keeps.
    Scaling(f64),
    /// At least this many times as fast as one thread.
    Speedup(f64),
}

/// How a target came out.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) case: Case,
    pub(super) alloc: &'static str,
    pub(super) op: &'static str,
    /// What is compared, and with what.
    pub(super) bound: String,
    pub(super) limit: f64,
    pub(super) measured: Estimate,
    pub(super) met: bool,
}

impl Verdict {
    /// Returns `met` or `missed`, with a mark where the interval supports both.
    pub(super) fn word(&self) -> String {
        let word = if self.met { "met" } else { "missed" };
        let unsure = self.measured.straddles(self.limit);
        format!("{word}{}", if unsure { " (unsure)" } else { "" })
    }
}

const fn target(workload: Workload, order: u8, op: &'static str, bound: Bound) -> Target {
    Target {
        workload,
        order,
        threads: None,
        fill: None,
        op,
        alloc: LLFREE,
        bound,
    }
}

impl Target {
    const fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    const fn fill(mut self, fill: u8) -> Self {
        self.fill = Some(fill);
        self
    }

    const fn of(mut self, alloc: &'static str) -> Self {
        self.alloc = alloc;
        self
    }
}

/// The list. Bounds on one thread are those of the design; threads are named where
/// they matter.
fn targets() -> Vec<Target> {
    use Bound::{Faster, Nanos, PlainAndClaim, Rival, Scaling, Speedup, Units, UnitsAndLoad};
    use Workload::{Bulk, Churn, Fragmented, Full, Random, Recovery, Repeat};

    let mut targets = vec![
        target(Bulk, 0, "get", Units(3.3))
            .threads(1)
            .of(PER_OPERATION),
        target(Bulk, 0, "put", Units(2.9))
            .threads(1)
            .of(PER_OPERATION),
        target(Bulk, 0, "get", Units(0.25)).threads(1),
        target(Bulk, 0, "get", Rival(1.0 / 12.0, PER_OPERATION)).threads(1),
        target(Bulk, 0, "put", Units(0.4)).threads(1),
        target(Bulk, 0, "put", Rival(1.0 / 8.0, PER_OPERATION)).threads(1),
        target(Repeat, 0, "pair", Units(0.5)).threads(1),
        target(Repeat, 0, "pair", Rival(1.0 / 12.0, PER_OPERATION)).threads(1),
        target(Repeat, 0, "pair", Faster("linux")),
        target(Repeat, 0, "pair", Faster("linux-irq")),
        target(Random, 0, "put", Rival(0.6, PER_OPERATION)).threads(1),
        target(Random, 0, "put", Rival(0.4, PER_OPERATION)).threads(2),
        target(Churn, 0, "pair", UnitsAndLoad(5.0))
            .threads(1)
            .fill(75),
        target(Bulk, 3, "get", Units(1.5)).threads(1),
        target(Bulk, 0, "get", Scaling(0.95)).threads(2),
        target(Bulk, 0, "put", Scaling(0.95)).threads(2),
        target(Recovery, 0, "gib", Nanos(3000.0)).threads(1),
        target(Recovery, 0, "gib", Speedup(1.8)).threads(2),
    ];
    for order in [7, 8] {
        targets.push(target(Bulk, order, "get", Units(5.0)).threads(1));
        targets.push(target(Bulk, order, "put", Units(5.0)).threads(1));
    }
    for alloc in [LLFREE, "llfree-eadr"] {
        targets.push(target(Bulk, 9, "get", Units(2.5)).threads(1).of(alloc));
        targets.push(target(Bulk, 9, "put", Units(1.8)).threads(1).of(alloc));
    }
    for op in ["get", "put"] {
        let batched = target(Bulk, 0, op, PlainAndClaim(1.2)).of("llfree-adr-batched");
        targets.push(batched.threads(1));
    }
    for order in 0..=10 {
        targets.push(target(Full, order, "next", Units(20.0)));
        targets.push(target(Fragmented, order, "next", Units(20.0)));
    }
    targets
}

/// Holds all that was measured against the targets; what was not measured has no
/// verdict.
pub(super) fn judge(race: &Race) -> Vec<Verdict> {
    let judge = |target: &Target| {
        let rows = race.series.iter().filter(|series| target.names(series));
        rows.filter_map(|series| target.judge(series, race))
            .collect::<Vec<_>>()
    };
    targets().iter().flat_map(judge).collect()
}

impl Target {
    fn names(&self, series: &Series) -> bool {
        let case = &series.case;
        (self.workload, self.order, self.op, self.alloc)
            == (case.workload, case.order, series.op, series.alloc)
            && self.threads.is_none_or(|threads| threads == case.threads)
            && (self.fill.is_none() || self.fill == case.fill)
    }

    fn judge(&self, series: &Series, race: &Race) -> Option<Verdict> {
        let find = |alloc, op, threads| {
            let case = Case {
                threads,
                ..series.case.clone()
            };
            let same = |s: &&Series| s.alloc == alloc && s.op == op && s.case == case;
            race.series.iter().find(same)
        };
        let threads = series.case.threads;
        let in_units = Estimate::of_ratio(&series.nanos, &series.unit);
        let (measured, limit, bound) = match self.bound {
            Bound::Units(limit) => (in_units, limit, format!("{limit} C")),
            Bound::UnitsAndLoad(units) => {
                let load = find(RANDOM_LOAD, "load", threads)?;
                let limit = units + median(&load.nanos) / median(&series.unit);
                (
                    in_units,
                    limit,
                    format!("{units} C + a load = {limit:.2} C"),
                )
            }
            Bound::Rival(limit, rival) => {
                let rival_series = find(rival, series.op, threads)?;
                let ratio = Estimate::of_ratio(&series.nanos, &rival_series.nanos);
                (ratio, limit, format!("{limit:.3} of {rival}"))
            }
            Bound::PlainAndClaim(times) => {
                let plain = median(&find(LLFREE, series.op, threads)?.nanos);
                let claim = median(&find(ROW_CLAIM, "claim", threads)?.nanos);
                let limit = plain + times * claim / 64.0;
                let bound = format!("llfree + {times} claims / 64 = {limit:.2} ns");
                (Estimate::of(&series.nanos), limit, bound)
            }
            Bound::Faster(rival) => {
                let rival_series = find(rival, series.op, threads)?;
                let ratio = Estimate::of_ratio(&series.nanos, &rival_series.nanos);
                (ratio, 1.0, format!("faster than {rival}"))
            }
            Bound::Nanos(limit) => (Estimate::of(&series.nanos), limit, format!("{limit} ns")),
            Bound::Speedup(times) => {
                let alone = find(series.alloc, series.op, 1)?;
                let share = Estimate::of_ratio(&series.nanos, &alone.nanos);
                (share, 1.0 / times, format!("{times} times as fast as one"))
            }
            Bound::Scaling(share) => {
                let alone = find(series.alloc, series.op, 1)?;
                let control = find("control", series.op, threads)?;
                let control_alone = find("control", series.op, 1)?;
                // Both are what two threads take for what one took; the control's
                // is what the machine itself does to private work.
                let slower = Estimate::of_ratio(&series.nanos, &alone.nanos);
                let machine = median(&control.nanos) / median(&control_alone.nanos);
                let limit = machine / share;
                (slower, limit, format!("{share} of the control's scaling"))
            }
        };
        let (case, alloc, op) = (series.case.clone(), series.alloc, series.op);
        let met = measured.median <= limit;
        Some(Verdict {
            case,
            alloc,
            op,
            bound,
            limit,
            measured,
            met,
        })
    }
}

/// The name under which random loads take part in *churn*.
pub(super) const RANDOM_LOAD: &str = "random-load";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{race::Effort, unit::Clock};

    fn race(rows: &[(&'static str, usize, f64)]) -> Race {
        let series = rows.iter().map(|&(alloc, threads, nanos)| Series {
            case: Case {
                workload: Workload::Bulk,
                order: 0,
                threads,
                fill: None,
                gib: 1,
            },
            alloc,
            op: "get",
            nanos: vec![nanos; 30],
            unit: vec![10.0; 30],
        });
        Race {
            effort: Effort {
                warmup: 0,
                repetitions: 30,
            },
            seed: 0,
            clock: Clock {
                overhead: 0.0,
                resolution: 1.0,
            },
            samples: Vec::new(),
            series: series.collect(),
            violations: Vec::new(),
        }
    }

    fn met(race: &Race, alloc: &str, bound: &str) -> Option<bool> {
        let mut verdicts = judge(race).into_iter();
        let found = verdicts.find(|v| v.alloc == alloc && v.bound.contains(bound));
        found.map(|verdict| verdict.met)
    }

    #[test]
    fn a_multiple_of_the_unit_is_met_or_missed_by_the_median() {
        assert_eq!(
            met(&race(&[("llfree", 1, 2.4)]), "llfree", "0.25 C"),
            Some(true)
        );
        assert_eq!(
            met(&race(&[("llfree", 1, 2.6)]), "llfree", "0.25 C"),
            Some(false)
        );
    }

    #[test]
    fn a_ratio_needs_the_other_row() {
        let alone = race(&[("llfree", 1, 2.0)]);
        assert_eq!(met(&alone, "llfree", "of llfree-op"), None);
        let both = race(&[("llfree", 1, 2.0), ("llfree-op", 1, 25.0)]);
        assert_eq!(met(&both, "llfree", "of llfree-op"), Some(true));
        let slow = race(&[("llfree", 1, 2.0), ("llfree-op", 1, 23.0)]);
        assert_eq!(met(&slow, "llfree", "of llfree-op"), Some(false));
    }

    #[test]
    fn a_batched_frame_may_take_its_share_of_a_claim() {
        let rows = |batched: f64| {
            let plain = ("llfree", 1, 2.0);
            let mut race = race(&[plain, ("llfree-adr-batched", 1, batched)]);
            let claim = race.series[0].clone();
            race.series.push(Series {
                alloc: ROW_CLAIM,
                op: "claim",
                nanos: vec![160.0; 30],
                ..claim
            });
            race
        };
        let bound = "claims / 64 = 5.00 ns";
        assert_eq!(met(&rows(4.9), "llfree-adr-batched", bound), Some(true));
        assert_eq!(met(&rows(5.1), "llfree-adr-batched", bound), Some(false));
    }

    #[test]
    fn the_allocator_may_lose_what_the_machine_loses() {
        let rows = |two: f64| {
            [
                ("llfree", 1, 2.0),
                ("llfree", 2, two),
                ("control", 1, 10.0),
                ("control", 2, 12.0),
            ]
        };
        assert_eq!(met(&race(&rows(2.4)), "llfree", "scaling"), Some(true));
        assert_eq!(met(&race(&rows(2.6)), "llfree", "scaling"), Some(false));
    }
}
