//! Taking whole rows, and returning them.
//!
//! A row is 64 frames, one word of a bitfield. Taking all that are free in it
//! costs what taking one costs: a step each for the tree's count, the entry's
//! count and the bits. What the processor then does with the frames nobody else
//! needs to know, except for recovery, which reads the processor's [`Slot`] or its
//! [names](crate::name).
//!
//! Held frames are in no count, as if they were allocated, and their bits are set.
//! So nothing outside of this file and of the handles has to know about claims.

use persist::Persist;

use crate::cell::Cell;
use crate::entry::Entry;
use crate::lower::{Lower, persist_now};
use crate::mutant::mutant;
use crate::row::{first_free, lowest, ones};
use crate::shape::{Shape, WORD_FRAMES};
use crate::slot::{Bits, Side, Slot};
use crate::tree::Amount;
use crate::zone::Zone;

/// A row of the zone.
#[derive(Clone, Copy)]
pub(crate) struct Row<'m> {
    pub(crate) tree: usize,
    pub(crate) number: usize,
    pub(crate) word: &'m Cell,
    pub(crate) entry: Entry<'m>,
}

impl<'m, P: Persist, const WORDS: usize, const TREE: usize> Zone<'m, P, WORDS, TREE> {
    /// Takes all free frames of a row in `tree` that has a free run of `order`,
    /// starting the search at the frame `near`, and writes them down in front.
    #[inline]
    pub(crate) fn claim_in(
        &self,
        tree: usize,
        near: usize,
        order: u8,
        slot: Slot<'m>,
    ) -> Option<Bits> {
        self.find_row(tree, near, order, |row| self.claim_row(row, order, slot))
    }

    /// Lets `take` try the rows in `tree` that may have a free run of `order`,
    /// starting at the frame `near`, until it has taken something.
    #[inline]
    pub(crate) fn find_row(
        &self,
        tree: usize,
        near: usize,
        order: u8,
        mut take: impl FnMut(Row<'m>) -> Option<Bits>,
    ) -> Option<Bits> {
        if self.trees.read(&self.persist, tree).free() >> order == 0 {
            return None;
        }
        let huge = near / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let start = near / WORD_FRAMES % WORDS;
        self.find_row_in(tree, huge, start, order, &mut take)
            .or_else(|| {
                let mut others = self.lower.promising(&self.persist, huge, order);
                others.find_map(|huge| self.find_row_in(tree, huge, 0, order, &mut take))
            })
    }

    fn find_row_in(
        &self,
        tree: usize,
        huge: usize,
        start: usize,
        order: u8,
        take: &mut impl FnMut(Row<'m>) -> Option<Bits>,
    ) -> Option<Bits> {
        let (entry, field) = self.lower.entry(huge).zip(self.lower.field(huge))?;
        let count = entry.load(&self.persist);
        if count > Lower::<WORDS, TREE>::FREE || count >> order == 0 {
            return None;
        }
        let rows = (0..WORDS).map(|step| (start + step) % WORDS);
        rows.into_iter().find_map(|index| {
            take(Row {
                tree,
                number: huge * WORDS + index,
                word: &field[index],
                entry,
            })
        })
    }

    fn claim_row(&self, row: Row<'_>, order: u8, slot: Slot<'_>) -> Option<Bits> {
        let persist = &self.persist;
        let mut old = row.word.load(persist);
        while first_free(old, order).is_some() && self.may_be_held(row.number) {
            let got = self.take_counts(row, ones(!old))?;
            let mask = if mutant!("claim_ignores_counts") {
                !old
            } else {
                lowest_unless_all(!old, got)
            };
            let bits = Bits {
                row: row.number,
                mask,
            };
            slot.announce(persist, Side::Front, bits);
            match row.word.replace(persist, old, old | mask) {
                Ok(()) => {
                    // PERSIST: the bits before any of the frames is handed out.
                    if !mutant!("claim_skips_flush") {
                        persist_now(persist, row.word);
                    }
                    slot.confirm(persist, Side::Front, bits);
                    return Some(bits);
                }
                // Somebody else has taken or returned frames of this row.
                Err(found) => old = found,
            }
            slot.clear(persist, Side::Front);
            self.give_counts(row.tree, row.entry, got);
        }
        None
    }

    /// Whether a row consists of 64 frames of which none is in doubt.
    pub(crate) fn may_be_held(&self, row: usize) -> bool {
        (row + 1) * WORD_FRAMES <= self.frames() && !self.is_in_doubt(row)
    }

    /// Subtracts up to this many frames from the counts; returns how many.
    pub(crate) fn take_counts(&self, row: Row<'_>, frames: u32) -> Option<u32> {
        let persist = &self.persist;
        // Whether this breaks a huge frame that was entirely free is a guess, so
        // that most often the tree's word changes once.
        let all_free = |count: u16| isize::from(count == Lower::<WORDS, TREE>::FREE);
        let guess = all_free(row.entry.load(persist));
        let promised = (self.trees).take_some(persist, row.tree, frames as usize, guess)?;
        let step = |count: u16| {
            let some = count.min(promised);
            (count <= Lower::<WORDS, TREE>::FREE && some > 0).then(|| count - some)
        };
        let (got, whole) = match row.entry.update(persist, step) {
            Ok(count) => (count.min(promised), all_free(count)),
            Err(_) => (0, 0),
        };
        let back = Amount {
            frames: usize::from(promised - got),
            whole: guess - whole,
        };
        if back != Amount::default() {
            self.trees.give(persist, row.tree, back);
        }
        (got > 0).then_some(u32::from(got))
    }

    /// Adds frames, whose bits are clear, to the counts.
    #[inline(never)]
    pub(crate) fn give_counts(&self, tree: usize, entry: Entry<'_>, frames: u32) {
        if frames > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "frames of one row")]
            let whole = (self.lower).give_count(&self.persist, entry, frames as u16);
            let frames = frames as usize;
            self.trees
                .give(&self.persist, tree, Amount { frames, whole });
        }
    }

    /// Returns held frames to their row, not to the counts: that is the caller's.
    /// The result is what the row was: a held frame whose bit was clear has been
    /// freed a second time, by another processor.
    pub(crate) fn return_row(&self, slot: Slot<'_>, side: Side, bits: Bits) -> u64 {
        let persist = &self.persist;
        slot.begin_return(persist, side, bits.row);
        let old = self.lower.row(bits.row).map_or(0, |word| {
            let old = if mutant!("return_by_store") {
                let old = word.load(persist);
                word.store(persist, old & !bits.mask);
                old
            } else {
                word.clear(persist, bits.mask)
            };
            // PERSIST: the bits before the row loses its name.
            if !mutant!("return_skips_flush") {
                persist_now(persist, word);
            }
            old
        });
        slot.clear(persist, side);
        old
    }
}

/// Returns the lowest `count` set bits, most often all of them.
fn lowest_unless_all(mask: u64, count: u32) -> u64 {
    if count == ones(mask) {
        mask
    } else {
        lowest(mask, count)
    }
}
