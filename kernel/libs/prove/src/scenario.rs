//! What is tried: a zone, what it looks like at first, who does what.

use llfree::Claims;

use crate::program::{Mix, Op};

/// Words a huge frame, and huge frames a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// 2 and 2: the smallest there is. A huge frame has order 7.
    Tiny,
    /// 4 and 2: blocks of several words that are less than a huge frame.
    Small,
    /// 8 and 2: the huge frame of the hardware.
    Hardware,
}

/// What survives a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing; the power does not fail.
    Volatile,
    /// What is visible.
    Eadr,
    /// What is flushed and fenced.
    Adr,
    /// The same, but frees wait for a sync.
    AdrLazy,
    /// The same, and rows are held.
    AdrBatched,
}

/// What threads do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// These calls, each thread its own.
    Calls(&'static [&'static [Op]]),
    /// Calls drawn anew for each run, by so many threads.
    Mix(usize, Mix),
}

/// How schedules are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choose {
    /// By chance.
    ByChance,
    /// All of them.
    All,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) mode: Mode,
    pub(crate) claims: Claims,
    pub(crate) frames: usize,
    /// Calls before the run: by which thread, and what.
    pub(crate) before: &'static [(usize, Op)],
    pub(crate) work: Work,
    pub(crate) choose: Choose,
    /// Whether there is more than enough for all: then no `get` may fail.
    pub(crate) plenty: bool,
    /// Whether a host may take memory.
    pub(crate) lends: bool,
    /// Schedules in a slice, and in full.
    pub(crate) schedules: [u64; 2],
}

impl Scenario {
    /// Returns the number of threads.
    pub(crate) fn threads(&self) -> usize {
        match self.work {
            Work::Calls(calls) => calls.len(),
            Work::Mix(threads, _) => threads,
        }
    }
}
