//! Frames that are kept from use: allocated, and nobody's.
//!
//! Memory that can't be trusted any more is taken out of circulation by whoever
//! learns of it. To a judge that would look like a leak, and to who frees what
//! leaked like something to free. So it is entered, one word a frame, before the
//! frame is taken: in between a crash leaves a frame that is entered and free,
//! which is no fault.

use core::slice;

use frame::FrameId;

use super::{Ledger, Medium, Owner};

impl<M: Medium> Ledger<'_, M> {
    /// Enters free frames as kept from use, before they are taken.
    ///
    /// A frame at which an owned block starts is passed over: it is not free.
    ///
    /// # Panics
    ///
    /// Panics if a frame is not of this zone.
    pub fn keep(&self, frames: impl IntoIterator<Item = FrameId>) {
        for frame in frames {
            if !matches!(self.owner(frame), Owner::Owned(_)) {
                self.enter(frame, Owner::Kept);
            }
        }
    }

    /// Strikes out frames that were entered as kept, after they were freed or where
    /// they could not be taken.
    ///
    /// # Panics
    ///
    /// Panics if a frame is not of this zone.
    pub fn let_go(&self, frames: impl IntoIterator<Item = FrameId>) {
        for frame in frames {
            if self.owner(frame) == Owner::Kept {
                self.enter(frame, Owner::Nobody);
            }
        }
    }

    fn enter(&self, frame: FrameId, owner: Owner) {
        let word = self.owner_word(frame);
        self.set(slice::from_ref(word), &[owner.encode()]);
    }
}

impl<M> Ledger<'_, M> {
    /// Returns the frames that are entered as kept from use, in ascending order.
    pub fn kept(&self) -> impl Iterator<Item = FrameId> {
        let frames = (0..self.frames).map(FrameId);
        frames.filter(|&frame| self.owner(frame) == Owner::Kept)
    }
}
