//! Returning a block that is not of a held row, or in a way that needs a closer
//! look.
//!
//! A block by itself goes straight to the shared tables. The second one in a row
//! of the same 64 frames starts a gather: from then on they are collected,
//! and returned together when the next row's turn comes.

use frame::{FrameId, Order};
use persist::Persist;

use super::Local;
use super::place::{Freed, PARTS};
use crate::entry::Span;
use crate::error::PutError;
use crate::lower::Lower;
use crate::row::{WORD_ORDER, bits_of};
use crate::shape::{Shape, WORD_FRAMES};
use crate::slot::{Bits, Side};
use crate::tree::Tree;
use crate::zone::Zone;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Returns a single frame that is not of a held row. Quick where the frame can
    /// simply be freed, and the counts wait.
    ///
    /// As in `direct`, all loads come first, and whatever is not as expected is left
    /// to a slow function, called last.
    #[inline(never)]
    pub(super) fn put_frame(&mut self, frame: FrameId) -> Result<(), PutError> {
        let persist = &self.zone.persist;
        let row = frame.0 / WORD_FRAMES;
        if !self.is_simple(frame) || self.may_hold && self.is_gathered(row) {
            return self.put_slowly(frame, Order::FRAME);
        }
        let Some((entry, seen, word)) = self.lower.part_of(persist, frame) else {
            return self.put_slowly(frame, Order::FRAME);
        };
        if !self.lower.free_bit(persist, word, frame) {
            return self.put_slowly(frame, Order::FRAME);
        }
        self.freed.row = row;
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        self.clear_later(huge, 1);
        if self.may_hold {
            if !self.owe_frame(huge, entry.seen(seen)) {
                return self.owe_rest(frame);
            }
        } else {
            let full = Lower::<WORDS, TREE>::FREE;
            let persist = &self.zone.persist;
            let may_be_whole = entry.seen(seen) + 1 == full;
            if may_be_whole || !entry.add_seen(persist, seen, 1, full) {
                return self.owe_rest(frame);
            }
            let single = Zone::<P, WORDS, TREE>::amount(0);
            if let Some(now) = self.trees.add(persist, huge / TREE, single) {
                return self.hope_rest(frame, now);
            }
        }
        if self.freed_into(frame.0 / Zone::<P, WORDS, TREE>::TREE_FRAMES) {
            return self.follow_rest(frame);
        }
        Ok(())
    }

    /// Whether there is nothing else to do on the occasion of a free, and no error.
    #[inline(always)]
    fn is_simple(&self, frame: FrameId) -> bool {
        frame.0 < self.lower.frames() && !self.is_wanted() && !self.zone.has_doubts()
    }

    /// Ends a free before the counts.
    #[inline(never)]
    fn owe_rest(&mut self, frame: FrameId) -> Result<(), PutError> {
        self.owe(frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES, 1);
        self.freed_part(frame);
        Ok(())
    }

    /// Ends a free before what to expect of the tree.
    #[cold]
    fn hope_rest(&mut self, frame: FrameId, now: Tree) -> Result<(), PutError> {
        let tree = frame.0 / Zone::<P, WORDS, TREE>::TREE_FRAMES;
        self.trees.hope(&self.zone.persist, tree, now);
        self.freed_part(frame);
        Ok(())
    }

    /// Ends a free with a move.
    #[inline(never)]
    fn follow_rest(&mut self, frame: FrameId) -> Result<(), PutError> {
        self.follow(frame);
        Ok(())
    }

    /// Notes where a part of a huge frame was freed, and follows it.
    fn freed_part(&mut self, frame: FrameId) {
        if self.freed_into(frame.0 / Zone::<P, WORDS, TREE>::TREE_FRAMES) {
            self.follow(frame);
        }
    }

    /// Returns a huge frame. Quick where it is one.
    #[inline(never)]
    pub(super) fn put_huge(&mut self, frame: FrameId) -> Result<(), PutError> {
        let order = Zone::<P, WORDS, TREE>::HUGE_ORDER;
        let is_quick =
            frame.is_aligned(order) && self.lower.contains(frame, order) && self.is_simple(frame);
        let persist = &self.zone.persist;
        if !is_quick || (self.lower.put_whole(persist, frame, Span::One)).is_err() {
            return self.put_slowly(frame, order);
        }
        self.freed.row = Freed::NO_ROW;
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        self.clear_later(huge, 1);
        let (tree, amount) = (
            huge / TREE,
            Zone::<P, WORDS, TREE>::amount(order.exponent()),
        );
        self.owe_tree(tree, self.trees.read(&self.zone.persist, tree), amount);
        Ok(())
    }

    /// Returns a block in any way there is.
    #[inline(never)]
    pub(super) fn put_slowly(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        self.heed_requests();
        self.zone.check_put(frame, order)?;
        if self.may_hold {
            if Self::kind(order.exponent()) == PARTS {
                self.check_held(frame, order)?;
            }
            if order.exponent() < WORD_ORDER && self.put_held(frame, order) {
                return Ok(());
            }
            if order.exponent() < WORD_ORDER && self.gather(frame, order) {
                return Ok(());
            }
        }
        self.put_directly(frame, order)?;
        if self.zone.has_doubts() {
            self.zone.settle_doubts(frame, order);
        }
        let is_single = order.exponent() < WORD_ORDER;
        self.freed.row = if is_single {
            frame.0 / WORD_FRAMES
        } else {
            Freed::NO_ROW
        };
        if Self::kind(order.exponent()) == PARTS {
            self.freed_part(frame);
        }
        Ok(())
    }

    /// Returns a block to the shared tables.
    fn put_directly(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let (lower, persist) = (self.lower, &self.zone.persist);
        if order == Zone::<P, WORDS, TREE>::GIANT_ORDER {
            return self.put_giant(frame);
        }
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let Some(span) = Lower::<WORDS, TREE>::span(order.exponent()) else {
            let (freed, outcome) = lower.free_part(persist, frame, order.exponent());
            if freed > 0 {
                self.clear_later(huge, 1);
                self.owe(huge, freed);
            }
            return outcome;
        };
        let outcome = match lower.put_whole(persist, frame, span) {
            // Free frames that the processor holds itself look like allocated ones.
            Err(PutError::NotWhole { .. }) if self.give_back() > 0 => {
                lower.put_whole(persist, frame, span)
            }
            outcome => outcome,
        };
        outcome.map(|()| {
            self.clear_later(huge, span.len());
            let amount = Zone::<P, WORDS, TREE>::amount(order.exponent());
            let tree = huge / TREE;
            self.owe_tree(tree, self.trees.read(persist, tree), amount);
        })
    }

    /// Refuses a block of which the processor itself holds a part.
    fn check_held(&self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let persist = &self.zone.persist;
        let rows = frame.0 / WORD_FRAMES..=(frame.0 + order.frames() - 1) / WORD_FRAMES;
        let mut free = Side::BOTH.into_iter().filter_map(|side| {
            let row = self.held(side).number().filter(|row| rows.contains(row))?;
            let held = self.slot.mask(persist, side) & bits_of(frame, order);
            (held != 0).then(|| FrameId(row * WORD_FRAMES + held.trailing_zeros() as usize))
        });
        match free.next() {
            Some(frame) => Err(PutError::NotAllocated { frame }),
            None => Ok(()),
        }
    }

    /// Returns a block into a held row, if it is of one and allocated there.
    fn put_held(&mut self, frame: FrameId, order: Order) -> bool {
        let persist = &self.zone.persist;
        let sides = Side::BOTH.into_iter();
        let Some(side) = sides.into_iter().find(|&side| self.held(side).has(frame)) else {
            return false;
        };
        let bits = bits_of(frame, order);
        let row = self.held(side).word.load(persist);
        let mask = self.slot.mask(persist, side);
        // As long as something is held of the row, its huge frame is in parts. With
        // an empty mask it may have been freed since, and allocated as a whole.
        let in_parts = mask != 0 || self.is_in_parts(frame);
        let is_allocated = in_parts && row & bits == bits;
        if is_allocated {
            self.slot.set_mask(persist, side, mask | bits);
        }
        is_allocated
    }

    /// Starts to gather the frames of a row, if that is promising; returns whether this
    /// one was taken.
    fn gather(&mut self, frame: FrameId, order: Order) -> bool {
        let persist = &self.zone.persist;
        let (row, mask) = (frame.0 / WORD_FRAMES, bits_of(frame, order));
        if !self.is_gathered(row) {
            return false;
        }
        // A huge frame that is allocated as a whole is split by its first part,
        // at once; an incomplete row has bits for frames that don't exist.
        let word = self
            .zone
            .lower
            .row(row)
            .map_or(0, |word| word.load(persist));
        if !self.is_in_parts(frame) || word & mask != mask || !self.zone.may_be_held(row) {
            return false;
        }
        self.return_side(Side::Back);
        let bits = Bits { row, mask };
        self.slot.own(persist, Side::Back, bits);
        self.back = self.hold(bits);
        self.freed_part(frame);
        true
    }

    /// Whether a frame of this row is to start a gather: it is likely not the last
    /// one, or the last gather has found more than one.
    #[inline(always)]
    fn is_gathered(&self, row: usize) -> bool {
        let gathered = self.slot.mask(&self.zone.persist, Side::Back);
        self.freed.row == row || gathered & gathered.wrapping_sub(1) != 0
    }

    /// Whether the huge frame around a frame is allocated bit by bit. If the frame
    /// itself is allocated, that does not change before it is freed.
    fn is_in_parts(&self, frame: FrameId) -> bool {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let lower = &self.lower;
        lower.entry_value(&self.zone.persist, huge) <= Lower::<WORDS, TREE>::FREE
    }
}
