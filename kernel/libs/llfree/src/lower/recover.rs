//! From whatever a crash has left to tables that can be used.
//!
//! Counts are never believed, they are counted from the bits. What an entry says
//! about a huge frame as a whole is believed, since that is written nowhere else:
//!
//! | entry | meaning | what is done |
//! |---|---|---|
//! | HUGE, SPLITTING | allocated as a whole | bits cleared, entry HUGE |
//! | MEMBER | what the giant frame's word says: see `giant` | |
//! | OFFLINE | out of service | bits cleared |
//! | FREEING, SPLIT_DONE, a count | bits are valid | counted |
//! | anything else | damaged | bits are set: counted; none: all frames allocated |
//!
//! What processors held goes back before anything is counted: see `held`. Then
//! the trees can be recovered in any order, also by several processors.
//!
//! Bits beyond the last frame are forced to *allocated*, entries beyond the last
//! huge frame to zero. Each write keeps the meaning of what was there, so a crash
//! during recovery leaves work for the next one and nothing else.

use core::ops::Range;

use persist::Persist;

use super::{Giant, Lower, persist_now};
use crate::cell::Cell;
use crate::entry::{self, Entry, QUAD, Span};
use crate::mutant::mutant;
use crate::popcnt::{self, Popcnt};
use crate::shape::{Shape, WORD_FRAMES};
use crate::tree::Amount;

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Frames that are free.
    pub free: usize,
    /// Huge frames that are entirely free.
    pub free_huge: usize,
    /// Entries that did not agree with their bits: operations that were in
    /// flight, and damage.
    pub mended: usize,
    /// Huge frames, allocated as a whole, that were about to be split. More than
    /// there were processors means damage.
    pub split_in_flight: usize,
    /// Entries that no version of this code has written. Their frames stay
    /// allocated wherever the bits don't say otherwise.
    pub unreadable: usize,
    /// Bitfield words that did not have all bits beyond the last frame set.
    pub tail_forced: usize,
    /// Frames that are offline, and stay so.
    pub offline: usize,
    /// Frames that processors held and nobody had: free again.
    pub held: usize,
    /// Frames that were on their way from or to a processor, and still have to be
    /// [settled](crate::Zone::uncertain).
    pub uncertain: usize,
    /// Frames of which the same is true, but for which there was no room in the
    /// list: they stay allocated.
    pub unlisted: usize,
}

/// What a huge frame turns out to be.
enum Verdict {
    Whole,
    Offline,
    Counted,
    AllAllocated,
}

