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
use crate::error::PutError;
use crate::lower::Lower;
use crate::row::{WORD_ORDER, bits_of};
use crate::shape::{Shape, WORD_FRAMES};
use crate::slot::{Bits, Side};
use crate::tree::Tree;
use crate::zone::Zone;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Returns a block that is not a single frame.
    #[inline(never)]
    pub(super) fn put_block(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let huge = Zone::<P, WORDS, TREE>::HUGE_ORDER;
        match order.exponent() {
            _ if order == huge => self.put_huge(frame),
            7 if order < huge => self.put_group::<7>(frame, order),
            8 if order < huge => self.put_group::<8>(frame, order),
            _ => self.put_slowly(frame, order),
        }
    }

    /// Returns a single frame that is not of a held row.
    #[inline(always)]
    pub(super) fn put_frame(&mut self, frame: FrameId) -> Result<(), PutError> {
        if self.may_hold {
            self.put_frame_later(frame)
        } else {
            self.put_frame_now(frame)
        }
    }

    /// Returns a single frame, and has it counted at once.
    ///
    /// As in `direct`, all loads and tests come first, and whatever is not as expected
    /// is left to a slow function, called last.
    #[inline(never)]
    fn put_frame_now(&mut self, frame: FrameId) -> Result<(), PutError> {
        let persist = &self.zone.persist;
        let tree = frame.0 / Zone::<P, WORDS, TREE>::TREE_FRAMES;
        if !self.is_simple(frame) {
            return self.put_slowly(frame, Order::FRAME);
        }
        let Some(word) = self.trees.word(tree) else {
            return self.put_slowly(frame, Order::FRAME);
        };
        let Some(parts) = self.lower.parts_around(persist, frame, 1) else {
            return self.put_slowly(frame, Order::FRAME);
        };
        if !parts.free_bit(persist, frame) {
            return self.put_slowly(frame, Order::FRAME);
        }
        self.note_freed(frame);
        // With the last one, the huge frame becomes whole.
        let is_last = parts.free() == Lower::<WORDS, TREE>::FREE - 1;
        if is_last || !parts.add_frame(&self.zone.persist) {
            return self.count_rest(frame);
        }
        if let Some(now) = word.add(&self.zone.persist, Zone::<P, WORDS, TREE>::amount(0)) {
            return self.hope_rest(frame, now);
        }
        if self.freed_into(tree) {
            return self.follow_rest(frame);
        }
        Ok(())
    }

    /// Returns a single frame, and has it counted later, where that is no risk.
    #[inline(never)]
    fn put_frame_later(&mut self, frame: FrameId) -> Result<(), PutError> {
        let persist = &self.zone.persist;
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let tree = frame.0 / Zone::<P, WORDS, TREE>::TREE_FRAMES;
        if !self.is_simple(frame) || self.is_gathered(frame.0 / WORD_FRAMES) {
            return self.put_slowly(frame, Order::FRAME);
        }
        let Some(parts) = self.lower.parts_around(persist, frame, 1) else {
            return self.put_slowly(frame, Order::FRAME);
        };
        let Some(debt) = self.raisable(tree, huge, 1, parts.free()) else {
            return self.put_frame_owing(frame);
        };
        let owing = self.owing() + 1;
        if !parts.free_bit(persist, frame) {
            return self.put_slowly(frame, Order::FRAME);
        }
        debt.by(persist, 1);
        self.set_owing(owing);
        self.note_freed(frame);
        if self.freed_into(tree) {
            return self.follow_rest(frame);
        }
        Ok(())
    }

    /// Whether there is nothing else to do on the occasion of a free, and no error.
    #[inline(always)]
    fn is_simple(&self, frame: FrameId) -> bool {
        frame.0 < self.lower.frames() && !self.is_wanted() && !self.zone.has_doubts()
    }

    /// Remembers a single frame whose bit has been cleared.
    #[inline(always)]
    fn note_freed(&mut self, frame: FrameId) {
        self.freed.row = frame.0 / WORD_FRAMES;
        self.clear_later(frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES, 1);
    }

    /// Returns a single frame whose counts take a closer look.
    #[inline(never)]
    fn put_frame_owing(&mut self, frame: FrameId) -> Result<(), PutError> {
        self.put_directly(frame, Order::FRAME)?;
        self.freed.row = frame.0 / WORD_FRAMES;
        self.freed_part(frame);
        Ok(())
    }

    /// Ends a free before the counts.
    #[inline(never)]
    fn count_rest(&mut self, frame: FrameId) -> Result<(), PutError> {
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
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let persist = &self.zone.persist;
        let Some((_, seen)) = self.trees.peek(persist, huge / TREE) else {
            return self.put_slowly(frame, order);
        };
        let is_quick = frame.is_aligned(order) && self.is_simple(frame);
        if !is_quick || !self.lower.put_huge(persist, huge) {
            return self.put_slowly(frame, order);
        }
        self.freed.row = Freed::NO_ROW;
        let amount = Zone::<P, WORDS, TREE>::amount(order.exponent());
        self.owe_tree(huge / TREE, seen, amount);
        Ok(())
    }

    /// Returns some rows, and has them counted later, where that is no risk.
    ///
    /// What the order decides is decided when this is compiled: `ORDER` is its exponent.
    #[inline(never)]
    fn put_group<const ORDER: u8>(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let persist = &self.zone.persist;
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let frames = 1_u16 << ORDER;
        let is_held = self.front.is_within(frame, order) || self.back.is_within(frame, order);
        let is_block = frame.is_aligned(order) && self.lower.contains(frame, order);
        if !is_block || !self.is_simple(frame) || is_held || !self.may_hold {
            return self.put_slowly(frame, order);
        }
        let Some(parts) = self.lower.parts_around(persist, frame, frames) else {
            return self.put_slowly(frame, order);
        };
        let debt = self.raisable(huge / TREE, huge, frames, parts.free());
        let (cleared, outcome) = self.lower.free_group(persist, frame, ORDER);
        if cleared == 0 {
            return outcome;
        }
        if let Some(debt) = debt {
            debt.by(persist, cleared);
            self.set_owing(self.owing() + usize::from(cleared));
        } else {
            self.owe(huge, cleared);
        }
        self.clear_later(huge, 1);
        self.freed.row = Freed::NO_ROW;
        self.freed_part(frame);
        outcome
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
