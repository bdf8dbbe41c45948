//! A trial: what is run, how it must end, and what must be true afterwards.
//!
//! Trials are data. A step is the command line that a person would type after
//! `cargo xtask run`, so each one can be repeated by hand.

use std::fmt;

use crate::outcome::Outcome;

use super::{madt::Madt, nfit::Nfit};

/// One trial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// Its name, also that of its directory.
    pub(super) name: &'static str,
    /// What is in the persistent file that `{file}` stands for.
    pub(super) file: Content,
    /// What `{table}` stands for.
    pub(super) table: Option<Table>,
    /// The runs, one after the other, on the same file.
    pub(super) steps: &'static [Step],
}

/// One run of a trial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// What is done to the file before.
    pub(super) damage: Damage,
    /// The flags.
    pub(super) line: &'static str,
    /// How it must end.
    pub(super) ends: Ends,
    /// What must be true afterwards.
    pub(super) claims: &'static [Claim],
}

/// A table for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// One more, beside QEMU's own: a file.
    Nfit(Nfit),
    /// In place of all of QEMU's: a directory.
    Madt(Madt),
}

/// What is in a persistent file before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There is no file.
    None,
    /// Zeros.
    Blank,
    /// Something that is not ours, all over.
    Foreign,
    /// A foreign format: the specimen of this name in
    /// `kernel/libs/ownership/marks`.
    Specimen(&'static str, Place),
}

/// Where in a file a specimen begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this offset.
    At(u64),
    /// So that it ends with the file.
    End,
}

/// What is done to a persistent file before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Nothing.
    None,
    /// The first frame is erased.
    First,
    /// The last frame is erased.
    Last,
    /// A byte of either frame is changed.
    Both,
}

/// How a run must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// With verdict pass.
    Pass,
    /// With verdict fail.
    Fail,
    /// With a verdict, whichever: what matters is in the claims.
    Verdict,
    /// With a panic.
    Panic,
    /// At a bound.
    Hang,
    /// Without a verdict.
    NoVerdict,
    /// Killed by the host.
    Killed,
}

impl Ends {
    /// Whether `outcome` is this end.
    pub(super) fn is(self, outcome: &Outcome) -> bool {
        match self {
            Self::Pass => matches!(outcome, Outcome::Pass { .. }),
            Self::Fail => matches!(outcome, Outcome::Fail { .. }),
            Self::Verdict => matches!(outcome, Outcome::Pass { .. } | Outcome::Fail { .. }),
            Self::Panic => matches!(outcome, Outcome::Panic { .. }),
            Self::Hang => matches!(outcome, Outcome::Hang { .. }),
            Self::NoVerdict => matches!(outcome, Outcome::NoVerdict { .. }),
            Self::Killed => matches!(outcome, Outcome::Killed),
        }
    }
}

/// Something that must be true after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// So many processors are online.
    Processors(usize),
    /// So many persistent zones are planned, their lower tables in listed ranges
    /// and their upper structures in none.
    PersistentZones(usize),
    /// Zones are on so many nodes.
    Nodes(usize),
    /// A zone was created.
    Created,
    /// A persistent zone was found and recovered.
    Recovered,
    /// So many crashes at least were recovered, each after thousands of operations,
    /// with nothing lost or doubled and leaks within their bound.
    Crashes(usize),
    /// Samples of three workloads, two orders, each of these numbers of
    /// processors, on so many zones at least.
    Samples {
        /// Numbers of processors.
        cpus: &'static [u32],
        /// Zones.
        zones: usize,
    },
    /// The host judged acknowledged operations in the file while nothing moved.
    HostJudged,
    /// A listed range is refused for a reason with these words.
    Refused(&'static str),
    /// Something is not applicable, in a sentence with these words.
    NotApplicable(&'static str),
    /// No violation was found by this part of the job.
    Sound(&'static str),
    /// The console shows these words.
    Says(&'static str),
    /// A persistent range holds foreign marks of exactly these names, and what would
    /// permit to format it names them.
    Marked(&'static [&'static str]),
    /// The file's first 2 MiB are the same, byte for byte.
    StartUnchanged,
    /// The file is the same, byte for byte.
    FileUnchanged,
    /// The file is not the same.
    FileChanged,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
