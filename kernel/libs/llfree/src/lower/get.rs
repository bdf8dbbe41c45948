//! Taking blocks: the count first, then the bits.
//!
//! Who has subtracted from an entry's count owns that many clear bits of the
//! bitfield, but not yet which ones. A search that is overtaken, or that finds no
//! aligned run, gives the count back and goes on elsewhere; nothing else has
//! changed by then.

use frame::FrameId;
use persist::Persist;

use super::bits::{set_group, set_run, set_run_at, set_words};
use super::peek::Peek;
use super::{Lower, persist_entry};
use crate::entry::{self, Entry, FIRST_OF_PAIRS, QUAD, Seen, Span, counts_from};
use crate::hint::Ones;
use crate::mutant::mutant;
use crate::row::{WORD_ORDER, first_free};
use crate::shape::Shape;

impl<'m, const WORDS: usize, const TREE: usize> Lower<'m, WORDS, TREE> {
    /// Takes a part of a huge frame out of a tree, starting the search at `near`,
    /// a frame in it. The tree's count has been taken.
    ///
    /// Adds to `whole` by how much the number of entirely free huge frames
    /// changed, also if nothing was found.
    pub(crate) fn get_part(
        &self,
        persist: &impl Persist,
        near: usize,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        let peek = self.peek(persist, near)?;
        let found = self.get_in_huge(persist, peek, order, whole);
        found.or_else(|| self.get_part_elsewhere(persist, peek.huge, order, whole))
    }

    /// The same for a block of not more than one word, of which the huge frame's
    /// count has been taken too.
    pub(crate) fn get_counted_part(
        &self,
        persist: &impl Persist,
        near: usize,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        let peek = self.peek(persist, near)?;
        let found = self.get_counted(persist, peek, order, whole);
        found.or_else(|| self.get_part_elsewhere(persist, peek.huge, order, whole))
    }

    /// Searches the rest of the tree.
    fn get_part_elsewhere(
        &self,
        persist: &impl Persist,
        near: usize,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        let mut others = self.promising(persist, near, order);
        others.find_map(|huge| {
            if !self.has_run(persist, huge, order) {
                return None;
            }
            let peek = self.peek(persist, huge * Shape::<WORDS, TREE>::HUGE_FRAMES)?;
            self.get_in_huge(persist, peek, order, whole)
        })
    }

    /// Returns the huge frames of a tree whose counts allow for a block of this
    /// order: those in use first, whole ones last, upwards from about `near` and
    /// around.
    pub(crate) fn promising(
        &self,
        persist: &impl Persist,
        near: usize,
        order: u8,
    ) -> impl Iterator<Item = usize> {
        let in_parts = self.with_counts(persist, near, move |quad| {
            counts_from(quad, 1 << order) & !counts_from(quad, Self::FREE)
        });
        in_parts.chain(self.whole(persist, near))
    }

    /// Returns the huge frames of a tree that are entirely free, in the same order.
    fn whole(&self, persist: &impl Persist, near: usize) -> impl Iterator<Item = usize> {
        self.with_counts(persist, near, |quad| counts_from(quad, Self::FREE))
    }

    /// Returns the huge frames of a tree of which `select` sets the highest bit in
    /// the word of their entry.
    fn with_counts(
        &self,
        persist: &impl Persist,
        near: usize,
        select: impl Fn(u64) -> u64,
    ) -> impl Iterator<Item = usize> {
        let tree = near / TREE * TREE..(near / TREE + 1) * TREE;
        let (first, len) = (tree.start / QUAD, TREE.div_ceil(QUAD));
        let start = near / QUAD - first;
        (0..len).flat_map(move |step| {
            let index = first + (start + step) % len;
            let quad = (self.quads.get(index)).map_or(0, |quad| quad.load(persist));
            // Small trees share a word.
            let tree = tree.clone();
            let huge = Ones(select(quad)).map(move |bit| index * QUAD + bit / 16);
            huge.filter(move |huge| tree.contains(huge))
        })
    }

    /// Returns whether a tree had a block of this order just now: its bits and
    /// entries, not its counts.
    pub(crate) fn has_any(&self, persist: &impl Persist, tree: usize, order: u8) -> bool {
        let first = tree * TREE;
        match Self::span(order) {
            Some(span) => self.whole_blocks(persist, first, span).next().is_some(),
            None => {
                let all = first..(first + TREE).min(self.huge_frames());
                let mut in_parts =
                    all.filter(|&huge| self.entry_value(persist, huge) <= Self::FREE);
                in_parts.any(|huge| self.has_run(persist, huge, order))
            }
        }
    }

