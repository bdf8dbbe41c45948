//! The allocator of a zone, whatever its memory is.
//!
//! What a store costs depends on the memory, and is compiled into the allocator:
//! a zone in DRAM has no trace of a flush. So there are several types of zone.
//! Here they are one, for those who ask rarely; whoever measures goes through
//! [`with_zone`] and gets the real type.

use alloc::vec::Vec;

use frame::{FrameId, Order};
use llfree::{Inconsistency, Stats, Zone};
use persist::{Adr, Eadr, Event, Observed, Volatile};

use super::cut::Cut;

/// A platform whose events are counted, to break the machine at one of them.
pub(crate) type Counted<P> = Observed<P, fn(Event)>;

/// The allocator of a zone.
pub(crate) enum Allocator {
    /// In DRAM.
    Volatile(Zone<'static, Volatile>),
    /// In memory whose platform saves caches.
    Eadr(Zone<'static, Eadr>),
    /// In memory whose platform saves what the memory controller has.
    Adr(Zone<'static, Adr>),
    /// In memory whose platform saves caches, with a wire tied to an event.
    Counted(Zone<'static, Counted<Eadr>>),
    /// In memory whose platform loses an emulated cache.
    Cut(Zone<'static, Counted<Cut>>),
}

/// Evaluates an expression with the zone itself, whatever its type.
macro_rules! with_zone {
    ($allocator:expr, $zone:ident => $value:expr) => {
        match $allocator {
            $crate::zones::Allocator::Volatile($zone) => $value,
            $crate::zones::Allocator::Eadr($zone) => $value,
            $crate::zones::Allocator::Adr($zone) => $value,
            $crate::zones::Allocator::Counted($zone) => $value,
            $crate::zones::Allocator::Cut($zone) => $value,
        }
    };
}

pub(crate) use with_zone;

impl Allocator {
    /// Returns the number of processors that it was made for.
    pub(crate) fn cpus(&self) -> usize {
        with_zone!(self, zone => zone.cpus())
    }

    /// Returns how full it is.
    pub(crate) fn stats(&self) -> Stats {
        with_zone!(self, zone => zone.stats())
    }

    /// Checks that its tables agree with each other, while nobody uses it.
    ///
    /// # Errors
    ///
    /// Returns the first [`Inconsistency`].
    pub(crate) fn validate(&self) -> Result<(), Inconsistency> {
        with_zone!(self, zone => zone.validate())
    }

    /// Returns whether a frame is allocated.
    pub(crate) fn is_allocated(&self, frame: FrameId) -> bool {
        with_zone!(self, zone => zone.is_allocated(frame))
    }

    /// Lists the frames of which nobody knows whether they are in use.
    pub(crate) fn uncertain(&self) -> Vec<FrameId> {
        with_zone!(self, zone => zone.uncertain().collect())
    }

    /// Takes one block as processor `cpu`, whose handle must not be in use.
    pub(crate) fn take(&self, cpu: usize, order: Order) -> Option<FrameId> {
        with_zone!(self, zone => zone.local(cpu).ok()?.get(order).ok())
    }
}
