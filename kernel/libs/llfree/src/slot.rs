//! What a processor holds, written down where a crash finds it.
//!
//! A processor takes a whole row of 64 frames at once and hands them out without
//! telling anybody, so after a crash the row says *allocated* for frames that
//! nobody has. The slot, one line in the lower tables for each processor, says
//! which: two *records*, for the row that it takes from ([`Side::Front`]) and for
//! the one that it gathers frees of ([`Side::Back`]), each a state with a row
//! number and a mask of frames.
//!
//! ```text
//!            mask, ANNOUNCED         row: set bits            OWNED
//! claim   ─────────────────────► ───────────────────► ─────────────────► get, put:
//!                                                                        a store
//! return  ◄───────────────────── ◄─────────────────── ◄───────────────── to the mask
//!            NONE                    row: clear bits          RETURNING
//! ```
//!
//! While a record says OWNED, the frames in its mask are free, whatever the row
//! says: recovery gives them back. In the two windows around the change of the
//! row it can't know whether that has happened, nor to whom the frames belong by
//! now; there the bits stay as they are and become *doubts*, the third record of
//! the line: see [`Zone::uncertain`](crate::Zone::uncertain).
//!
//! All stores here are plain ones. They become durable in program order, and the
//! locked instruction that changes the row stands between a window's two ends.
//!
//! | word | content |
//! |---|---|
//! | 0, 1 | front: state (bits 0..3) and row (3..64), mask |
//! | 2, 3 | back: the same |
//! | 4, 5 | doubts: the same |
//! | 6 | names, see [`Names`] |
//! | 7 | zero |
//!
//! Where durability takes flushes there are names instead of the first two records,
//! and the masks are in DRAM; the records then hold [reservations](crate::booking).

use persist::Persist;

use crate::cell::Cell;
use crate::layout::LINE_CELLS;
use crate::mutant::mutant;
use crate::name::Names;
use crate::promise::Promise;

/// Nothing is held; the mask does not matter.
pub(crate) const NONE: u64 = 0;
/// The frames in the mask are being taken from the row.
pub(crate) const ANNOUNCED: u64 = 1;
/// The frames in the mask are the processor's, and free.
pub(crate) const OWNED: u64 = 2;
/// The frames in the mask are being returned to the row.
const RETURNING: u64 = 3;
/// The frames in the mask may be anybody's.
const DOUBT: u64 = 4;

/// Bits of a head that are the state.
const STATE_BITS: u32 = 3;

/// Which of a processor's two held rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The row that is taken from.
    Front = 0,
    /// The row whose freed frames are gathered.
    Back = 2,
}

impl Side {
    /// Both of them.
    pub(crate) const BOTH: [Self; 2] = [Self::Front, Self::Back];
}

/// Where the doubts are in a line.
const DOUBTS: usize = 4;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Nothing.
    None,
    /// These frames of the row are free.
    Owned(Bits),
    /// These frames were on their way from or to the row.
    Window(Bits),
    /// Nothing that this code writes.
    Unreadable,
}

/// Some of the frames of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    /// Number of the row.
    pub(crate) row: usize,
    /// A set bit for each frame.
    pub(crate) mask: u64,
}

/// The line of one processor, written by that processor alone.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'m> {
    words: &'m [Cell; LINE_CELLS],
    names: Names<'m>,
}

impl<'m> Slot<'m> {
    /// Uses this line.
    pub(crate) const fn new(words: &'m [Cell; LINE_CELLS]) -> Self {
        let names = Names::nowhere();
        Self { words, names }
    }

    /// Uses this line for the masks alone, and these names.
    pub(crate) const fn named(words: &'m [Cell; LINE_CELLS], names: Names<'m>) -> Self {
        Self { words, names }
    }

