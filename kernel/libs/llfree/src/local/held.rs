//! The rows that a handle holds, and what it remembers of them.

use frame::{FrameId, Order};

use crate::cell::Cell;
use crate::shape::WORD_FRAMES;
use crate::slot::Slot;

/// A row of which a handle holds frames. Which frames, the slot says.
#[derive(Clone, Copy)]
pub(super) struct Held<'m> {
    /// The row's first frame; one that no row starts with for none.
    first: usize,
    /// The row's word in the shared tables.
    pub(super) word: &'m Cell,
}

/// The first frame of no row.
const NOWHERE: usize = usize::MAX;

impl<'m> Held<'m> {
    /// Returns no row.
    pub(super) const fn nothing(slot: Slot<'m>) -> Self {
        let word = slot.any_word();
        Self {
            first: NOWHERE,
            word,
        }
    }

    /// Returns the row with this number.
    pub(super) const fn row(number: usize, word: &'m Cell) -> Self {
        let first = number * WORD_FRAMES;
        Self { first, word }
    }

    /// Returns the row's number.
    pub(super) const fn number(&self) -> Option<usize> {
        if self.first == NOWHERE {
            None
        } else {
            Some(self.first / WORD_FRAMES)
        }
    }

    /// Whether a frame is one of this row.
    #[inline(always)]
    pub(super) const fn has(&self, frame: FrameId) -> bool {
        frame.0 & !(WORD_FRAMES - 1) == self.first
    }

    /// Whether this row is one of a block.
    #[inline(always)]
    pub(super) const fn is_within(&self, frame: FrameId, order: Order) -> bool {
        self.first >> order.exponent() == frame.0 >> order.exponent()
    }

    /// Returns the bit of a frame in its row.
    #[inline(always)]
    pub(super) const fn bit(frame: FrameId) -> u64 {
        1 << (frame.0 % WORD_FRAMES)
    }

    /// Returns the frame of the lowest bit in a mask.
    #[inline(always)]
    pub(super) const fn frame(&self, mask: u64) -> FrameId {
        FrameId(self.first + mask.trailing_zeros() as usize)
    }
}

/// Second frees of frames that this processor held, each by another processor.
///
/// Found when a row is returned, too late to refuse them. Nothing is wrong with
/// the tables; but if the frame was handed out in between, it has two owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoubleFrees {
    /// How many there were.
    pub count: usize,
    /// The last one's frame.
    pub last: Option<FrameId>,
}

impl DoubleFrees {
    /// Adds the frames of a row.
    pub(super) fn add(&mut self, row: usize, mask: u64) {
        if mask != 0 {
            let last = 63 - mask.leading_zeros() as usize;
            self.count += mask.count_ones() as usize;
            self.last = Some(FrameId(row * WORD_FRAMES + last));
        }
    }
}
