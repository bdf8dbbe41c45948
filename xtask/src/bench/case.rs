//! What is measured: one case is one line of questions, asked to every rival.

use frame::{FRAME_SIZE, Order};
use serde::Serialize;

/// A workload with all its parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Case {
    pub(super) workload: Workload,
    /// The exponent, as in all tables.
    pub(super) order: u8,
    pub(super) threads: usize,
    /// Percent of the zone that is allocated, where the workload has a fill.
    pub(super) fill: Option<u8>,
    /// Size of the zone.
    pub(super) gib: usize,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Workload {
    /// Allocate half of the zone, then free it in the same order.
    Bulk,
    /// Allocate and free one block, over and over.
    Repeat,
    /// Allocate half of the zone, free it in random order, whoever allocated it.
    Random,
    /// Free and allocate random blocks in a zone that is filled in part.
    Churn,
    /// Ask for blocks that are not there, in a full zone.
    Full,
    /// Ask for blocks that are not there, in a zone of single free frames.
    Fragmented,
    /// Open a zone again after a crash.
    Recovery,
    /// Weigh the metadata.
    Memory,
    /// Count the huge frames that survive 200 rounds of churn.
    Fragmentation,
    /// Count instructions, and locked ones, by stepping through them.
    Counts,
}

impl Workload {
    /// The name in tables and files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Repeat => "repeat",
            Self::Random => "random",
            Self::Churn => "churn",
            Self::Full => "full",
            Self::Fragmented => "fragmented",
            Self::Recovery => "recovery",
            Self::Memory => "memory",
            Self::Fragmentation => "fragmentation",
            Self::Counts => "counts",
        }
    }
}

impl Case {
    /// Returns the order as a type.
    pub(super) fn order(&self) -> Order {
        Order::new(self.order).expect("cases are made of orders that exist")
    }

    /// Returns the number of frames in the zone.
    pub(super) fn frames(&self) -> usize {
        frames(self.gib)
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} order {}", self.workload.name(), self.order)?;
        if let Some(fill) = self.fill {
            write!(f, ", {fill} % full")?;
        }
        let plural = if self.threads == 1 { "" } else { "s" };
        write!(f, ", {} thread{plural}, {} GiB", self.threads, self.gib)
    }
}

/// Returns the number of frames in this many gibibytes.
pub(super) const fn frames(gib: usize) -> usize {
    gib << 30 >> FRAME_SIZE.trailing_zeros()
}
