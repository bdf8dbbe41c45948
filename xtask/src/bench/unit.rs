//! What the machine itself takes: *C*, a random load, the clock.
//!
//! Nanoseconds of one machine say little about another. Every allocator
//! operation is a handful of atomic operations, so one of those is the unit: *C*
//! is a compare-exchange on a line that stays in the cache, each expecting what
//! the previous one stored, so that none can start before the one before has
//! ended. It is measured anew in every round of every case, next to what it is
//! the unit of.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::Result;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};

use super::{
    field::{Contestant, Reading},
    processor::on_each,
    statistics::{below, median},
};

/// Operations in one measurement: at least 1000 times the clock's resolution.
const OPS: u32 = 50_000;

/// Reads of the clock from which its cost is estimated.
const CLOCK_READS: u32 = 1000;

/// Returns one *C*, in nanoseconds.
pub(super) fn hot_exchange() -> f64 {
    let word = AtomicU64::new(0);
    let word = black_box(&word);
    let start = Instant::now();
    let mut value = 0;
    for _ in 0..OPS {
        let next = value + 1;
        value = match word.compare_exchange(value, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => next,
            Err(found) => found,
        };
    }
    let nanos = nanos_since(start);
    assert_eq!(
        black_box(value),
        u64::from(OPS),
        "nobody else writes the word"
    );
    nanos / f64::from(OPS)
}

/// A walk through all lines of an array in random order.
pub(super) struct RandomLoads {
    /// The index of the next line, in the first word of each line.
    lines: Vec<[u64; 8]>,
}

impl RandomLoads {
    /// Lays out a walk through `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let mut next: Vec<u64> = (0..bytes as u64 / 64).collect();
        // Sattolo's shuffle: a permutation that is one single cycle.
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(bytes as u64);
        for last in (1..next.len()).rev() {
            let other = below(&mut dice, last);
            next.swap(last, other);
        }
        let line = |next| [next, 0, 0, 0, 0, 0, 0, 0];
        Self {
            lines: next.into_iter().map(line).collect(),
        }
    }

    /// Walks on, each load depending on the one before.
    fn walk(&self) -> Reading {
        let start = Instant::now();
        let mut line = 0;
        for _ in 0..OPS {
            line = usize::try_from(self.lines[line][0]).expect("an index");
        }
        let nanos = u64::try_from(start.elapsed().as_nanos()).expect("it ends");
        black_box(line);
        Reading {
            op: "load",
            ops: OPS.into(),
            nanos,
            intervals: 1,
        }
    }
}

impl Contestant for RandomLoads {
    fn repetition(&mut self, _: u64) -> Result<Vec<Reading>> {
        on_each(1, |_| self.walk())
    }
}

/// What reading the clock takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The time between two reads with nothing between, in nanoseconds.
    pub(super) overhead: f64,
    /// The smallest step seen, in nanoseconds.
    pub(super) resolution: f64,
}

impl Clock {
    pub(super) fn measure() -> Self {
        let mut steps: Vec<f64> = Vec::new();
        let mut last = Instant::now();
        for _ in 0..CLOCK_READS {
            let now = Instant::now();
            steps.push((now - last).as_secs_f64() * 1e9);
            last = now;
        }
        let smallest = |smallest: f64, &step: &f64| {
            if step > 0.0 {
                smallest.min(step)
            } else {
                smallest
            }
        };
        Self {
            overhead: median(&steps),
            resolution: steps.iter().fold(f64::INFINITY, smallest),
        }
    }
}

fn nanos_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_visits_every_line_once() {
        let loads = RandomLoads::new(64 * 100);
        let mut seen = [false; 100];
        let mut line = 0;
        for _ in 0..100 {
            assert!(!std::mem::replace(&mut seen[line], true));
            line = usize::try_from(loads.lines[line][0]).expect("an index");
        }
        assert_eq!(line, 0);
    }

    #[test]
    fn the_unit_is_a_plausible_time() {
        let unit = hot_exchange();
        assert!((0.5..5000.0).contains(&unit), "{unit} ns");
    }
}
