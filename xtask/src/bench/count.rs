//! *counts*: instructions and locked instructions, by stepping through them.
//!
//! Counts don't depend on the machine's mood. A probe process prepares a zone,
//! runs a few operations between two signals to itself, and this process steps
//! through them one instruction at a time, decoding each: what has a `lock` prefix
//! or is an `xchg` with memory is a locked one. Exact, with no tool to install.
//!
//! A fast path that gains a locked instruction fails here, long before anybody
//! notices a few nanoseconds: [`LIMITS`].

mod probe;
mod stepper;

use anyhow::{Context as _, Result};
use serde::Serialize;

pub(super) use self::probe::{Probe, run as run_probe};

/// What a number of operations executed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Count {
    pub(super) alloc: String,
    pub(super) op: &'static str,
    pub(super) order: u8,
    pub(super) ops: u64,
    pub(super) instructions: u64,
    pub(super) locked: u64,
}

impl Count {
    /// Returns the locked instructions of one operation.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn locked_per_op(&self) -> f64 {
        self.locked as f64 / self.ops as f64
    }

    /// Returns the instructions of one operation, with the loop around it.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn instructions_per_op(&self) -> f64 {
        self.instructions as f64 / self.ops as f64
    }

    /// Returns what this operation may lock at most, if that is laid down.
    pub(super) fn limit(&self) -> Option<f64> {
        limit_of(&self.alloc, self.op, self.order)
    }

    /// Returns whether a fast path has gained a locked instruction.
    pub(super) fn exceeds(&self) -> bool {
        self.limit()
            .is_some_and(|limit| self.locked_per_op() > limit)
    }
}

/// The most locked instructions that an operation may execute, on average.
struct Limit {
    alloc: &'static str,
    op: &'static str,
    order: u8,
    locked: f64,
}

const fn limit(alloc: &'static str, op: &'static str, order: u8, locked: f64) -> Limit {
    Limit {
        alloc,
        op,
        order,
        locked,
    }
}

/// A claimed row takes its locked instructions once for 64 frames, and a pair that
/// stays within it none at all. One operation at a time takes the tree's count, the
/// entry and the bits; a huge frame has no bits. Where rows are claimed and frames
/// are plenty, counts wait, so that a free in random order locks for its bit and
/// little more, and a huge frame for its entry. What is above whole numbers is for
/// changing trees, and for the first free into a full one, which makes searches
/// expect something there again.
const LIMITS: [Limit; 26] = [
    limit("llfree", "get", 0, 0.05),
    limit("llfree", "put", 0, 0.06),
    limit("llfree", "pair", 0, 0.0),
    limit("llfree", "random-put", 0, 1.4),
    limit("llfree", "get", 3, 0.35),
    limit("llfree", "put", 3, 0.2),
    limit("llfree", "get", 7, 3.0),
    limit("llfree", "put", 7, 2.5),
    limit("llfree", "get", 8, 4.0),
    limit("llfree", "put", 8, 4.9),
    limit("llfree", "get", 9, 1.4),
    limit("llfree", "put", 9, 1.4),
    limit("llfree", "pair", 9, 2.2),
    limit("llfree-eadr", "get", 0, 0.05),
    limit("llfree-eadr", "put", 0, 0.06),
    limit("llfree-eadr", "pair", 0, 0.0),
    limit("llfree-eadr", "random-put", 0, 1.4),
    limit("llfree-op", "get", 0, 3.1),
    limit("llfree-op", "put", 0, 3.1),
    limit("llfree-op", "pair", 0, 6.0),
    limit("llfree-op", "random-put", 0, 3.3),
    limit("llfree-op", "get", 9, 2.3),
    limit("llfree-op", "put", 9, 2.1),
    limit("llfree-op", "pair", 9, 4.0),
    limit("control", "get", 0, 1.0),
    limit("control", "put", 0, 1.0),
];

/// Which probes are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Every one.
    Everything,
    /// Those whose locked instructions have a limit.
    Limited,
}

/// Counts; `progress` hears about each probe before it starts.
pub(super) fn all(extent: Extent, mut progress: impl FnMut(&str)) -> Result<Vec<Count>> {
    let mut probes = Probe::all();
    if extent == Extent::Limited {
        probes.retain(|probe| limit_of(&probe.alloc, probe.op.name(), probe.order).is_some());
    }
    let count = |probe: &Probe| {
        let name = probe.to_string();
        progress(&name);
        stepper::count(probe).with_context(|| format!("cannot count {name}"))
    };
    probes.iter().map(count).collect()
}

fn limit_of(alloc: &str, op: &str, order: u8) -> Option<f64> {
    let same = |limit: &&Limit| (limit.alloc, limit.op, limit.order) == (alloc, op, order);
    LIMITS.iter().find(same).map(|limit| limit.locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(locked: u64) -> Count {
        Count {
            alloc: "llfree-op".to_owned(),
            op: "get",
            order: 0,
            ops: 100,
            instructions: 5000,
            locked,
        }
    }

    #[test]
    fn one_more_locked_instruction_an_operation_exceeds_the_limit() {
        assert!(!count(300).exceeds());
        assert!(count(400).exceeds());
    }

    #[test]
    fn what_has_no_limit_exceeds_none() {
        let other = Count {
            alloc: "linux".to_owned(),
            ..count(10_000)
        };
        assert_eq!(other.limit(), None);
        assert!(!other.exceeds());
    }
}
