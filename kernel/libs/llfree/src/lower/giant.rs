//! Giant frames: all entries of one at once.
//!
//! A giant frame is 512 huge frames, whose entries can't change in one step. So for
//! each there is a word that says what its entries mean as long as they say MEMBER:
//!
//! ```text
//!       claim              acknowledged          put
//! FREE ───────► CLAIMING ──────────────► GIANT ───────► FREE
//!                                          └─► SPLITTING ─▲
//!                                     put of a part
//! ```
//!
//! | word | what MEMBER means | what recovery does |
//! |---|---|---|
//! | FREE, CLAIMING | free, on the way into a giant frame or out of one | bits counted |
//! | GIANT | a part of it | all entries MEMBER, all bits clear |
//! | SPLITTING | allocated as a huge frame of its own | entry HUGE |
//!
//! The word alone decides, so taking and returning a giant frame makes durable what
//! taking a single frame does: one word. Who takes one holds the counts of all its
//! trees, so that nobody else looks for anything there. Splitting never keeps
//! anybody waiting: from SPLITTING on, a MEMBER is a huge frame like any other, and
//! who needs it as such changes the entry.

use frame::FrameId;
use persist::Persist;

use super::{Lower, persist_now};
use crate::cell::Cell;
use crate::entry::{self, QUAD, four, without_members};
use crate::error::PutError;
use crate::mutant::mutant;
use crate::shape::Shape;

/// Not allocated as one.
const FREE: u64 = 0;
/// Its entries are becoming MEMBER; not allocated yet.
const CLAIMING: u64 = 1;
/// Allocated as one.
const GIANT: u64 = 2;
/// Allocated as huge frames, of which some entries still say MEMBER.
const SPLITTING: u64 = 3;

/// What the word of a giant frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Giant {
    /// Each huge frame by itself; a MEMBER is free.
    Apart,
    /// Allocated as one.
    Whole,
    /// Each huge frame by itself; a MEMBER is allocated as a whole.
    Splitting,
    /// Nothing that this code writes: a MEMBER may be allocated.
    Unreadable,
}

impl<'m, const WORDS: usize, const TREE: usize> Lower<'m, WORDS, TREE> {
    /// Returns the number of giant frames that are in the zone as a whole.
    pub(crate) const fn giants(&self) -> usize {
        self.giants.len()
    }

    /// Returns the giant frame around a huge frame, if it is in the zone as a whole.
    pub(crate) const fn giant_around(&self, huge: usize) -> Option<usize> {
        let giant = huge / Shape::<WORDS, TREE>::GIANT_HUGE;
        if giant < self.giants() {
            Some(giant)
        } else {
            None
        }
    }

    /// Reads what the word of the giant frame around a huge frame says; without one,
    /// nothing is ever part of one.
    pub(crate) fn giant(&self, persist: &impl Persist, huge: usize) -> Giant {
        let word = self.giant_around(huge).map(|giant| &self.giants[giant]);
        match word.map_or(FREE, |word| word.load(persist)) {
            FREE | CLAIMING => Giant::Apart,
            GIANT => Giant::Whole,
            SPLITTING => Giant::Splitting,
            _ => Giant::Unreadable,
        }
    }

