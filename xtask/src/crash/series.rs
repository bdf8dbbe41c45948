//! What is broken, how, and what that shows.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::options::Persistence;

/// A way to break the machine.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// QEMU is killed.
    Kill,
    /// The host presses the reset button.
    Reset,
    /// The kernel resets the machine by a register or the keyboard controller.
    #[value(name = "self")]
    #[serde(rename = "self")]
    Own,
    /// The kernel faults while it delivers a fault while it delivers a fault.
    Triple,
    /// The kernel resets the machine and loses an emulated cache over its tables.
    Powercut,
}

/// Where in its life the machine is broken.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// At a random instant.
    Any,
    /// At a persist event while a region becomes ours.
    Format,
    /// At a persist event while a region is recovered, or leaks are returned.
    Recovery,
    /// At a persist event while all processors allocate and free.
    Run,
    /// At a persist event while the zones are closed.
    Shutdown,
}

/// What a platform promises to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Domain {
    /// Caches too.
    Eadr,
    /// What the memory controller has.
    Adr,
}

/// Cycles that have everything in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    /// How the machine is broken.
    pub(crate) kind: Kind,
    /// When.
    pub(crate) phase: Phase,
    /// Whether it boots through firmware.
    pub(crate) uefi: bool,
    /// Processors.
    pub(crate) cpus: u32,
    /// Cycles to do.
    pub(crate) cycles: u64,
}

/// Cycles between two settlements, where everything has to be free again.
const CYCLES_PER_LEDGER: u32 = 25;

impl Kind {
    /// What the platform promises that this kind is like.
    pub(crate) fn domain(self) -> Domain {
        match self {
            Self::Powercut => Domain::Adr,
            Self::Kill | Self::Reset | Self::Own | Self::Triple => Domain::Eadr,
        }
    }

    /// Whether the host does it.
    pub(crate) fn is_from_outside(self) -> bool {
        matches!(self, Self::Kill | Self::Reset)
    }

    /// What the machine says about itself.
    pub(crate) fn persistence(self) -> Persistence {
        match self.domain() {
            Domain::Eadr => Persistence::Cpu,
            Domain::Adr => Persistence::MemCtrl,
        }
    }
}

impl Phase {
    /// The greatest number of the event to break at. Most phases have four fifths
    /// as many, so that some cycles get past and the next one has work to lose.
    fn last_event(self) -> Option<(&'static str, u32)> {
        match self {
            Self::Any => None,
            Self::Format => Some(("format", 620)),
            Self::Recovery => Some(("recovery", 150)),
            Self::Run => Some(("run", 20_000)),
            Self::Shutdown => Some(("shutdown", 16)),
        }
    }
}

impl Series {
    /// Whether this kind can break that phase: what the host does comes too late
    /// for what takes a millisecond.
    pub(crate) fn is_possible(&self) -> bool {
        !self.kind.is_from_outside() || matches!(self.phase, Phase::Any | Phase::Run)
    }

    /// A name for files and tables.
    pub(crate) fn name(&self) -> String {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        let (kind, phase) = (
            name(self.kind.to_possible_value()),
            name(self.phase.to_possible_value()),
        );
        let boot = if self.uefi { "uefi" } else { "pvh" };
        format!("{kind}-{phase}-{boot}-{}", self.cpus)
    }

    /// The words of the kernel's command line that make it such a series.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("cycles={CYCLES_PER_LEDGER}"),
            "quick".into(),
            "run=crash".into(),
            // Nothing but our own superblock is ever erased in the file, and the
            // rest is then somebody else's content to the kernel.
            "pmem.format=any".into(),
        ];
        match self.kind {
            Kind::Kill | Kind::Reset => words.push("crash=host".into()),
            Kind::Own => words.push("reset=orderly".into()),
            Kind::Triple => words.push("reset=triple-fault".into()),
            Kind::Powercut => words.push("powercut".into()),
        }
        if let Some((phase, last)) = self.phase.last_event()
            && !self.kind.is_from_outside()
        {
            words.push(format!("crash={phase}:1-{last}"));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use options::{Crash, Options};

    use super::*;

    fn all() -> Vec<Series> {
        let mut all = Vec::new();
        for &kind in Kind::value_variants() {
            for &phase in Phase::value_variants() {
                all.push(Series {
                    kind,
                    phase,
                    uefi: false,
                    cpus: 2,
                    cycles: 1,
                });
            }
        }
        all
    }

    #[test]
    fn the_kernel_understands_the_words_of_every_series() {
        for series in all() {
            let line = series.words().join(" ");
            let read = Options::parse(&line, |word| panic!("{word:?} in {line}"));
            assert!(read.run.crash && read.quick, "{line}");
            assert_eq!(read.powercut, series.kind == Kind::Powercut);
            let is_counted = matches!(read.crash, Crash::Event { .. });
            let wanted = series.phase != Phase::Any && !series.kind.is_from_outside();
            assert_eq!(is_counted, wanted, "{line}");
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = all().iter().map(Series::name).collect();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn the_host_is_too_slow_for_a_recovery() {
        let impossible = all().into_iter().filter(|series| !series.is_possible());
        assert!(
            impossible
                .clone()
                .all(|series| series.kind.is_from_outside())
        );
        assert_eq!(impossible.count(), 6);
    }
}