    /// Takes a part of one huge frame.
    fn get_in_huge(
        &self,
        persist: &impl Persist,
        peek: Peek<'m, WORDS>,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        if order > WORD_ORDER && peek.entry() == Self::FREE {
            let found = self.get_first_words(persist, peek, order, whole);
            if found.is_some() {
                return found;
            }
        }
        let old = (peek.entry).take_from(persist, peek.quad, 1 << order, Self::FREE);
        *whole -= isize::from(old.ok()? == Self::FREE);
        self.get_counted(persist, peek, order, whole)
    }

    /// Takes a part of one huge frame, whose count has been taken.
    fn get_counted(
        &self,
        persist: &impl Persist,
        peek: Peek<'m, WORDS>,
        order: u8,
        whole: &mut isize,
    ) -> Option<FrameId> {
        let found = if order <= WORD_ORDER {
            set_run(persist, peek, order)
        } else {
            set_words(persist, peek.field, order)
        };
        if found.is_none() {
            *whole += self.give_count(persist, peek.entry, 1 << order);
        }
        found.map(|offset| Self::frame_at(peek.huge, offset))
    }

    /// Returns a frame by its offset in a huge frame.
    #[inline(always)]
    pub(crate) const fn frame_at(huge: usize, offset: usize) -> FrameId {
        FrameId(huge * Shape::<WORDS, TREE>::HUGE_FRAMES + offset)
    }

    /// Returns whether a huge frame had an aligned free run just now. Only
    /// reading, this spares its owner the count that would go back and forth.
    fn has_run(&self, persist: &impl Persist, huge: usize, order: u8) -> bool {
        let Some(field) = self.field(huge) else {
            return false;
        };
        if order <= WORD_ORDER {
            let mut words = field.iter();
            return words.any(|word| first_free(word.load(persist), order).is_some());
        }
        let mut groups = field.chunks_exact(1 << (order - WORD_ORDER));
        groups.any(|group| group.iter().all(|word| word.load(persist) == 0))
    }

    /// Returns frames to a count whose bits are clear; returns 1 if the huge frame
    /// is now entirely free, else 0.
    #[inline(always)]
    pub(crate) fn give_count(
        &self,
        persist: &impl Persist,
        entry: Entry<'_>,
        frames: u16,
    ) -> isize {
        // Refused only if the tables were not consistent to begin with. The bits
        // are the truth then too, and the next recovery counts them.
        match entry.add(persist, frames, Self::FREE) {
            Ok(old) => isize::from(old + frames == Self::FREE),
            Err(_) => 0,
        }
    }

    /// Takes whole huge frames out of the tree of `near`, starting the search
    /// there. The tree's count has been taken.
    pub(crate) fn get_whole(
        &self,
        persist: &impl Persist,
        near: usize,
        span: Span,
    ) -> Option<FrameId> {
        let near = near / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let mut blocks = self.whole_blocks(persist, near, span);
        let huge = blocks.find(|&huge| {
            let entry = self.entry(huge);
            entry.is_some_and(|entry| self.claim_whole(persist, entry, entry.peek(persist), span))
        })?;
        Some(Self::frame_at(huge, 0))
    }

    /// Returns where blocks of whole huge frames are free in the tree of `near`.
    fn whole_blocks(
        &self,
        persist: &impl Persist,
        near: usize,
        span: Span,
    ) -> impl Iterator<Item = usize> {
        self.with_counts(persist, near, move |quad| {
            let free = counts_from(quad, Self::FREE);
            match span {
                Span::One => free,
                Span::Pair => free & free >> 16 & FIRST_OF_PAIRS,
            }
        })
    }

    /// Takes huge frames whose entries have just been read.
    #[inline(always)]
    pub(crate) fn claim_whole(
        &self,
        persist: &impl Persist,
        entry: Entry<'_>,
        seen: Seen,
        span: Span,
    ) -> bool {
        let claimed = entry.exchange_from(persist, seen, span, Self::FREE, entry::HUGE);
        if claimed.is_ok() && !mutant!("get_huge_skips_flush") {
            // PERSIST: the entry before the caller's first use of the memory.
            persist_entry(persist, entry);
        }
        claimed.is_ok()
    }

    /// Takes this very block, less than a huge frame. The tree's count has been
    /// taken; `whole` as for [`Self::get_part`].
    pub(crate) fn get_part_at(
        &self,
        persist: &impl Persist,
        frame: FrameId,
        order: u8,
        whole: &mut isize,
    ) -> bool {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let Some((entry, field)) = self.entry(huge).zip(self.field(huge)) else {
            return false;
        };
        let seen = entry.peek(persist);
        match entry.take_from(persist, seen, 1 << order, Self::FREE) {
            Ok(old) => *whole -= isize::from(old == Self::FREE),
            Err(_) => return false,
        }
        let taken = if order <= WORD_ORDER {
            set_run_at(persist, field, frame, order)
        } else {
            (self.words(frame.0, order)).is_some_and(|words| set_group(persist, words))
        };
        if !taken {
            *whole += self.give_count(persist, entry, 1 << order);
        }
        taken
    }

    /// Takes these very huge frames. The tree's count has been taken.
    pub(crate) fn get_whole_at(&self, persist: &impl Persist, frame: FrameId, span: Span) -> bool {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let entry = self.entry(huge);
        entry.is_some_and(|entry| self.claim_whole(persist, entry, entry.peek(persist), span))
    }
}