    /// Returns a word that may stand in for the word of a row.
    pub(crate) const fn any_word(self) -> &'m Cell {
        &self.words[0]
    }

    /// Returns the word that is the mask of a record.
    pub(crate) const fn mask_word(self, side: Side) -> &'m Cell {
        &self.words[side as usize + 1]
    }

    /// Returns the mask of a record.
    #[inline(always)]
    pub(crate) fn mask(self, persist: &impl Persist, side: Side) -> u64 {
        self.words[side as usize + 1].load(persist)
    }

    /// Changes the mask of a record that says OWNED: a frame was handed out or
    /// taken back.
    #[inline(always)]
    pub(crate) fn set_mask(self, persist: &impl Persist, side: Side, mask: u64) {
        self.words[side as usize + 1].store(persist, mask);
    }

    /// Says that these frames are about to be taken from their row. The record
    /// holds nothing any more.
    pub(crate) fn announce<P: Persist>(self, persist: &P, side: Side, bits: Bits) {
        if P::NAMES {
            self.names.rename(persist, side, Some(bits.row));
            // PERSIST: the name before the row's bits, which are changed next.
            if !mutant!("claim_skips_order") {
                persist.order();
            }
            return;
        }
        if mutant!("claim_without_announcement") {
            return self.clear(persist, side);
        }
        self.write(persist, side, ANNOUNCED, bits);
    }

    /// Says that these frames, whose bits are set in the row, are free all the same.
    pub(crate) fn own<P: Persist>(self, persist: &P, side: Side, bits: Bits) {
        if P::NAMES {
            self.names.rename(persist, side, Some(bits.row));
            // PERSIST: the name before a free is acknowledged of which the row knows
            // nothing yet.
            persist.fence();
            return self.set_mask(persist, side, bits.mask);
        }
        self.write(persist, side, OWNED, bits);
    }

    /// Says that what was announced has happened.
    pub(crate) fn confirm<P: Persist>(self, persist: &P, side: Side, bits: Bits) {
        if P::NAMES {
            return self.set_mask(persist, side, bits.mask);
        }
        if mutant!("claim_without_announcement") {
            return self.own(persist, side, bits);
        }
        self.head(side).store(persist, head(OWNED, bits.row));
    }

    /// Says that the frames in the mask are about to be returned to their row.
    pub(crate) fn begin_return<P: Persist>(self, persist: &P, side: Side, row: usize) {
        if P::NAMES {
            return;
        }
        if mutant!("return_forgets_first") {
            return self.clear(persist, side);
        }
        if mutant!("return_without_state") {
            return;
        }
        self.head(side).store(persist, head(RETURNING, row));
    }

    /// Says that nothing is held.
    pub(crate) fn clear<P: Persist>(self, persist: &P, side: Side) {
        if P::NAMES {
            self.names.forget(persist, side);
            return self.set_mask(persist, side, 0);
        }
        self.wipe(persist, side);
    }

    /// Removes a record, of whatever domain and mode.
    pub(crate) fn wipe(self, persist: &impl Persist, side: Side) {
        self.head(side).store(persist, NONE);
        self.set_mask(persist, side, 0);
    }

    /// Moves the record of the back, in state OWNED, to the front, which is empty.
    pub(crate) fn bring_forward<P: Persist>(self, persist: &P, bits: Bits) {
        if P::NAMES {
            self.names.bring_forward(persist);
            self.set_mask(persist, Side::Front, bits.mask);
            return self.set_mask(persist, Side::Back, 0);
        }
        // For a moment both own the same frames; freeing them twice is freeing
        // them once, and none is handed out before the second store.
        self.own(persist, Side::Front, bits);
        self.clear(persist, Side::Back);
    }

    /// Returns what a record says.
    pub(crate) fn read(self, persist: &impl Persist, side: Side) -> Record {
        let word = self.head(side).load(persist);
        let bits = self.bits(persist, side as usize);
        match word & ((1 << STATE_BITS) - 1) {
            NONE if word == NONE => Record::None,
            OWNED => Record::Owned(bits),
            ANNOUNCED if mutant!("recover_frees_announced") => Record::Owned(bits),
            ANNOUNCED | RETURNING => Record::Window(bits),
            _ => Record::Unreadable,
        }
    }

    /// Returns the frames of the row that this processor holds.
    #[inline]
    pub(crate) fn held_of(self, persist: &impl Persist, row: usize) -> u64 {
        let of = |side| match self.holding(persist, side) {
            Record::Owned(bits) if bits.row == row => bits.mask,
            _ => 0,
        };
        of(Side::Front) | of(Side::Back)
    }

    /// Returns what this processor holds on one side: what its record says, or its
    /// name with the mask.
    pub(crate) fn holding<P: Persist>(self, persist: &P, side: Side) -> Record {
        if !P::NAMES {
            return self.read(persist, side);
        }
        let mask = self.mask(persist, side);
        let named = self.names.row(persist, side);
        named.map_or(Record::None, |row| Record::Owned(Bits { row, mask }))
    }

    /// Returns how many frames this processor holds.
    pub(crate) fn held(self, persist: &impl Persist) -> usize {
        let of = |side| match self.holding(persist, side) {
            Record::Owned(bits) => bits.mask.count_ones() as usize,
            _ => 0,
        };
        of(Side::Front) + of(Side::Back)
    }

    /// Returns the frames in doubt, if any are.
    pub(crate) fn doubts(self, persist: &impl Persist) -> Option<Bits> {
        let word = self.words[DOUBTS].load(persist);
        let bits = self.bits(persist, DOUBTS);
        (word & ((1 << STATE_BITS) - 1) == DOUBT && bits.mask != 0).then_some(bits)
    }

    /// Adds to the frames in doubt; false if those are of another row. Nobody may
    /// use the zone yet.
    pub(crate) fn add_doubts(self, persist: &impl Persist, bits: Bits) -> bool {
        match self.doubts(persist) {
            Some(old) if old.row != bits.row => return false,
            Some(old) => self.words[DOUBTS + 1].store(persist, old.mask | bits.mask),
            None => {
                self.words[DOUBTS].store(persist, NONE);
                self.words[DOUBTS + 1].store(persist, bits.mask);
                self.words[DOUBTS].store(persist, head(DOUBT, bits.row));
            }
        }
        true
    }

    /// Removes frames from those in doubt; returns which of them were. Several
    /// processors may do this.
    pub(crate) fn settle_doubts(self, persist: &impl Persist, bits: Bits) -> u64 {
        if (self.doubts(persist)).is_none_or(|old| old.row != bits.row) {
            return 0;
        }
        let step = |old: u64| (old & bits.mask != 0).then_some(old & !bits.mask);
        match self.words[DOUBTS + 1].update(persist, step) {
            Ok(old) => old & bits.mask,
            Err(_) => 0,
        }
    }

    /// Makes the line durable where that takes an instruction.
    pub(crate) fn persist<P: Persist>(self, persist: &P) {
        if P::DOMAIN.needs_flush() {
            persist.flush(self.words);
            // PERSIST: a caller is about to overwrite what this repeats.
            persist.fence();
        }
    }

    fn write(self, persist: &impl Persist, side: Side, state: u64, bits: Bits) {
        if !mutant!("claim_keeps_head") {
            // The mask belongs to the row in the head: while it changes there must
            // be none, or recovery would free the new frames of the old row.
            self.head(side).store(persist, NONE);
        }
        self.set_mask(persist, side, bits.mask);
        self.head(side).store(persist, head(state, bits.row));
    }

    fn bits(self, persist: &impl Persist, at: usize) -> Bits {
        let row = (self.words[at].load(persist) >> STATE_BITS) as usize;
        let mask = self.words[at + 1].load(persist);
        Bits { row, mask }
    }

    const fn head(self, side: Side) -> &'m Cell {
        &self.words[side as usize]
    }
}

/// Returns the first word of a record.
pub(crate) const fn head(state: u64, row: usize) -> u64 {
    state | (row as u64) << STATE_BITS
}

/// Returns the state and the row of such a word.
pub(crate) const fn unpack(head: u64) -> (u64, usize) {
    (
        head & ((1 << STATE_BITS) - 1),
        (head >> STATE_BITS) as usize,
    )
}
