//! The machine, ready for work.

use alloc::boxed::Box;

use arrayvec::ArrayVec;
use firmware::Topology;
use options::Options;

use crate::{arch::tsc::Clock, mem::Mapper, reset::ResetWay, smp::Crew, zones::Zones};

/// Everything that the job may use.
pub(crate) struct System {
    /// What the command line asks for.
    pub(crate) options: Options,
    /// The machine as the firmware describes it.
    pub(crate) topology: Box<Topology>,
    /// Time.
    pub(crate) clock: Clock,
    /// The processors.
    pub(crate) crew: Crew,
    /// The zones.
    pub(crate) zones: Zones,
    /// The address space, and the frames that it is made of.
    pub(crate) mapper: Mapper<'static>,
    /// Ways to reset the machine.
    pub(crate) resets: ArrayVec<ResetWay, 3>,
}
