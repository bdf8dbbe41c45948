//! From whatever a crash has left to tables that can be used.
//!
//! Counts are never believed, they are counted from the bits. What an entry says
//! about a huge frame as a whole is believed, since that is written nowhere else:
//!
//! | entry | meaning | what is done |
//! |---|---|---|
//! | HUGE, SPLITTING | allocated as a whole | bits cleared, entry HUGE |
//! | FREEING, SPLIT_DONE, a count | bits are valid | counted |
//! | anything else | damaged | bits are set: counted; none: all frames allocated |
//!
//! What processors held goes back before anything is counted: see `held`.
//!
//! Bits beyond the last frame are forced to *allocated*, entries beyond the last
//! huge frame to zero. Each write keeps the meaning of what was there, so a crash
//! during recovery leaves work for the next one and nothing else.

use persist::Persist;

use super::Lower;
use crate::cell::Cell;
use crate::entry::{self, Entry, QUAD, Span};
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
    Counted,
    AllAllocated,
}

impl<const WORDS: usize, const TREE: usize> Lower<'_, WORDS, TREE> {
    /// Makes all frames free, and that durable.
    pub(crate) fn clear<P: Persist>(&self, persist: &P) {
        for (huge, field) in self.fields.iter().enumerate() {
            for (index, word) in field.iter().enumerate() {
                word.store(persist, self.absent(huge, index));
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
        self.persist_all(persist);
    }

    /// Recovers all huge frames, tells `upper` what each tree has, and makes the
    /// repairs durable.
    pub(crate) fn recover<P: Persist>(
        &self,
        persist: &P,
        mut upper: impl FnMut(usize, Amount),
    ) -> Recovery {
        let mut found = Recovery::default();
        self.recover_slots(persist, &mut found);
        let trees = self.huge_frames().div_ceil(TREE);
        for tree in 0..trees {
            let before = found;
            // The last tree may have fewer huge frames.
            for huge in tree * TREE..self.huge_frames().min((tree + 1) * TREE) {
                self.recover_huge(persist, huge, &mut found);
            }
            let whole = (found.free_huge - before.free_huge).cast_signed();
            let frames = found.free - before.free;
            upper(tree, Amount { frames, whole });
        }
        for huge in self.huge_frames()..self.quads.len() * QUAD {
            if let Some(entry) = self.entry(huge) {
                set_entry(persist, entry, 0);
            }
        }
        self.persist_all(persist);
        found
    }

    fn recover_huge(&self, persist: &impl Persist, huge: usize, found: &mut Recovery) {
        let Some((entry, field)) = self.entry(huge).zip(self.field(huge)) else {
            return;
        };
        let stored = entry.load(persist);
        let value = match self.judge(persist, huge, stored, found) {
            Verdict::Whole => {
                if set_words(persist, field, |_, _| 0) > 0 || stored == entry::SPLITTING {
                    found.split_in_flight += 1;
                }
                entry::HUGE
            }
            Verdict::AllAllocated => {
                set_words(persist, field, |_, _| u64::MAX);
                0
            }
            Verdict::Counted => {
                let forced = set_words(persist, field, |index, old| old | self.absent(huge, index));
                found.tail_forced += forced;
                self.count(persist, field, stored)
            }
        };
        if value != stored {
            found.mended += 1;
            set_entry(persist, entry, value);
        }
        if value != entry::HUGE {
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
        let complete = self.present(huge) == Shape::<WORDS, TREE>::HUGE_FRAMES;
        match stored {
            entry::HUGE | entry::SPLITTING if complete => return Verdict::Whole,
            entry::FREEING | entry::SPLIT_DONE => return Verdict::Counted,
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

    /// Counts the clear bits; `stored` is what the entry says about them.
    fn count(&self, persist: &impl Persist, field: &[Cell; WORDS], stored: u16) -> u16 {
        if cfg!(mutant = "recover_skips_recount") && stored <= Self::FREE {
            return stored;
        }
        let clear = field.iter().map(|word| word.load(persist).count_zeros());
        #[expect(clippy::cast_possible_truncation, reason = "at most Self::FREE")]
        let count = clear.sum::<u32>() as u16;
        count
    }

    /// PERSIST: the tables before anything that vouches for them.
    fn persist_all<P: Persist>(&self, persist: &P) {
        if P::DOMAIN.needs_flush() {
            persist.flush(self.fields);
            persist.flush(self.quads);
            persist.flush(self.slots);
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
