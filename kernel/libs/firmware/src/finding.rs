//! What is odd about the firmware's tables.
//!
//! A kernel boots on machines whose tables are wrong, so problems don't end the
//! discovery; they are collected, with where they are and what they mean, for
//! whoever reads the console.

use core::fmt;

use frame::PhysAddr;

use crate::entries::EntryError;
use crate::nfit::Broken;
use crate::rsdp::RsdpError;
use crate::sdt::{Signature, TableError};
use crate::slit::SlitError;

/// Something odd about a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: Signature,
    /// Where it is, if it is anywhere.
    pub at: Option<PhysAddr>,
    /// What is odd.
    pub problem: Problem,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The machine simply is that way.
    Note,
    /// The firmware is wrong.
    Warning,
}

/// What is odd about a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The firmware doesn't have it.
    Missing,
    /// There is a second one, which is ignored.
    Repeated,
    /// The root pointer can't be used.
    Root(RsdpError),
    /// The table as a whole can't be used.
    Table(TableError),
    /// The table can only be used up to an entry.
    Entry(EntryError),
    /// The persistent ranges of the table must not be written to.
    Doubtful(Broken),
    /// The distances can't be used.
    Distances(SlitError),
    /// There is more than this build has room for.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are kept.
        kept: usize,
        /// How many the table lists.
        listed: usize,
    },
    /// There is no sleep state that means "off".
    NoSleepState,
}

impl Finding {
    /// Returns how much it matters.
    pub const fn severity(&self) -> Severity {
        match self.problem {
            Problem::Missing => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// Returns what it means for this boot, and what to do.
    const fn consequence(&self) -> &'static str {
        match (self.problem, &self.table.0) {
            (Problem::Missing, b"RSD ") => {
                "no tables at all; boot with a loader that hands over the root pointer"
            }
            (Problem::TooMany { .. }, _) => "the rest is left out; build with a larger capacity",
            (Problem::Repeated, _) => "the first one is used; update the firmware",
            (Problem::Missing, b"SRAT") => "everything belongs to node 0",
            (Problem::Missing, b"SLIT") => "other nodes are taken to be equally far",
            (Problem::Missing, b"NFIT") => "there is no persistent memory",
            (Problem::Missing, b"APIC") => "only the boot processor runs",
            (Problem::Missing, b"FACP") => "no power-off and reset by register",
            (Problem::NoSleepState, _) => "no power-off by register",
            (_, b"APIC") => "processors it should list stay off; update the firmware",
            (_, b"SRAT") => "nodes may be wrong; update the firmware",
            (_, b"SLIT") => "other nodes are taken to be equally far; update the firmware",
            (_, b"NFIT") => "no persistent range is written to; update the firmware",
            (_, b"FACP" | b"DSDT" | b"SSDT") => {
                "no power-off or reset by register; update the firmware"
            }
            (_, b"SPCR") => "only the standard serial ports are used; update the firmware",
            _ => "what it leads to is not used; update the firmware",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        if let Some(at) = self.at {
            write!(f, " at {at}")?;
        }
        write!(f, ": {}; {}", self.problem, self.consequence())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not there"),
            Self::Repeated => f.write_str("there is another one"),
            Self::Root(error) => error.fmt(f),
            Self::Table(error) => error.fmt(f),
            Self::Entry(error) => error.fmt(f),
            Self::Doubtful(broken) => broken.fmt(f),
            Self::Distances(error) => error.fmt(f),
            Self::TooMany { what, kept, listed } => {
                write!(f, "{listed} {what}, room for {kept}")
            }
            Self::NoSleepState => f.write_str("no constant sleep state _S5"),
        }
    }
}
