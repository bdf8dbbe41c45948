//! Frames for the kernel itself, from the same allocator that it measures.
//!
//! Page tables, stacks and the heap take their frames from the DRAM zones, one
//! after the other. The kernel has a processor number of its own in each zone,
//! beyond those of the processors, and holds a handle only while it takes a
//! frame: it never stands in the way of what is measured.

use frame::{Order, PhysAddr};

use crate::{mem::FrameSource, zones::OpenZone};

/// The frames of all DRAM zones.
pub(crate) struct DramFrames<'z> {
    zones: &'z [OpenZone],
}

impl<'z> DramFrames<'z> {
    /// Returns the frames of these zones.
    pub(crate) fn new(zones: &'z [OpenZone]) -> Self {
        Self { zones }
    }
}

impl FrameSource for DramFrames<'_> {
    fn frame(&mut self) -> Option<PhysAddr> {
        self.zones.iter().find_map(|zone| {
            // The last number is the kernel's own.
            let frame = zone
                .allocator
                .take(zone.allocator.cpus() - 1, Order::FRAME)?;
            Some(zone.address(frame))
        })
    }
}
