//! All frames in ascending order, each with the owner that covers it.
//!
//! Blocks start at multiples of their size, so two of them either are disjoint
//! or one lies within the other. That makes one pass over the owner words enough
//! to find every overlap, with no memory but the outermost block's.

use frame::{FrameId, Order};

use super::{Block, Ledger, Owner};

/// One frame and what the owner words say about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) frame: FrameId,
    /// Its own owner word, malformed if it is of a block that can't be here.
    pub(super) owner: Owner,
    /// The owned block that covers it and starts before it, if there is one.
    pub(super) outer: Option<Block>,
}

impl Seen {
    /// Returns the owned block that starts here.
    pub(super) fn block(&self) -> Option<Block> {
        match self.owner {
            Owner::Owned(claim) => Some(Block::new(self.frame, claim)),
            _ => None,
        }
    }

    /// Returns whether anybody owns the frame.
    pub(super) fn is_owned(&self) -> bool {
        self.outer.is_some() || self.block().is_some()
    }
}

impl<M> Ledger<'_, M> {
    pub(super) fn scan(&self) -> impl Iterator<Item = Seen> {
        let mut outer: Option<Block> = None;
        (0..self.frames).map(FrameId).map(move |frame| {
            outer = outer.filter(|block| frame.0 < block.end());
            let owner = self.owner(frame);
            let owner = match owner {
                Owner::Owned(claim) if !self.has_block(frame, claim.order) => {
                    Owner::Malformed(owner.encode())
                }
                _ => owner,
            };
            let seen = Seen {
                frame,
                owner,
                outer,
            };
            outer = outer.or(seen.block());
            seen
        })
    }

    /// Returns whether the zone can have such a block.
    pub(super) fn has_block(&self, frame: FrameId, order: Order) -> bool {
        let end = frame.0.checked_add(order.frames());
        frame.is_aligned(order) && end.is_some_and(|end| end <= self.frames)
    }
}
