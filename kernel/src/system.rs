//! The machine, ready for work.

use arrayvec::ArrayVec;
use options::Options;

use crate::{arch::tsc::Clock, reset::ResetWay, smp::Crew, zones::Zones};

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
    /// Ways to reset the machine.
    pub(crate) resets: ArrayVec<ResetWay, 3>,
}
