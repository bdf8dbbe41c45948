//! The machine, ready for work.

use arrayvec::ArrayVec;
use options::Options;

use crate::{arch::tsc::Clock, quarantine::Quarantine, reset::ResetWay, smp::Crew, zones::Zones};

/// Everything that the job may use.
pub(crate) struct System {
    /// What the command line asks for.
    pub(crate) options: Options,
    /// Time.
    pub(crate) clock: Clock,
    /// The processors.
    pub(crate) crew: Crew,
    /// The zones.
    pub(crate) zones: Zones,
    /// Memory that is kept from use.
    pub(crate) quarantine: Quarantine,
    /// Ways to reset the machine.
    pub(crate) resets: ArrayVec<ResetWay, 3>,
}
