//! Making durable what was allowed to wait.
//!
//! In the modes that let frees wait, a handle remembers which bitfields it has
//! cleared bits of, so that a sync writes back those lines and no others. There is
//! room for a few: one that loses its place to another is written back then, and
//! waited for with the rest.

use core::sync::atomic::{Ordering, fence};

use frame::{FrameId, Order};
use persist::{Domain, Persist};

use super::Local;
use crate::durable::{Synced, Unpersisted};
use crate::error::PutError;
use crate::mutant::mutant;
use crate::promise::Promise;
use crate::slot::Side;

/// Bitfields that a handle remembers.
const PLACES: usize = 16;

/// No huge frame.
const NONE: usize = usize::MAX;

/// Bitfields whose last changes are not durable yet, by their huge frames.
pub(super) struct Pending {
    places: [usize; PLACES],
    /// Whether anything was written back, or is still to be, and not waited for.
    any: bool,
}

impl Pending {
    pub(super) const fn nothing() -> Self {
        Self {
            places: [NONE; PLACES],
            any: false,
        }
    }

    /// Adds a bitfield; returns the one that had its place.
    fn add(&mut self, huge: usize) -> Option<usize> {
        self.any = true;
        let old = core::mem::replace(&mut self.places[huge % PLACES], huge);
        (old != huge && old != NONE).then_some(old)
    }

    /// Removes and returns all of them.
    fn take(&mut self) -> impl Iterator<Item = usize> + use<> {
        let all = core::mem::replace(self, Self::nothing());
        all.places.into_iter().filter(|&huge| huge != NONE)
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Makes everything durable that calls on this handle have done: in the modes
    /// that let frees wait, returned blocks are allocated again if power fails
    /// before this returns.
    ///
    /// Where frees are gathered, the rows that the handle holds go back first.
    ///
    /// The result vouches for that, and for as long as it is there the handle can do
    /// nothing else: see [`Unpersisted`].
    pub fn sync(&mut self) -> Synced<'_> {
        if P::LATE_FREES {
            self.return_side(Side::Front);
            self.return_side(Side::Back);
            self.flush_pending();
        } else if P::DOMAIN == Domain::Eadr {
            // A plain store is durable once a later locked instruction or fence of
            // this processor has pushed it out of the store buffer.
            fence(Ordering::SeqCst);
        }
        Synced::new(self.identity())
    }

    /// Returns a block like [`put`](Self::put), with a reminder that this may not be
    /// durable yet.
    ///
    /// # Errors
    ///
    /// Those of [`put`](Self::put).
    pub fn put_unsynced(
        &mut self,
        frame: FrameId,
        order: Order,
    ) -> Result<Unpersisted<FrameId>, PutError> {
        self.put(frame, order)?;
        Ok(Unpersisted::new(frame, self.identity()))
    }

    /// Returns what no handle of another processor or zone has.
    fn identity(&self) -> usize {
        core::ptr::from_ref(self.line).addr()
    }

    /// Remembers that bits of these huge frames have been cleared, or may have been
    /// by others before they were taken as a whole, and are not durable.
    #[inline]
    pub(crate) fn clear_later(&mut self, first: usize, huge_frames: usize) {
        if !P::LATE_FREES {
            return;
        }
        for huge in first..first + huge_frames {
            if let Some(old) = self.pending.add(huge) {
                self.flush_field(old);
            }
        }
    }

    /// Makes all cleared bits durable.
    pub(super) fn flush_pending(&mut self) {
        if P::LATE_FREES && self.pending.any {
            for huge in self.pending.take() {
                self.flush_field(huge);
            }
            // PERSIST: the bits before the caller is told so.
            if !mutant!("sync_skips_fence") {
                self.zone.persist.fence();
            }
        }
    }

    pub(super) fn flush_field(&self, huge: usize) {
        if let Some(field) = self.lower.field(huge)
            && !mutant!("sync_skips_flush")
        {
            self.zone.persist.flush(field);
        }
    }
}
