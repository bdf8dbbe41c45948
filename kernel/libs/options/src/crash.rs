//! What breaks the machine, and when.
//!
//! A timer hits whatever takes long, and a recovery takes a millisecond. So a
//! crash can also be asked for by counting: at the n-th flush, fence or store to
//! shared memory of a phase. Where the number is drawn, it is drawn anew at every
//! boot, so that one command line serves a long series.

use crate::read;

/// What ends a crash cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// A timer, at a random instant of the work.
    Timer,
    /// The host, whenever it likes.
    Host,
    /// A persist event of a phase; where the phase has fewer, the timer.
    Event {
        /// The phase.
        phase: Phase,
        /// The least number to draw, from 1.
        first: u64,
        /// The greatest.
        last: u64,
    },
}

/// A phase in which persist events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A region becomes ours.
    Format,
    /// A region is recovered, and what leaked is returned.
    Recovery,
    /// All processors allocate and free.
    Run,
    /// The zones are closed in an orderly way.
    Shutdown,
}

impl Crash {
    /// Reads `timer`, `host`, `PHASE:N` or `PHASE:FIRST-LAST`.
    pub(crate) fn named(value: Option<&str>) -> Option<Self> {
        match value? {
            "timer" => Some(Self::Timer),
            "host" => Some(Self::Host),
            event => {
                let (phase, numbers) = event.split_once(':')?;
                let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
                let (first, last) = (read::number(Some(first))?, read::number(Some(last))?);
                (0 < first && first <= last).then_some(Self::Event {
                    phase: Phase::named(phase)?,
                    first,
                    last,
                })
            }
        }
    }
}

impl Phase {
    fn named(name: &str) -> Option<Self> {
        match name {
            "format" => Some(Self::Format),
            "recovery" => Some(Self::Recovery),
            "run" => Some(Self::Run),
            "shutdown" => Some(Self::Shutdown),
            _ => None,
        }
    }
}

/// Which of the machine's ways to reset are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// All, in turn.
    Any,
    /// The register that the firmware names and the keyboard controller.
    Orderly,
    /// The triple fault.
    TripleFault,
}

impl Reset {
    pub(crate) fn named(value: Option<&str>) -> Option<Self> {
        match value? {
            "any" => Some(Self::Any),
            "orderly" => Some(Self::Orderly),
            "triple-fault" => Some(Self::TripleFault),
            _ => None,
        }
    }
}
