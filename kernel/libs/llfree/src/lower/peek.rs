//! Looking first, and taking only what is still as it was.
//!
//! A locked instruction waits for all loads before it and holds up those after it. So
//! who is in a hurry reads the entry and the bits first, and then changes each of them
//! only if it is what was read. Whatever fails is left as it was, for a search.

use frame::FrameId;
use persist::Persist;

use super::bits::{set_group, taken};
use super::{Lower, persist_entry, persist_taken};
use crate::cell::Cell;
use crate::entry::{self, Entry, Seen, Span};
use crate::mutant::mutant;
use crate::row::{WORD_ORDER, first_free, run};
use crate::shape::{Shape, WORD_FRAMES};

/// A huge frame where a search begins, and what it was when it was read.
#[derive(Clone, Copy)]
pub(crate) struct Peek<'m, const WORDS: usize> {
    pub(super) huge: usize,
    pub(super) entry: Entry<'m>,
    pub(super) quad: Seen,
    pub(super) field: &'m [Cell; WORDS],
    /// Which word of the bitfield comes first, and what it was.
    pub(super) index: usize,
    pub(super) word: u64,
}

impl<const WORDS: usize> Peek<'_, WORDS> {
    /// What the entry was.
    #[inline(always)]
    pub(crate) fn entry(&self) -> u16 {
        self.entry.seen(self.quad)
    }

    /// Takes frames from the count, of at most `most`, if nothing has changed since;
    /// returns whether that is so.
    #[inline(always)]
    pub(crate) fn take_seen(&self, persist: &impl Persist, frames: u16, most: u16) -> bool {
        self.entry.take_seen(persist, self.quad, frames, most)
    }
}

impl<'m, const WORDS: usize, const TREE: usize> Lower<'m, WORDS, TREE> {
    /// Reads what a search near a frame needs first, before the tree's count is taken.
    #[inline(always)]
    pub(crate) fn peek(&self, persist: &impl Persist, near: usize) -> Option<Peek<'m, WORDS>> {
        let huge = near / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let index = near / WORD_FRAMES % WORDS;
        let entry = self.entry(huge)?;
        let field = self.field(huge)?;
        Some(Peek {
            huge,
            entry,
            quad: entry.peek(persist),
            field,
            index,
            word: field[index].load(persist),
        })
    }

    /// Takes the block, of not more than one word, out of the very word where
    /// [`Self::peek`] has looked, on the same condition.
    #[inline(always)]
    pub(crate) fn set_near(
        &self,
        persist: &impl Persist,
        peek: Peek<'m, WORDS>,
        order: u8,
    ) -> Option<FrameId> {
        let word = &peek.field[peek.index];
        let bit = first_free(peek.word, order)?;
        let set = word.replace(persist, peek.word, taken(peek.word, run(bit, order)));
        set.ok()?;
        // PERSIST: the bits before the caller's first use of the memory.
        persist_taken(persist, word);
        let offset = peek.index * WORD_FRAMES + bit as usize;
        Some(Self::frame_at(peek.huge, offset))
    }

    /// Takes the first words of a huge frame that is entirely free.
    ///
    /// Who takes the whole count owns all of its bits: nobody else may set any, and
    /// there is none to clear. So a store does, where a shared word takes a
    /// compare-exchange.
    #[inline(always)]
    pub(super) fn get_first_words(
        &self,
        persist: &impl Persist,
        peek: Peek<'m, WORDS>,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        let is_taken = peek.take_seen(persist, Self::FREE, Self::FREE);
        if !is_taken {
            return None;
        }
        *whole -= 1;
        let group = &peek.field[..1 << (order - WORD_ORDER)];
        for word in group {
            word.store(persist, taken(0, u64::MAX));
        }
        // PERSIST: all words lie in one line; as in `set_run_in`.
        persist_taken(persist, group);
        (peek.entry).add_own(persist, Self::FREE - (1 << order));
        Some(Self::frame_at(peek.huge, 0))
    }

    /// Takes the rows at `frame`, or the first ones of a huge frame that is entirely
    /// free, if nothing changes meanwhile. The tree's count has been taken; `whole` as for [`Self::get_part`].
    #[inline(always)]
    pub(crate) fn get_group_at(
        &self,
        persist: &impl Persist,
        frame: usize,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        let peek = self.peek(persist, frame)?;
        if peek.entry() == Self::FREE {
            return self.get_first_words(persist, peek, order, whole);
        }
        let words = self.words(frame, order)?;
        let is_free = words.iter().all(|word| word.load(persist) == 0);
        if !is_free || !peek.take_seen(persist, 1 << order, Self::FREE) {
            return None;
        }
        if !set_group(persist, words) {
            *whole += self.give_count(persist, peek.entry, 1 << order);
            return None;
        }
        Some(FrameId(frame))
    }

    /// Returns the huge frame after `near`, where the next block of this span could
    /// start in the same tree, with its entry: most often it is free too. After the
    /// last one comes the first.
    #[inline(always)]
    pub(crate) fn peek_next(
        &self,
        persist: &impl Persist,
        near: usize,
        span: Span,
    ) -> Option<(usize, Entry<'m>, Seen)> {
        let near = near / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let next = (near / span.len() + 1) * span.len() % TREE;
        let next = near / TREE * TREE + next;
        let entry = self.entry(next)?;
        Some((next, entry, entry.peek(persist)))
    }

    /// The same for a single huge frame, if its word has not changed since.
    #[inline(always)]
    pub(crate) fn claim_seen(&self, persist: &impl Persist, entry: Entry<'_>, seen: Seen) -> bool {
        let is_claimed = entry.replace_seen(persist, seen, Self::FREE, entry::HUGE);
        if is_claimed && !mutant!("get_huge_skips_flush") {
            // PERSIST: as in `claim_whole`.
            persist_entry(persist, entry);
        }
        is_claimed
    }
}