impl<const WORDS: usize, const TREE: usize> Lower<'_, WORDS, TREE> {
    /// Makes all frames free, and that durable.
    pub(crate) fn clear<P: Persist>(&self, persist: &P) {
        for (huge, field) in self.fields.iter().enumerate() {
            for (index, word) in field.iter().enumerate() {
                let tail = self.absent(huge, index);
                word.store(
                    persist,
                    if mutant!("create_forgets_tail") {
                        0
                    } else {
                        tail
                    },
                );
            }
        }
        for (index, quad) in self.quads.iter().enumerate() {
            let counts = (0..QUAD).map(|slot| self.present(index * QUAD + slot) as u64);
            quad.store(
                persist,
                counts.rev().fold(0, |word, count| word << 16 | count),
            );
        }
        for word in self.slots.iter().flatten() {
            word.store(persist, 0);
        }
        persist_now(persist, self.slots);
        self.clear_giants(persist);
        self.persist_trees(persist, 0..self.huge_frames().div_ceil(TREE));
    }

    /// Gives back what processors held, and clears the entries beyond the last huge
    /// frame. Comes before anything is counted.
    pub(crate) fn begin_recovery<P: Persist>(&self, persist: &P) -> Recovery {
        let mut found = Recovery::default();
        self.recover_slots(persist, &mut found);
        let last = self.huge_frames()..self.quads.len() * QUAD;
        for entry in last.filter_map(|huge| self.entry(huge)) {
            set_entry(persist, entry, 0);
        }
        if let Some(quad) = self.quads.last() {
            persist_now(persist, quad);
        }
        // PERSIST: what the slots have forgotten was made durable before it was
        // forgotten, see `held`. So this may come before the repairs.
        persist_now(persist, self.slots);
        found
    }

    /// Recovers these trees, tells `upper` what each of them has, and makes the
    /// repairs durable. Other processors may recover others at the same time.
    pub(crate) fn recover_trees<P: Persist>(
        &self,
        persist: &P,
        trees: Range<usize>,
        popcnt: Option<Popcnt>,
        mut upper: impl FnMut(usize, Amount),
    ) -> Recovery {
        let mut found = Recovery::default();
        for tree in trees.clone() {
            let before = found;
            self.recover_tree(persist, tree, popcnt, &mut found);
            let whole = (found.free_huge - before.free_huge).cast_signed();
            let frames = found.free - before.free;
            upper(tree, Amount { frames, whole });
        }
        self.persist_trees(persist, trees);
        found
    }

    /// Counts the bits of all huge frames of a tree, then looks at those whose
    /// entries say something else.
    fn recover_tree(
        &self,
        persist: &impl Persist,
        tree: usize,
        popcnt: Option<Popcnt>,
        found: &mut Recovery,
    ) {
        let range = self.huge_frames_of(tree..tree + 1);
        if self.giant(persist, range.start) == Giant::Whole {
            return range.for_each(|huge| self.recover_member(persist, huge, found));
        }
        let mut counts = [0; TREE];
        let fields = self.fields.get(range.clone()).unwrap_or_default();
        popcnt::count_clear(popcnt, persist, fields, &mut counts);
        for (first, counts) in range.clone().step_by(QUAD).zip(counts.chunks(QUAD)) {
            if self.agree(persist, first, counts) {
                found.free += counts.iter().copied().map(usize::from).sum::<usize>();
                found.free_huge += counts.iter().filter(|&&count| count == Self::FREE).count();
            } else {
                let four = (first..range.end).zip(counts);
                four.for_each(|(huge, &clear)| self.recover_counted(persist, huge, clear, found));
            }
        }
    }

    /// Whether four huge frames exist, all of them in one word of entries, which says
    /// of each what was counted.
    #[inline(always)]
    fn agree(&self, persist: &impl Persist, first: usize, counts: &[u16]) -> bool {
        let exist = (first + QUAD) * Shape::<WORDS, TREE>::HUGE_FRAMES <= self.frames;
        let counted = (counts.iter().rev()).fold(0, |word, &count| word << 16 | u64::from(count));
        let stored = self.quads.get(first / QUAD);
        counts.len() == QUAD && exist && stored.is_some_and(|quad| quad.load(persist) == counted)
    }

    /// Looks at one huge frame of which so many bits are clear.
    #[inline]
    fn recover_counted(
        &self,
        persist: &impl Persist,
        huge: usize,
        clear: u16,
        found: &mut Recovery,
    ) {
        let stored = self.entry_value(persist, huge);
        let believed = mutant!("recover_skips_recount") && stored <= Self::FREE;
        let count = if believed { stored } else { clear };
        let is_whole = stored == entry::HUGE && clear == Self::FREE;
        if !self.is_complete(huge) || stored != count && !is_whole {
            self.recover_huge(persist, huge, found);
        } else if !is_whole {
            found.free += usize::from(count);
            found.free_huge += usize::from(count == Self::FREE);
        }
    }

    /// Returns the huge frames of these trees: the last tree may have fewer.
    fn huge_frames_of(&self, trees: Range<usize>) -> Range<usize> {
        let first_of = |tree: usize| (tree * TREE).min(self.huge_frames());
        first_of(trees.start)..first_of(trees.end)
    }

    /// Whether all frames of a huge frame exist.
    fn is_complete(&self, huge: usize) -> bool {
        self.present(huge) == Shape::<WORDS, TREE>::HUGE_FRAMES
    }

    /// Makes a huge frame a part of the giant frame around.
    fn recover_member(&self, persist: &impl Persist, huge: usize, found: &mut Recovery) {
        if let Some((entry, field)) = self.entry(huge).zip(self.field(huge)) {
            let written = set_words(persist, field, |_, _| 0);
            if entry.load(persist) != entry::MEMBER {
                set_entry(persist, entry, entry::MEMBER);
                found.mended += 1;
            } else if written > 0 {
                found.mended += 1;
            }
        }
    }

    #[cold]
    fn recover_huge(&self, persist: &impl Persist, huge: usize, found: &mut Recovery) {
        let Some((entry, field)) = self.entry(huge).zip(self.field(huge)) else {
            return;
        };
        let stored = entry.load(persist);
        let value = match self.judge(persist, huge, stored, found) {
            Verdict::Whole => {
                let clear = |_, old| {
                    if mutant!("recover_keeps_bits") {
                        old
                    } else {
                        0
                    }
                };
                if set_words(persist, field, clear) > 0 || stored == entry::SPLITTING {
                    found.split_in_flight += 1;
                }
                entry::HUGE
            }
            Verdict::Offline => {
                found.offline += self.present(huge);
                let should_be = |index, _| self.absent(huge, index);
                found.mended += usize::from(set_words(persist, field, should_be) > 0);
                entry::OFFLINE
            }
            Verdict::AllAllocated => {
                set_words(persist, field, |_, _| u64::MAX);
                0
            }
            Verdict::Counted => {
                let forced = set_words(persist, field, |index, old| {
                    let is_forgotten = mutant!("recover_forgets_tail");
                    old | if is_forgotten {
                        0
                    } else {
                        self.absent(huge, index)
                    }
                });
                found.tail_forced += forced;
                Self::count(persist, field)
            }
        };
        if value != stored {
            found.mended += 1;
            set_entry(persist, entry, value);
        }
        if value <= Self::FREE {
            found.free += usize::from(value);
            found.free_huge += usize::from(value == Self::FREE);
        }
    }

    /// Applies the table above.
    fn judge(
        &self,
        persist: &impl Persist,
        huge: usize,
        stored: u16,
        found: &mut Recovery,
    ) -> Verdict {
        // An incomplete huge frame is never allocated as a whole.
        let complete = self.is_complete(huge);
        match stored {
            entry::SPLITTING if mutant!("recover_counts_splitting") => {}
            entry::HUGE | entry::SPLITTING if complete => return Verdict::Whole,
            entry::FREEING | entry::SPLIT_DONE => return Verdict::Counted,
            entry::OFFLINE => return Verdict::Offline,
            entry::MEMBER if self.giant_around(huge).is_some() => {
                return match self.giant(persist, huge) {
                    Giant::Apart => Verdict::Counted,
                    Giant::Splitting if mutant!("recover_counts_members") => Verdict::Counted,
                    Giant::Whole | Giant::Splitting | Giant::Unreadable => Verdict::Whole,
                };
            }
            count if count <= Self::FREE => return Verdict::Counted,
            _ => found.unreadable += 1,
        }
        if self.has_bits(persist, huge) {
            Verdict::Counted
        } else if complete {
            Verdict::Whole
        } else {
            Verdict::AllAllocated
        }
    }

    /// Returns whether the bit of any frame that exists is set.
    fn has_bits(&self, persist: &impl Persist, huge: usize) -> bool {
        let words = (self.field(huge)).into_iter().flatten().enumerate();
        let mut present = words.map(|(index, word)| word.load(persist) & !self.absent(huge, index));
        present.any(|bits| bits != 0)
    }

    /// Counts the clear bits.
    fn count(persist: &impl Persist, field: &[Cell; WORDS]) -> u16 {
        let mut count = [0];
        popcnt::count_clear(None, persist, core::slice::from_ref(field), &mut count);
        count[0]
    }

    /// PERSIST: the tables before anything that vouches for them.
    fn persist_trees<P: Persist>(&self, persist: &P, trees: Range<usize>) {
        if P::DOMAIN.needs_flush() && !mutant!("recover_skips_flush") {
            let huge = self.huge_frames_of(trees);
            let quads = huge.start / QUAD..huge.end.div_ceil(QUAD);
            persist.flush(self.fields.get(huge).unwrap_or_default());
            persist.flush(self.quads.get(quads).unwrap_or_default());
            persist.fence();
        }
    }
}

/// Writes the words that differ from what they should be; returns how many.
fn set_words<const WORDS: usize>(
    persist: &impl Persist,
    field: &[Cell; WORDS],
    should_be: impl Fn(usize, u64) -> u64,
) -> usize {
    let mut written = 0;
    for (index, word) in field.iter().enumerate() {
        let old = word.load(persist);
        let new = should_be(index, old);
        if new != old {
            word.store(persist, new);
            written += 1;
        }
    }
    written
}

/// Overwrites an entry. Its neighbours may be somebody else's to recover.
fn set_entry(persist: &impl Persist, entry: Entry<'_>, value: u16) {
    let mut old = entry.load(persist);
    while old != value {
        match entry.exchange(persist, Span::One, old, value) {
            Ok(()) => return,
            Err([found, _]) => old = found,
        }
    }
}

const _: () = assert!(WORD_FRAMES == u64::BITS as usize);
