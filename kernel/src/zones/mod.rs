//! Zones: memory under the allocator, and how it gets there.
//!
//! DRAM zones are made anew at every boot. A persistent zone may hold what an
//! earlier boot, or somebody else, has left; so it is first looked at read-only,
//! then it is decided whose it is, and only what is ours is ever mapped
//! writable.

mod allocator;
mod cut;
mod history;
mod look;
mod persistent;
mod placement;
mod report;
mod volatile;

use alloc::{string::String, vec::Vec};
use core::sync::atomic::AtomicU64;

use firmware::Domain;
use frame::{FrameId, PhysAddr};
use llfree::media::{self, CloseError};
use plan::{Persistent, ZonePlacement};
use record::How;
use spin::Mutex;

pub(crate) use allocator::{Allocator, with_zone};
pub(crate) use cut::Cut;
pub(crate) use history::History;
pub(crate) use persistent::{Breakage, open_persistent};
pub(crate) use placement::Placement;
pub(crate) use report::report_plan;
pub(crate) use volatile::open_volatile;

/// A zone that is ready for use.
pub(crate) struct OpenZone {
    /// Where it and its tables are.
    pub(crate) placement: ZonePlacement,
    /// The allocator of its frames.
    pub(crate) allocator: Allocator,
    /// Size of the largest pages that map its frames, in bytes.
    pub(crate) page_bytes: u64,
    /// What only a persistent zone has.
    pub(crate) store: Option<Store>,
}

/// The content of a persistent zone, as far as it is not the allocator's.
pub(crate) struct Store {
    /// Whether it was there before.
    pub(crate) how: How,
    /// What the superblock told of the time before.
    pub(crate) history: History,
    /// What the firmware says about it.
    pub(crate) persistent: Persistent,
    /// The superblock, to note an orderly end.
    pub(crate) superblock: Mutex<&'static mut [u8]>,
    /// The cache over its tables that a reset loses, if one is emulated.
    pub(crate) cut: Option<Cut>,
    /// Room outside the managed frames.
    pub(crate) annex: &'static [AtomicU64],
    /// The managed frames, of which the kernel itself uses none.
    pub(crate) content: &'static [AtomicU64],
}

/// All zones.
pub(crate) struct Zones {
    /// Those in DRAM.
    pub(crate) volatile: &'static [OpenZone],
    /// Those in persistent memory, or in what stands in for it.
    pub(crate) persistent: &'static [OpenZone],
    /// A sentence for each persistent zone of the plan that could not be opened.
    pub(crate) left_alone: Vec<String>,
}

impl Zones {
    /// Returns all zones, the persistent ones first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static OpenZone> + Clone + use<> {
        self.persistent.iter().chain(self.volatile)
    }
}

impl Store {
    /// Returns whether a reset of the machine does to the zone what a power failure
    /// would, so that resets can show that it survives one.
    pub(crate) fn is_told_by_reset(&self) -> bool {
        let is_lossless = self.persistent.emulated || self.persistent.domain == Domain::Eadr;
        is_lossless || self.cut.is_some()
    }
}

impl OpenZone {
    /// Notes on the medium that nothing was in the middle of anything.
    ///
    /// # Errors
    ///
    /// A handle is still in use, or the superblock is not what it was.
    pub(crate) fn close(&self) -> Result<(), CloseError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let mut superblock = store.superblock.lock();
        with_zone!(&self.allocator, zone => media::close(zone, &mut superblock))
    }

    /// Returns the name that records use.
    pub(crate) fn name(&self) -> &str {
        &self.placement.name
    }

    /// Returns where a frame is.
    pub(crate) fn address(&self, frame: FrameId) -> PhysAddr {
        PhysAddr(self.placement.managed.start().0 + frame.offset_bytes() as u64)
    }
}
