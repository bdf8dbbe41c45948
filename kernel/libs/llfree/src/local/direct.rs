//! Taking a block by itself, out of the tree in use.
//!
//! This is the paper's algorithm, at the price of its three locked instructions:
//! the tree's count, the entry's, the bits. Each of them waits for all loads and
//! stores before it. So a quick attempt loads everything first, and saves nothing:
//! whatever turns out otherwise than expected is left to a slow function, which is
//! called last.

use frame::{FrameId, Order};
use persist::Persist;

use super::Local;
use super::place::{PARTS, Place, WHOLES};
use crate::entry::Span;
use crate::lower::Lower;
use crate::shape::Shape;
use crate::tree::Amount;
use crate::zone::Zone;

/// How far a quick attempt has got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// The tree's count has been taken.
    OfTree,
    /// The entry's count has been taken too.
    OfEntry,
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Takes a single frame, for a handle that holds no rows.
    #[inline(never)]
    pub(super) fn get_frame(&mut self) -> Option<FrameId> {
        let Place {
            tree, near, tag, ..
        } = self.places[PARTS];
        let persist = &self.zone.persist;
        let Some((word, seen)) = self.trees.peek(persist, tree) else {
            return self.get_part(0);
        };
        let Some(peek) = self.lower.peek(persist, near) else {
            return self.get_part(0);
        };
        let breaks = isize::from(peek.entry() == Lower::<WORDS, TREE>::FREE);
        if self.is_hindered(seen, tag, 0) || !word.take_frame(persist, seen, breaks) {
            return self.get_part(0);
        }
        // Where this is not overtaken, the guess was right.
        if !peek.take_seen(persist, 1, Lower::<WORDS, TREE>::FREE) {
            return self.get_rest(Taken::OfTree, tree, breaks);
        }
        let Some(frame) = self.lower.set_near(persist, peek, 0) else {
            return self.get_rest(Taken::OfEntry, tree, 0);
        };
        self.places[PARTS].near = frame.0;
        Some(frame)
    }

    /// Ends what a quick attempt began. It has taken so many entirely free huge frames
    /// from the tree, but none from an entry.
    #[cold]
    fn get_rest(&mut self, taken: Taken, tree: usize, mut whole: isize) -> Option<FrameId> {
        let (lower, persist) = (self.lower, &self.zone.persist);
        let near = self.places[PARTS].near;
        let found = match taken {
            Taken::OfTree => lower.get_part(persist, near, 0, &mut whole),
            Taken::OfEntry => lower.get_counted_part(persist, near, 0, &mut whole),
        };
        let frame = Zone::<P, WORDS, TREE>::amount(0);
        match self.settle(tree, found, frame, whole) {
            Some(frame) => {
                self.places[PARTS].near = frame.0;
                Some(frame)
            }
            None => self.get_anywhere(0),
        }
    }

    /// Takes a part of a huge frame that is not of a held row.
    #[inline(never)]
    pub(super) fn get_part(&mut self, order: u8) -> Option<FrameId> {
        let Place {
            tree, near, tag, ..
        } = self.places[PARTS];
        let seen = self.trees.read(&self.zone.persist, tree);
        if self.is_hindered(seen, tag, order) {
            return self.get_anywhere(order);
        }
        match self.take_directly(tree, near, order) {
            Some(frame) => {
                self.places[PARTS].near = frame.0;
                Some(frame)
            }
            None => self.get_anywhere(order),
        }
    }

    /// Takes some rows behind the last block, for which the tree's count has been taken
    /// in advance. `ORDER` is the order's exponent.
    #[inline(never)]
    pub(super) fn get_group<const ORDER: u8>(&mut self) -> Option<FrameId> {
        let Place {
            tree, near, tag, ..
        } = self.places[PARTS];
        let amount = Zone::<P, WORDS, TREE>::amount(ORDER);
        let next = ((near >> ORDER) + 1) << ORDER;
        let is_near = next / Zone::<P, WORDS, TREE>::TREE_FRAMES == tree;
        let is_covered = self.owed().covers(tree, amount) && self.is_tagged(tree, tag);
        if self.is_wanted() || !is_near || !is_covered {
            return self.get_part(ORDER);
        }
        let mut whole = 0;
        let found = (self.lower).get_group_at(&self.zone.persist, next, ORDER, &mut whole);
        let Some(frame) = found else {
            if whole != 0 {
                self.untake_tree(tree, Amount { frames: 0, whole });
            }
            return self.get_part(ORDER);
        };
        self.set_owed(self.owed().minus(amount.and_whole(-whole)));
        self.places[PARTS].near = frame.0;
        Some(frame)
    }

    /// Takes the huge frame behind the last one, if the tree's count has been taken in
    /// advance.
    #[inline(never)]
    pub(super) fn get_huge_ahead(&mut self) -> Option<FrameId> {
        let Place {
            tree, near, tag, ..
        } = self.places[WHOLES];
        let persist = &self.zone.persist;
        let amount = Zone::<P, WORDS, TREE>::amount(Zone::<P, WORDS, TREE>::HUGE_ORDER.exponent());
        let owed = self.owed();
        let Some((huge, entry, seen)) = self.lower.peek_next(persist, near, Span::One) else {
            return self.get_huge();
        };
        let is_covered =
            owed.covers(tree, amount) && !self.is_wanted() && self.is_tagged(tree, tag);
        if !is_covered || !self.lower.claim_seen(persist, entry, seen) {
            return self.get_huge();
        }
        self.set_owed(owed.minus(amount));
        let frame = Lower::<WORDS, TREE>::frame_at(huge, 0);
        self.places[WHOLES].near = frame.0;
        Some(frame)
    }

    /// Takes a huge frame.
    #[inline(never)]
    pub(super) fn get_huge(&mut self) -> Option<FrameId> {
        self.get_whole(Zone::<P, WORDS, TREE>::HUGE_ORDER, Span::One)
    }

    /// Takes a pair of huge frames.
    #[inline(never)]
    pub(super) fn get_pair(&mut self) -> Option<FrameId> {
        self.get_whole(Zone::<P, WORDS, TREE>::MAX_ORDER, Span::Pair)
    }

    #[inline(always)]
    fn get_whole(&mut self, order: Order, span: Span) -> Option<FrameId> {
        let order = order.exponent();
        let Place {
            tree, near, tag, ..
        } = self.places[WHOLES];
        let persist = &self.zone.persist;
        let seen = self.trees.read(persist, tree);
        let Some((huge, entry, quad)) = self.lower.peek_next(persist, near, span) else {
            return self.get_anywhere(order);
        };
        if self.is_hindered(seen, tag, order) {
            return self.get_anywhere(order);
        }
        let amount = Zone::<P, WORDS, TREE>::amount(order);
        if !self.take_tree(tree, seen, amount, 0) {
            return self.get_anywhere(order);
        }
        if !(self.lower).claim_whole(&self.zone.persist, entry, quad, span) {
            return self.get_whole_elsewhere(tree, order, span);
        }
        let frame = Lower::<WORDS, TREE>::frame_at(huge, 0);
        self.places[WHOLES].near = frame.0;
        Some(frame)
    }

    /// Searches the rest of the tree for what its count has been taken of.
    #[inline(never)]
    fn get_whole_elsewhere(&mut self, tree: usize, order: u8, span: Span) -> Option<FrameId> {
        let near = self.places[WHOLES].near;
        let found = self.lower.get_whole(&self.zone.persist, near, span);
        let amount = Zone::<P, WORDS, TREE>::amount(order);
        match self.settle(tree, found, amount, 0) {
            Some(frame) => {
                self.places[WHOLES].near = frame.0;
                Some(frame)
            }
            None => self.get_anywhere(order),
        }
    }

    /// Takes a block out of one tree, from the shared tables, searching from the
    /// frame `near` in it.
    pub(super) fn take_directly(&mut self, tree: usize, near: usize, order: u8) -> Option<FrameId> {
        let amount = Zone::<P, WORDS, TREE>::amount(order);
        let persist = &self.zone.persist;
        let (lower, seen) = (self.lower, self.trees.read(persist, tree));
        let span = Lower::<WORDS, TREE>::span(order);
        // Where nothing has been taken of the huge frame, this breaks it.
        let huge = near / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let is_free = lower.entry_value(persist, huge) == Lower::<WORDS, TREE>::FREE;
        let mut whole = isize::from(span.is_none() && is_free);
        if !self.take_tree(tree, seen, amount, whole) {
            return None;
        }
        let found = match span {
            Some(span) => lower.get_whole(persist, near, span),
            None => lower.get_part(persist, near, order, &mut whole),
        };
        self.settle(tree, found, amount, whole)
    }

    /// Gives the tree back what was taken for nothing.
    fn settle(
        &mut self,
        tree: usize,
        found: Option<FrameId>,
        amount: Amount,
        whole: isize,
    ) -> Option<FrameId> {
        if found.is_none() {
            self.untake_tree(tree, amount.and_whole(whole));
        } else if whole != 0 {
            // At once: without frames, such debts could add up without bound.
            let correction = Amount { frames: 0, whole };
            self.trees.give(&self.zone.persist, tree, correction);
        }
        found
    }
}
