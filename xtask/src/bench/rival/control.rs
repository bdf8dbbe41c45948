//! The control: one private compare-exchange a call.

use frame::FrameId;
use workload::baseline::control;

use super::{Design, Zone};

/// No allocator; see [`workload::baseline::control`].
pub(in super::super) struct Control;

impl Design for Control {
    const NAME: &'static str = "control";
    type Memory = ();
    type Zone<'m> = ControlZone;

    fn memory(_: usize, _: usize) {}

    fn zone((): &mut (), frames: usize, cpus: usize) -> ControlZone {
        ControlZone { frames, cpus }
    }
}

/// Equal shares for all processors.
pub(in super::super) struct ControlZone {
    frames: usize,
    cpus: usize,
}

impl Zone for ControlZone {
    type Handle<'z> = control::Control;

    fn handle(&self, cpu: usize) -> control::Control {
        let share = self.frames / self.cpus;
        control::Control::new(FrameId(cpu * share), share)
    }

    fn free_frames(&self) -> usize {
        self.frames
    }

    fn free_huge(&self) -> usize {
        0
    }
}
