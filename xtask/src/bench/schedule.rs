//! Which cases a run consists of.
//!
//! `--quick` is for a look in between and for tests: a smaller zone, fewer
//! repetitions, and only the cases on which targets hang. What it prints is marked.

use super::{
    case::{Case, Workload},
    race::Effort,
};

/// Zones from this size on are recovered by two processors too: a smaller one is
/// done before a second thread has woken up.
const WORTH_SHARING_GIB: usize = 64;

/// The zone of the fragmentation test, and how long it is worn.
pub(super) struct Scale {
    pub(super) effort: Effort,
    /// Size of zones where the size is not the question.
    pub(super) gib: usize,
    pub(super) orders: &'static [u8],
    pub(super) fills: &'static [u8],
    /// Zones for churn.
    pub(super) churn_gib: &'static [usize],
    /// Zones for failing gets.
    pub(super) failing_gib: &'static [usize],
    pub(super) failing_orders: &'static [u8],
    /// Zones for recovery.
    pub(super) recovery_gib: &'static [usize],
    /// Rounds of the fragmentation test.
    pub(super) wear_rounds: usize,
}

impl Scale {
    /// At most ten minutes.
    pub(super) const FULL: Self = Self {
        effort: Effort {
            warmup: 2,
            repetitions: 30,
        },
        gib: 4,
        orders: &[0, 3, 7, 8, 9, 10],
        fills: &[50, 75, 90, 99],
        churn_gib: &[4, 16],
        failing_gib: &[4, 16, 64],
        failing_orders: &[10, 9, 8, 6, 3, 1],
        recovery_gib: &[4, 1024],
        wear_rounds: 200,
    };

    /// At most a minute.
    pub(super) const QUICK: Self = Self {
        effort: Effort {
            warmup: 1,
            repetitions: 7,
        },
        gib: 1,
        orders: &[0, 3, 9],
        fills: &[75],
        churn_gib: &[4],
        failing_gib: &[4],
        failing_orders: &[9, 3],
        recovery_gib: &[4, 1024],
        wear_rounds: 50,
    };

    /// Returns the cases of *bulk*, *repeat* and *random* for this number of
    /// processors.
    pub(super) fn cycles(&self, workload: Workload, processors: usize) -> Vec<Case> {
        let threads = [1, 2]
            .into_iter()
            .filter(move |&threads| threads <= processors);
        // A single block comes and goes in a zone of any size alike.
        let gib = if workload == Workload::Repeat {
            1
        } else {
            self.gib
        };
        let case = |order, threads| Case {
            workload,
            order,
            threads,
            fill: None,
            gib,
        };
        threads
            .flat_map(|threads| self.orders.iter().map(move |&order| case(order, threads)))
            .collect()
    }

    /// Returns the cases of *churn*: all sizes and fills with single frames on one
    /// processor, the smallest zone also with two, and with larger blocks.
    pub(super) fn churns(&self, processors: usize) -> Vec<Case> {
        let case = |order, threads, fill, gib| Case {
            workload: Workload::Churn,
            order,
            threads,
            fill: Some(fill),
            gib,
        };
        let mut cases = Vec::new();
        for &gib in self.churn_gib {
            cases.extend(self.fills.iter().map(|&fill| case(0, 1, fill, gib)));
        }
        let smallest = self.churn_gib[0];
        if processors > 1 {
            cases.extend(self.fills.iter().map(|&fill| case(0, 2, fill, smallest)));
        }
        let larger = self.orders.iter().filter(|&&order| order > 0);
        cases.extend(larger.map(|&order| case(order, 1, 75, smallest)));
        cases
    }

    /// Returns the cases of *full* or *fragmented* for this size, largest blocks
    /// first: what is exhausted for one order leaves the smaller ones as they are.
    pub(super) fn failing(&self, state: Workload, gib: usize) -> Vec<Case> {
        let (orders, fill) = match state {
            Workload::Full => (&[10, 9, 3, 0][..], 100),
            _ => (self.failing_orders, 50),
        };
        let case = |&order| Case {
            workload: state,
            order,
            threads: 1,
            fill: Some(fill),
            gib,
        };
        orders.iter().map(case).collect()
    }

    /// Returns the cases of *recovery*: with a second processor where it is worth
    /// starting one.
    pub(super) fn recoveries(&self, processors: usize) -> Vec<Case> {
        let case = |threads, gib| Case {
            workload: Workload::Recovery,
            order: 0,
            threads,
            fill: Some(50),
            gib,
        };
        let shared = self.recovery_gib.iter().filter(|_| processors > 1);
        let shared = shared.filter(|&&gib| gib >= WORTH_SHARING_GIB);
        let alone = self.recovery_gib.iter().map(|&gib| case(1, gib));
        alone.chain(shared.map(|&gib| case(2, gib))).collect()
    }
}