    /// Returns the words of a giant frame's entries.
    fn members(&self, giant: usize) -> &'m [Cell] {
        let quads = Shape::<WORDS, TREE>::GIANT_HUGE / QUAD;
        &self.quads[giant * quads..][..quads]
    }

    /// Takes a giant frame. The counts of all its trees have been taken.
    pub(crate) fn claim_giant(&self, persist: &impl Persist, giant: usize) -> bool {
        let (free, member) = (four(Self::FREE), four(entry::MEMBER));
        let Some(word) = self.giants.get(giant) else {
            return false;
        };
        // Refused while somebody is about to end a split, of which all parts have
        // been returned.
        if word.replace(persist, FREE, CLAIMING).is_err() {
            return false;
        }
        let members = self.members(giant);
        let claim = |quad: &&Cell| quad.replace(persist, free, member).is_ok();
        let claimed = members.iter().take_while(claim).count();
        let is_ours = claimed == members.len();
        if !is_ours {
            // Only if the tables were not consistent to begin with.
            for quad in &members[..claimed] {
                quad.store(persist, free);
            }
        }
        word.store(persist, if is_ours { GIANT } else { FREE });
        if is_ours && !mutant!("get_giant_skips_flush") {
            // PERSIST: the word before the caller's first use of the memory. The
            // entries need not be durable: the word decides.
            persist_now(persist, word);
        }
        is_ours
    }

    /// Returns a giant frame; its trees' counts are the caller's.
    pub(crate) fn put_giant(&self, persist: &impl Persist, giant: usize) -> Result<(), PutError> {
        let frame = FrameId(giant * Shape::<WORDS, TREE>::GIANT_FRAMES);
        let word = (self.giants.get(giant)).ok_or(PutError::NotAllocated { frame })?;
        if word.replace(persist, GIANT, FREE).is_err() {
            return Err(self.not_giant(persist, giant));
        }
        if !mutant!("put_giant_skips_flush") {
            // PERSIST: that it is free before the counts are back and anybody can take
            // parts of it; otherwise recovery finds a giant frame where parts are in
            // use.
            persist_now(persist, word);
        }
        for quad in self.members(giant) {
            quad.store(persist, four(Self::FREE));
        }
        Ok(())
    }

    /// Says why a giant frame can't be returned as one.
    fn not_giant(&self, persist: &impl Persist, giant: usize) -> PutError {
        let frame = FrameId(giant * Shape::<WORDS, TREE>::GIANT_FRAMES);
        let first = giant * Shape::<WORDS, TREE>::GIANT_HUGE;
        let mut all = first..first + Shape::<WORDS, TREE>::GIANT_HUGE;
        if let Some(huge) = (all.clone()).find(|&huge| self.is_offline(persist, huge)) {
            let frame = Self::frame_at(huge, 0);
            return PutError::Offline { frame };
        }
        let is_apart = self.giant(persist, first) == Giant::Apart;
        if is_apart && all.all(|huge| Self::is_free_entry(self.entry_value(persist, huge))) {
            PutError::NotAllocated { frame }
        } else {
            PutError::NotGiant { frame }
        }
    }

    /// Makes a MEMBER that is allocated a huge frame of its own; false if it is free.
    ///
    /// The first one splits the giant frame. The others need not wait for it: what
    /// is asked for, they do themselves.
    #[cold]
    pub(super) fn leave_giant(&self, persist: &impl Persist, huge: usize) -> bool {
        let Some(giant) = self.giant_around(huge) else {
            return false;
        };
        let (word, members) = (&self.giants[giant], self.members(giant));
        if word.load(persist) == GIANT {
            if !mutant!("split_giant_skips_members_flush") {
                // PERSIST: all members before the word that makes a huge frame of
                // each; otherwise recovery takes those that are missing for free.
                persist_now(persist, members);
            }
            if word.replace(persist, GIANT, SPLITTING).is_ok() {
                self.split_giant(persist, word, members);
                return true;
            }
        }
        if word.load(persist) == SPLITTING {
            // PERSIST: as in `split_giant`, who may not have got there yet.
            persist_now(persist, word);
            // Refused if the splitter was faster.
            let _ = self.quads[huge / QUAD].update(persist, without_members);
        }
        self.entry_value(persist, huge) != entry::MEMBER
    }

    /// Makes all members huge frames of their own. This is for the one who has set
    /// SPLITTING.
    fn split_giant(&self, persist: &impl Persist, word: &Cell, members: &[Cell]) {
        if !mutant!("split_giant_skips_state_flush") {
            // PERSIST: the word before the first part that is returned: until then
            // recovery would make everything one again, and forget that free.
            persist_now(persist, word);
        }
        for quad in members {
            // Refused where others have done it, or their part is free already.
            let _ = quad.update(persist, without_members);
        }
        if !mutant!("split_giant_ends_first") {
            // PERSIST: no member is left on the medium when the word says that those
            // are free.
            persist_now(persist, members);
        }
        word.store(persist, FREE);
        // PERSIST: before this giant frame can be taken again, and returned.
        persist_now(persist, word);
    }

    /// Ends what was under way when a crash came. All trees have been recovered, and
    /// that is durable. Returns how many words could not be read.
    pub(crate) fn end_giant_recovery(&self, persist: &impl Persist) -> usize {
        let mut unreadable = 0;
        for word in self.giants {
            let found = word.load(persist);
            if !matches!(found, FREE | GIANT) {
                unreadable += usize::from(found > SPLITTING);
                word.store(persist, FREE);
                // PERSIST: what FREE means is durable, and FREE is before the next
                // MEMBER.
                persist_now(persist, word);
            }
        }
        unreadable
    }

    /// Makes all giant frames free; durable with the rest.
    pub(super) fn clear_giants(&self, persist: &impl Persist) {
        for word in self.giants {
            word.store(persist, FREE);
        }
        persist_now(persist, self.giants);
    }
}
