//! Taking and returning giant frames: the trees' counts around the entries.
//!
//! A giant frame is there if all trees of one are entirely free, so a search reads
//! one tree's word after the other and leaves each giant frame at the first one
//! that is not: most often the first of 16. Where nobody expects as much as a pair
//! of huge frames anywhere, it reads none.

use frame::{FrameId, Order};
use persist::Persist;

use crate::error::{GetError, PutError};
use crate::local::Local;
use crate::shape::Shape;
use crate::tree::Amount;
use crate::zone::Zone;

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// All that a tree has.
    const ALL: Amount = Amount {
        frames: Self::TREE_FRAMES,
        whole: TREE.cast_signed(),
    };

    /// Returns how many giant frames are in the zone as a whole.
    pub const fn giant_frames(&self) -> usize {
        self.lower.giants()
    }

    /// Returns how many giant frames are entirely free.
    pub(crate) fn giants_free(&self) -> usize {
        let giants = 0..self.giant_frames();
        giants.filter(|&giant| self.is_giant_free(giant)).count()
    }

    fn is_giant_free(&self, giant: usize) -> bool {
        let mut trees = Self::trees_of(giant);
        trees.all(|tree| self.trees.read(&self.persist, tree).free() == Self::TREE_FRAMES)
    }

    const fn trees_of(giant: usize) -> core::ops::Range<usize> {
        let first = giant * Shape::<WORDS, TREE>::GIANT_TREES;
        first..first + Shape::<WORDS, TREE>::GIANT_TREES
    }

    /// Takes any giant frame.
    fn get_giant(&self) -> Option<FrameId> {
        let pairs = Self::MAX_ORDER.exponent();
        self.trees.promising(&self.persist, pairs, 0).next()?;
        let mut giants = 0..self.giant_frames();
        giants
            .find(|&giant| self.is_giant_free(giant) && self.claim_giant(giant))
            .map(|giant| FrameId(giant * Shape::<WORDS, TREE>::GIANT_FRAMES))
    }

    /// Takes this giant frame, if all of it is free.
    pub(crate) fn claim_giant(&self, giant: usize) -> bool {
        let persist = &self.persist;
        let trees = Self::trees_of(giant);
        let taken = (trees.clone())
            .take_while(|&tree| self.trees.take_all(persist, tree, Self::ALL))
            .count();
        let done = taken == trees.len() && self.lower.claim_giant(persist, giant);
        if !done {
            for tree in trees.take(taken) {
                self.trees.give(persist, tree, Self::ALL);
            }
        }
        done
    }

    /// Returns a giant frame.
    fn put_giant(&self, frame: FrameId) -> Result<(), PutError> {
        let giant = frame.0 / Shape::<WORDS, TREE>::GIANT_FRAMES;
        self.lower.put_giant(&self.persist, giant)?;
        for tree in Self::trees_of(giant) {
            self.trees.give(&self.persist, tree, Self::ALL);
        }
        Ok(())
    }

    /// Refuses orders that the zone does not serve.
    pub(crate) fn check_order(&self, order: Order) -> Result<(), GetError> {
        let (max, giant) = (Self::MAX_ORDER, Self::GIANT_ORDER);
        let alignment = self.alignment;
        if order <= max {
            Ok(())
        } else if order != giant {
            Err(GetError::BadOrder { order, max, giant })
        } else if alignment < giant {
            Err(GetError::Unaligned { order, alignment })
        } else {
            Ok(())
        }
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Takes a giant frame, if need be with what the handle holds.
    #[cold]
    pub(crate) fn get_giant(&mut self, order: Order) -> Option<FrameId> {
        let zone = self.zone();
        zone.check_order(order).ok()?;
        self.heed_requests();
        let found = zone.get_giant();
        if found.is_some() || self.give_back() == 0 {
            return found;
        }
        zone.get_giant()
    }

    /// Returns a giant frame.
    #[cold]
    pub(crate) fn put_giant(&mut self, frame: FrameId) -> Result<(), PutError> {
        let outcome = match self.zone().put_giant(frame) {
            // Free frames that the processor holds itself look like allocated ones.
            Err(PutError::NotGiant { .. }) if self.give_back() > 0 => self.zone().put_giant(frame),
            outcome => outcome,
        };
        if outcome.is_ok() {
            let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
            self.clear_later(huge, Shape::<WORDS, TREE>::GIANT_HUGE);
        }
        outcome
    }
}
