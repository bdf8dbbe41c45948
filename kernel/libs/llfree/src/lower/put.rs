//! Returning blocks: the bits first, then the count.
//!
//! The bits say whether the frames were allocated at all, so a block that was
//! freed twice is noticed by the very step that would have freed it. The first
//! part that is returned of a huge frame allocated as a whole splits it: one
//! processor does, the others wait.

use frame::FrameId;
use persist::Persist;

use super::{Lower, persist_entry, persist_free, persist_now};
use crate::cell::Cell;
use crate::entry::{self, Entry, Seen, Span};
use crate::error::PutError;
use crate::mutant::mutant;
use crate::row::{WORD_ORDER, run};
use crate::shape::{Shape, WORD_FRAMES};

/// A huge frame that was in parts when its entry was read.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'m, const WORDS: usize> {
    entry: Entry<'m>,
    seen: Seen,
    field: &'m [Cell; WORDS],
}

impl<const WORDS: usize> Parts<'_, WORDS> {
    /// Returns how many of its frames were free.
    #[inline(always)]
    pub(crate) fn free(&self) -> u16 {
        self.entry.seen(self.seen)
    }

    /// Frees a single frame, but for the counts; returns whether it was allocated.
    #[inline(always)]
    pub(crate) fn free_bit(&self, persist: &impl Persist, frame: FrameId) -> bool {
        let word = &self.field[frame.0 / WORD_FRAMES % WORDS];
        let was_set = word.clear_bit(persist, frame.0 % WORD_FRAMES);
        // PERSIST: as in `clear_run`.
        persist_free(persist, word);
        was_set
    }

    /// Adds that frame to the count, if nothing has changed since; returns whether that
    /// is done.
    #[inline(always)]
    pub(crate) fn add_frame(&self, persist: &impl Persist) -> bool {
        self.entry.add_frame_seen(persist, self.seen)
    }
}

impl<'m, const WORDS: usize, const TREE: usize> Lower<'m, WORDS, TREE> {
    /// Frees a part of a huge frame, which lies in the zone, without adding it to
    /// the counts: that is the caller's, for as many frames as the first value
    /// says, whatever the second one is.
    #[inline]
    pub(crate) fn free_part(
        &self,
        persist: &impl Persist,
        frame: FrameId,
        order: u8,
    ) -> (u16, Result<(), PutError>) {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let nothing_there = (0, Err(PutError::NotAllocated { frame }));
        let Some((entry, field)) = self.entry(huge).zip(self.field(huge)) else {
            return nothing_there;
        };
        if entry.load(persist) > Self::FREE
            && let Err(error) = self.make_parts(persist, entry, field, frame)
        {
            return (0, Err(error));
        }
        if order <= WORD_ORDER {
            return match clear_run(persist, field, frame, order) {
                Ok(()) => (1 << order, Ok(())),
                Err(error) => (0, Err(error)),
            };
        }
        self.free_group(persist, frame, order)
    }

