//! Processors: starting them, and giving all of them work.
//!
//! The boot processor is number 0 and takes part like any other. A processor
//! that does not answer is reported and left out, at the start and later: nothing
//! waits for it for ever, and nothing that it may still touch is given back
//! before it has been stopped.

mod barrier;
mod berth;
mod crew;
mod nudge;
mod per_cpu;
mod start;
mod worker;

pub(crate) use barrier::{Barrier, Seat};
pub(crate) use crew::Crew;
pub(crate) use nudge::{Nudges, sleep_until};
pub(crate) use per_cpu::{PerCpu, cpu};
pub(crate) use start::{Limits, start};
