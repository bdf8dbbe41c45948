//! Taking a block that is not at hand.
//!
//! A held row first, then a new row of the tree in use, then the best other tree,
//! then any. Blocks that are not less than a row, and handles that hold none, go
//! without the row: see `direct`.

use frame::{FrameId, Order};
use persist::Persist;

use super::place::{PARTS, Place};
use super::{Held, Local};
use crate::error::GetError;
use crate::row::{WORD_ORDER, first_free, run};
use crate::shape::WORD_FRAMES;
use crate::slot::{Bits, Side};
use crate::tree::Tag;
use crate::zone::{Choice, Zone};

impl<'m, P: Persist, const WORDS: usize, const TREE: usize> Local<'_, 'm, P, WORDS, TREE> {
    /// Takes a block in any way there is.
    ///
    /// Each kind of block has code of its own, in which most of what the order
    /// decides is decided when it is compiled.
    #[inline(never)]
    pub(super) fn get_slowly(&mut self, order: Order) -> Option<FrameId> {
        let huge = Zone::<P, WORDS, TREE>::HUGE_ORDER.exponent();
        match order.exponent() {
            order if order == huge && self.may_hold => self.get_huge_ahead(),
            order if order < WORD_ORDER && self.may_hold => self.get_of_row(order),
            0 => self.get_frame(),
            7 if 7 < huge => self.get_group::<7>(),
            8 if 8 < huge => self.get_group::<8>(),
            order if order < huge => self.get_part(order),
            order if order == huge => self.get_huge(),
            _ if order == Zone::<P, WORDS, TREE>::MAX_ORDER => self.get_pair(),
            _ => self.get_giant(order),
        }
    }

    /// Takes a block out of a held row, or else with a new one.
    #[inline(never)]
    fn get_of_row(&mut self, order: u8) -> Option<FrameId> {
        self.heed_requests();
        if let Some(frame) = self.take_held(order) {
            return Some(frame);
        }
        self.pass_by_front();
        let Place {
            tree, near, tag, ..
        } = self.places[PARTS];
        let seen = self.trees.read(&self.zone.persist, tree);
        if seen.obstacles(tag, order) == 0
            && let Some(frame) = self.take_in(tree, near, order)
        {
            self.places[PARTS].near = frame.0;
            return Some(frame);
        }
        self.get_anywhere(order)
    }

    /// Takes a block out of any tree, if need be with what we hold ourselves.
    #[cold]
    pub(super) fn get_anywhere(&mut self, order: u8) -> Option<FrameId> {
        self.heed_requests();
        let found = self.get_elsewhere(order);
        if found.is_some() || self.give_back() == 0 {
            return found;
        }
        self.get_elsewhere(order)
    }

    /// Searches the trees that may have such a block, the best ones first.
    #[cold]
    fn get_elsewhere(&mut self, order: u8) -> Option<FrameId> {
        let (zone, kind) = (self.zone, Self::kind(order));
        self.release_unused();
        let mut start = self.places[kind].tree;
        // Each round rules a tree out. One that has the block, but in frames that
        // somebody else is promised, stays; so there is a last round.
        for _ in 0..=2 * zone.trees.len() {
            let Choice {
                tree,
                seen,
                becomes,
            } = zone.best_tree(start, order, self.classes.served())?;
            let near = tree * Zone::<P, WORDS, TREE>::TREE_FRAMES;
            if let Some(frame) = self.take_in(tree, near, order) {
                if let Some(tag) = becomes.map(Tag::new) {
                    let place = Place::at_start_of(tree, Zone::<P, WORDS, TREE>::TREE_FRAMES, tag);
                    let near = frame.0;
                    self.move_to(kind, Place { near, ..place }, seen);
                }
                return Some(frame);
            }
            zone.give_up(tree, order);
            start = tree + 1;
        }
        None
    }

    /// Takes a block out of one tree, with a whole row if it can be held.
    #[inline]
    fn take_in(&mut self, tree: usize, near: usize, order: u8) -> Option<FrameId> {
        let zone = self.zone;
        if order < WORD_ORDER && self.may_hold && self.slot.mask(&zone.persist, Side::Front) == 0 {
            self.make_way_in(tree);
            // The record is about to name another row, or none.
            self.front = Held::nothing(self.slot);
            if let Some(bits) = zone.claim_in(tree, near, order, self.slot) {
                self.front = self.hold(bits);
                self.front_is_ours();
                if let Some(frame) = self.take_from(Side::Front, order) {
                    return Some(frame);
                }
            }
        }
        self.take_directly(tree, near, order)
    }

    /// Takes a block out of the held rows. An empty front is replaced by the back.
    fn take_held(&mut self, order: u8) -> Option<FrameId> {
        let persist = &self.zone.persist;
        let mask = |side| self.slot.mask(persist, side);
        let is_empty = mask(Side::Front) == 0;
        if is_empty && mask(Side::Back) != 0 && self.is_of_class(self.back) {
            let mask = mask(Side::Back);
            let row = self.back.number()?;
            self.slot.bring_forward(persist, Bits { row, mask });
            self.front = core::mem::replace(&mut self.back, Held::nothing(self.slot));
            self.front_is_ours();
        }
        let front = if self.is_front_ours() {
            self.take_from(Side::Front, order)
        } else {
            None
        };
        front
            .or_else(|| (self.is_of_class(self.back)).then(|| self.take_from(Side::Back, order))?)
    }

    fn take_from(&mut self, side: Side, order: u8) -> Option<FrameId> {
        let persist = &self.zone.persist;
        let mask = self.slot.mask(persist, side);
        let bit = first_free(!mask, order)?;
        let rest = mask & !run(bit, order);
        self.slot.set_mask(persist, side, rest);
        let row = self.held(side).number()?;
        Some(FrameId(row * WORD_FRAMES + bit as usize))
    }

    /// Returns what the handle remembers of a row that it holds from now on.
    pub(super) fn hold(&self, bits: Bits) -> Held<'m> {
        match self.lower.row(bits.row) {
            Some(word) => Held::row(bits.row, word),
            None => Held::nothing(self.slot),
        }
    }

    /// Returns what the handle remembers of a side.
    pub(super) const fn held(&self, side: Side) -> Held<'m> {
        match side {
            Side::Front => self.front,
            Side::Back => self.back,
        }
    }

    /// Says why there was no block, after all has been searched.
    #[cold]
    pub(super) fn refusal(&self, order: Order) -> GetError {
        if let Err(error) = self.zone.check_order(order) {
            return error;
        }
        match self.ask_others() {
            0 => GetError::OutOfMemory { order },
            frames => GetError::HeldElsewhere { order, frames },
        }
    }
}
