//! Freeing what nobody owns.
//!
//! A power failure may leave frames allocated that nobody has: those of operations
//! in flight, of frees that were not synced, of rows that processors held. There are
//! few each time, but they would add up. Whoever owns the data knows what is in use;
//! asked about every allocated frame, it takes one pass to free the rest.

use frame::FrameId;
use persist::Persist;

use crate::entry::Span;
use crate::lower::persist_now;
use crate::promise::Promise;
use crate::query::HugeState;
use crate::row::ones;
use crate::shape::{Shape, WORD_FRAMES};
use crate::slot::Slot;
use crate::tree::Amount;
use crate::zone::Zone;

/// What a zone and its owner have agreed upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Frames that stay allocated.
    pub kept: usize,
    /// Frames that were allocated, but nobody's.
    pub freed: usize,
    /// Frames of these two that had been in doubt.
    pub settled: usize,
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// Frees every allocated frame of which `is_owned` says that nobody owns it, and
    /// settles all doubts. When this returns, that is durable; after a crash in
    /// between it can be done again.
    ///
    /// Visits the allocated frames in ascending order, each once. No handle exists
    /// meanwhile, so nobody owns a frame that `is_owned` can't know of.
    pub fn reconcile(&mut self, mut is_owned: impl FnMut(FrameId) -> bool) -> Reconciled {
        let mut done = Reconciled {
            settled: self.settle_all(),
            ..Reconciled::default()
        };
        for huge in 0..self.huge_frames() {
            if let Some(HugeState::Huge | HugeState::Giant) = self.huge_state(huge) {
                self.reconcile_whole(huge, &mut is_owned, &mut done);
            } else {
                let unowned = |row, taken| unowned(row, taken, &mut is_owned);
                self.reconcile_parts(huge, unowned, &mut done);
            }
        }
        done
    }

    /// Empties the list of doubts; returns how many frames were on it.
    fn settle_all(&mut self) -> usize {
        let settled = self.uncertain().count();
        if settled > 0 {
            for slot in self.lower.slots().iter().map(Slot::new) {
                if let Some(bits) = slot.doubts(&self.persist) {
                    slot.settle_doubts(&self.persist, bits);
                }
            }
            // PERSIST: the list before a frame on it can have another owner.
            persist_now(&self.persist, self.lower.slots());
        }
        self.doubtful = false;
        settled
    }

    fn reconcile_whole(
        &self,
        huge: usize,
        is_owned: &mut impl FnMut(FrameId) -> bool,
        done: &mut Reconciled,
    ) {
        let mut masks = [0; WORDS];
        for (index, mask) in masks.iter_mut().enumerate() {
            *mask = unowned(huge * WORDS + index, u64::MAX, is_owned);
        }
        let frame = FrameId(huge * Shape::<WORDS, TREE>::HUGE_FRAMES);
        if masks == [0; WORDS] {
            done.kept += Shape::<WORDS, TREE>::HUGE_FRAMES;
        } else if masks == [u64::MAX; WORDS] {
            if self
                .lower
                .put_whole(&self.persist, frame, Span::One)
                .is_ok()
            {
                self.persist_late(huge);
                let (frames, whole) = (Shape::<WORDS, TREE>::HUGE_FRAMES, 1);
                let amount = Amount { frames, whole };
                self.trees.give(&self.persist, huge / TREE, amount);
                done.freed += frames;
            }
        } else if self.lower.make_parts_of(&self.persist, huge).is_ok() {
            self.reconcile_parts(huge, |row, taken| masks[row % WORDS] & taken, done);
        }
    }

    /// Frees those frames of a huge frame of which `unowned` says, row by row, that
    /// they are nobody's.
    fn reconcile_parts(
        &self,
        huge: usize,
        mut unowned: impl FnMut(usize, u64) -> u64,
        done: &mut Reconciled,
    ) {
        let Some(entry) = self.lower.entry(huge) else {
            return;
        };
        for (index, row) in (huge * WORDS..(huge + 1) * WORDS).enumerate() {
            let taken = self.taken_in(row) & !self.lower.absent(huge, index);
            if let Some(word) = self.lower.row(row)
                && taken != 0
            {
                let freed = unowned(row, taken);
                done.kept += ones(taken & !freed) as usize;
                done.freed += ones(freed) as usize;
                if freed != 0 {
                    word.clear(&self.persist, freed);
                    // PERSIST: the bits before the count, as in any free.
                    persist_now(&self.persist, word);
                    self.give_counts(huge / TREE, entry, ones(freed));
                }
            }
        }
    }

    /// Makes bits durable that somebody has cleared and not synced.
    pub(crate) fn persist_late(&self, huge: usize) {
        if P::LATE_FREES
            && let Some(field) = self.lower.field(huge)
        {
            persist_now(&self.persist, field);
        }
    }
}

/// Returns which of these frames of a row nobody owns.
fn unowned(row: usize, taken: u64, is_owned: &mut impl FnMut(FrameId) -> bool) -> u64 {
    let asked = (0..WORD_FRAMES).filter(|bit| taken >> bit & 1 != 0);
    let nobodys = asked.filter(|bit| !is_owned(FrameId(row * WORD_FRAMES + bit)));
    nobodys.fold(0, |mask, bit| mask | 1 << bit)
}
