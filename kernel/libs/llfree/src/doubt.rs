//! Frames of which recovery can't know whom they belong to.
//!
//! A crash between the two ends of a claim or of a return leaves up to 64 frames
//! of which the processor's slot says that they were on their way. They stay
//! allocated and are listed until somebody settles them: whoever knows what the
//! frames hold says whether they are in use. What is not settled is listed again
//! after the next crash.
//!
//! A frame in doubt can also simply be freed by whoever owns it, and a row with
//! doubts is never held, so that the fast paths need not look here.

use core::fmt;

use frame::{FrameId, Order};
use persist::Persist;

use crate::error::PutError;
use crate::row::run;
use crate::shape::WORD_FRAMES;
use crate::slot::{Bits, Slot};
use crate::zone::Zone;

/// What becomes of a frame in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in use and stays allocated.
    Keep,
    /// It is not in use.
    Free,
}

/// Why a doubt could not be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// The frame is not in doubt.
    NotInDoubt {
        /// The frame.
        frame: FrameId,
    },
    /// The frame is not in doubt any more, but could not be freed.
    Refused(PutError),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInDoubt { frame } => write!(f, "frame {frame} is not in doubt"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ResolveError {}

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// Lists the frames that were on their way between a processor and the tables
    /// when the zone's last life ended, or an earlier one: allocated, but perhaps
    /// nobody's. At most 64 a processor and crash, in mode
    /// [`Batched`](persist::Mode::Batched) 128.
    pub fn uncertain(&self) -> impl Iterator<Item = FrameId> {
        self.doubts().flat_map(|bits| {
            let set = (0..WORD_FRAMES).filter(move |bit| bits.mask >> bit & 1 != 0);
            set.map(move |bit| FrameId(bits.row * WORD_FRAMES + bit))
        })
    }

    /// Settles a frame in doubt.
    ///
    /// # Errors
    ///
    /// Returns [`ResolveError`] if the frame is not in doubt.
    pub fn resolve(&self, frame: FrameId, fate: Fate) -> Result<(), ResolveError> {
        // First the list, then the frame: a crash in between leaks it, the other
        // order would list a frame that has the next owner already.
        if self.settle_doubts(frame, Order::FRAME) == 0 {
            return Err(ResolveError::NotInDoubt { frame });
        }
        match fate {
            Fate::Keep => Ok(()),
            Fate::Free => self.put_frame(frame).map_err(ResolveError::Refused),
        }
    }

    /// Whether a frame of this row is in doubt.
    pub(crate) fn is_in_doubt(&self, row: usize) -> bool {
        self.has_doubts() && self.doubts().any(|bits| bits.row == row)
    }

    /// Takes the frames of a block off the list; returns how many were on it.
    #[cold]
    pub(crate) fn settle_doubts(&self, frame: FrameId, order: Order) -> u32 {
        let first = frame.0 / WORD_FRAMES;
        let rows = first..=(frame.0 + order.frames() - 1) / WORD_FRAMES;
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        let mask = run((frame.0 % WORD_FRAMES) as u32, order.exponent());
        let mut settled = 0;
        for slot in self.lower.slots().iter().map(Slot::new) {
            if let Some(Bits { row, .. }) = slot.doubts(&self.persist)
                && rows.contains(&row)
            {
                let bits = Bits { row, mask };
                settled += slot.settle_doubts(&self.persist, bits).count_ones();
            }
        }
        settled
    }

    fn doubts(&self) -> impl Iterator<Item = Bits> {
        let slots = self.lower.slots().iter().map(Slot::new);
        slots.filter_map(|slot| slot.doubts(&self.persist))
    }
}