    /// Returns the huge frame around a frame, if it is in parts and misses so many
    /// frames at least.
    #[inline(always)]
    pub(crate) fn parts_around(
        &self,
        persist: &impl Persist,
        frame: FrameId,
        frames: u16,
    ) -> Option<Parts<'m, WORDS>> {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let (entry, field) = (self.entry(huge)?, self.field(huge)?);
        let seen = entry.peek(persist);
        let parts = Parts { entry, seen, field };
        // States are larger than any count.
        (entry.seen(seen) <= Self::FREE - frames).then_some(parts)
    }

    /// Frees a group of rows of such a huge frame, as [`Self::free_part`] does.
    #[inline(always)]
    pub(crate) fn free_group(
        &self,
        persist: &impl Persist,
        frame: FrameId,
        order: u8,
    ) -> (u16, Result<(), PutError>) {
        match self.words(frame.0, order) {
            Some(words) => clear_group(persist, words, frame),
            None => (0, Err(PutError::NotAllocated { frame })),
        }
    }

    /// Sees to it that the frames of a huge frame are allocated bit by bit.
    pub(crate) fn make_parts_of(
        &self,
        persist: &impl Persist,
        huge: usize,
    ) -> Result<(), PutError> {
        let frame = FrameId(huge * Shape::<WORDS, TREE>::HUGE_FRAMES);
        let (entry, field) =
            (self.entry(huge).zip(self.field(huge))).ok_or(PutError::NotAllocated { frame })?;
        self.make_parts(persist, entry, field, frame)
    }

    /// Returns once the frames of a huge frame are allocated bit by bit.
    ///
    /// A loser waits without bound: the winner has a few stores to make, and
    /// there is nothing useful that anybody else could do with the huge frame.
    #[cold]
    fn make_parts(
        &self,
        persist: &impl Persist,
        entry: Entry<'_>,
        field: &[Cell; WORDS],
        frame: FrameId,
    ) -> Result<(), PutError> {
        loop {
            match entry.load(persist) {
                count if count <= Self::FREE => return Ok(()),
                entry::HUGE => self.split(persist, entry, field),
                entry::SPLITTING | entry::SPLIT_DONE => core::hint::spin_loop(),
                entry::MEMBER if self.leave_giant(persist, self.huge_of(frame)) => {}
                entry::OFFLINE => return Err(PutError::Offline { frame }),
                // Freed as a whole just now.
                _ => return Err(PutError::NotAllocated { frame }),
            }
        }
    }

    /// Splits a huge frame that is allocated as a whole, unless somebody else does.
    fn split<P: Persist>(&self, persist: &P, entry: Entry<'_>, field: &[Cell; WORDS]) {
        let won = entry.exchange(persist, Span::One, entry::HUGE, entry::SPLITTING);
        if won.is_err() && !mutant!("split_has_no_winner") {
            return;
        }
        for word in field {
            word.store(persist, u64::MAX);
        }
        let mut state = entry::SPLITTING;
        if P::DOMAIN.needs_flush() {
            // PERSIST: all bits before the state that lets recovery look at them;
            // otherwise a crash in between frees the frames whose bits are missing.
            if !mutant!("split_skips_bits_flush") {
                persist_now(persist, field);
            }
            let marked = entry.exchange(persist, Span::One, state, entry::SPLIT_DONE);
            // PERSIST: the state before the first bit that is cleared; otherwise
            // recovery takes the frame for a whole one and forgets that free.
            if !mutant!("split_skips_state_flush") {
                persist_entry(persist, entry);
            }
            if marked.is_ok() {
                state = entry::SPLIT_DONE;
            }
        }
        // Only the winner leaves these states, so this cannot be refused.
        let _ = entry.exchange(persist, Span::One, state, 0);
    }

    /// Returns whole huge frames, which lie in the zone.
    #[inline]
    pub(crate) fn put_whole<P: Persist>(
        &self,
        persist: &P,
        frame: FrameId,
        span: Span,
    ) -> Result<(), PutError> {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let entry = (self.entry(huge)).ok_or(PutError::NotAllocated { frame })?;
        let step = |from, to| {
            let mut done = entry.exchange(persist, span, from, to);
            if let Err(found) = done
                && found[..span.len()].contains(&entry::MEMBER)
                && self.leave_giant(persist, huge)
            {
                done = entry.exchange(persist, span, from, to);
            }
            done.map_err(|found| Self::not_whole(frame, found, span))
        };
        if !P::DOMAIN.needs_flush() || mutant!("put_skips_freeing") {
            return step(entry::HUGE, Self::FREE);
        }
        step(entry::HUGE, entry::FREEING)?;
        // PERSIST: that the frame is free before anybody can take parts of it;
        // otherwise recovery finds a whole frame where parts are in use.
        if !mutant!("put_huge_skips_flush") {
            persist_entry(persist, entry);
        }
        step(entry::FREEING, Self::FREE)
    }

    /// Returns a huge frame, where that takes one step, if it is one and nothing
    /// changes meanwhile; returns whether that is done.
    #[inline(always)]
    pub(crate) fn put_huge<P: Persist>(&self, persist: &P, huge: usize) -> bool {
        !P::DOMAIN.needs_flush()
            && self.entry(huge).is_some_and(|entry| {
                entry.replace_seen(persist, entry.peek(persist), entry::HUGE, Self::FREE)
            })
    }

    /// Says why huge frames with these entries can't be returned as a whole.
    #[cold]
    fn not_whole(frame: FrameId, found: [u16; 2], span: Span) -> PutError {
        let frames = (0..span.len())
            .map(|index| FrameId(frame.0 + index * Shape::<WORDS, TREE>::HUGE_FRAMES));
        let mut not_whole = (frames.zip(found)).filter(|&(_, entry)| entry != entry::HUGE);
        match not_whole.next() {
            Some((frame, entry::OFFLINE)) => PutError::Offline { frame },
            Some((frame, entry)) if Self::is_free_entry(entry) => PutError::NotAllocated { frame },
            Some((frame, _)) => PutError::NotWhole { frame },
            None => PutError::NotAllocated { frame },
        }
    }
}

/// Clears these bits, if all of them are set.
#[inline(always)]
fn clear_run<const WORDS: usize>(
    persist: &impl Persist,
    field: &[Cell; WORDS],
    frame: FrameId,
    order: u8,
) -> Result<(), PutError> {
    #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
    let bits = run((frame.0 % WORD_FRAMES) as u32, order);
    let word = &field[frame.0 / WORD_FRAMES % WORDS];
    let clear = |old: u64| (old & bits == bits).then_some(old & !bits);
    match word.update(persist, clear) {
        Ok(_) => {
            // PERSIST: the bits before the count and the acknowledgement: with the
            // count, a huge frame could be taken whose bits are not clear yet.
            persist_free(persist, word);
            Ok(())
        }
        Err(old) => Err(not_allocated(frame, !old & bits)),
    }
}

/// Clears all words of a group, if all bits are set. Otherwise returns the error
/// after how many frames have been cleared all the same: none, unless another
/// processor frees part of the same block at the same time.
#[inline(always)]
fn clear_group(
    persist: &impl Persist,
    group: &[Cell],
    frame: FrameId,
) -> (u16, Result<(), PutError>) {
    let error = |index: usize, old: u64| {
        let word = FrameId(frame.0 + index * WORD_FRAMES);
        Err(not_allocated(word, !old))
    };
    for (index, word) in group.iter().enumerate() {
        let old = word.load(persist);
        if old != u64::MAX {
            return (0, error(index, old));
        }
    }
    let mut outcome = Ok(());
    let mut cleared = 0;
    for (index, word) in group.iter().enumerate() {
        if let Err(old) = word.replace(persist, u64::MAX, 0) {
            outcome = error(index, old);
            break;
        }
        cleared += 64;
    }
    // PERSIST: all words lie in one line; as in `clear_run`.
    persist_free(persist, group);
    (cleared, outcome)
}

/// Names the first free frame of a word, given its first frame or any other in it.
#[cold]
fn not_allocated(frame: FrameId, free: u64) -> PutError {
    let word = frame.0 / WORD_FRAMES * WORD_FRAMES;
    PutError::NotAllocated {
        frame: FrameId(word + free.trailing_zeros() as usize),
    }
}
