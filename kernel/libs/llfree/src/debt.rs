//! Counts that a processor still owes.
//!
//! Of the three locked operations of a free only one is about the frame: the
//! other two correct the counts of the entry and of the tree, which are soft. A
//! processor may put them off, one number for each huge frame, and settle many
//! frees with one addition. Until then the frames are free by their bits but not
//! in the counts, so that nobody else is promised them; a crash loses nothing,
//! since recovery counts bits.
//!
//! What is owed to a huge frame's entry is owed to its tree as well. There is one
//! number more for frames of one tree that are in the entries' counts already.
//!
//! Written by their processor alone, with plain stores; read by others for
//! statistics.

use persist::Persist;

use crate::cell::Cell;
use crate::tree::Amount;

/// The most huge frames that a processor can owe to at once: beyond, a slot is
/// shared by several, of which the last one stays.
const MAX_DEBTS: usize = 4096;
/// Debts in a word.
const PER_CELL: usize = 2;

/// Bits of a debt that are its number of frames.
const FRAMES_BITS: u32 = 12;

/// Frames of one huge frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    pub(crate) huge: usize,
    pub(crate) frames: u16,
}

/// What one processor owes to entries.
#[derive(Clone, Copy)]
pub(crate) struct Debts<'m>(&'m [Cell]);

/// Returns how many words of debts a processor has.
pub(crate) const fn cells(huge_frames: usize) -> usize {
    let wanted = huge_frames.next_power_of_two();
    if wanted > MAX_DEBTS {
        MAX_DEBTS / PER_CELL
    } else {
        wanted.div_ceil(PER_CELL)
    }
}

impl<'m> Debts<'m> {
    /// Uses these words, as many as [`cells`] says.
    pub(crate) const fn new(cells: &'m [Cell]) -> Self {
        Self(cells)
    }

    /// Returns the debt that has the place of this huge frame's.
    #[inline(always)]
    pub(crate) fn at_place_of(self, persist: &impl Persist, huge: usize) -> Debt {
        let place = huge & (self.len() - 1);
        let word = self.0[place / PER_CELL].load(persist) >> shift(place);
        #[expect(clippy::cast_possible_truncation, reason = "cuts the fields out")]
        let (tag, frames) = (
            word as u32 >> FRAMES_BITS,
            word as u16 & ((1 << FRAMES_BITS) - 1),
        );
        let huge = tag as usize * MAX_DEBTS + place;
        Debt { huge, frames }
    }

    /// Returns the debt of this huge frame to be raised, if its place is not another's
    /// and it will stay below `limit`.
    #[inline(always)]
    pub(crate) fn raisable(
        self,
        persist: &impl Persist,
        huge: usize,
        frames: u16,
        limit: u16,
    ) -> Option<Raise<'m>> {
        let place = huge & (self.len() - 1);
        let cell = self.0.get(place / PER_CELL)?;
        let word = cell.load(persist);
        #[expect(clippy::cast_possible_truncation, reason = "cuts the debt out")]
        let debt = (word >> shift(place)) as u32;
        let before = debt & ((1 << FRAMES_BITS) - 1);
        let is_ours = (debt >> FRAMES_BITS) as usize == huge / MAX_DEBTS;
        (is_ours && before + u32::from(frames) < u32::from(limit)).then_some(Raise {
            cell,
            word,
            place,
        })
    }

    /// Replaces the debt that has the place of this one.
    #[inline(always)]
    pub(crate) fn set(self, persist: &impl Persist, debt: Debt) {
        let place = debt.huge & (self.len() - 1);
        let tag = (debt.huge / MAX_DEBTS) as u64;
        let value = tag << FRAMES_BITS | u64::from(debt.frames);
        let cell = &self.0[place / PER_CELL];
        let others = cell.load(persist) & !(u64::from(u32::MAX) << shift(place));
        cell.store(persist, others | value << shift(place));
    }

    /// Returns all that is owed, in the order of places.
    pub(crate) fn iter(self, persist: &impl Persist) -> impl Iterator<Item = Debt> {
        let all = (0..self.len()).map(move |place| self.at_place_of(persist, place));
        all.filter(|debt| debt.frames > 0)
    }

    const fn len(self) -> usize {
        self.0.len() * PER_CELL
    }
}

/// A debt that has been looked at.
#[derive(Clone, Copy)]
pub(crate) struct Raise<'m> {
    cell: &'m Cell,
    word: u64,
    place: usize,
}

impl Raise<'_> {
    /// Adds these frames. Nothing may have changed since the debt was looked at.
    #[inline(always)]
    pub(crate) fn by(self, persist: &impl Persist, frames: u16) {
        let more = u64::from(frames) << shift(self.place);
        self.cell.store(persist, self.word + more);
    }
}

/// Without a branch, which could not be foreseen where frames come in random order.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 32")]
const fn shift(place: usize) -> u32 {
    (place % PER_CELL) as u32 * (u64::BITS / PER_CELL as u32)
}

/// What is owed to the word of one tree, in a word like that one, but for the tree's
/// number above the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owed(pub(crate) u64);

impl Owed {
    /// Bits that are the number of frames.
    const FRAMES_BITS: u32 = 16;
    /// Bits that are the number of the tree.
    const TREE_BITS: u32 = 32;

    /// Owes this to a tree.
    #[inline(always)]
    pub(crate) const fn new(tree: usize, amount: Amount) -> Self {
        Self(((tree as u64) << Self::FRAMES_BITS).wrapping_add(amount.word()))
    }

    /// Returns the tree.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "cuts the field out")]
    pub(crate) const fn tree(self) -> usize {
        (self.0 >> Self::FRAMES_BITS) as u32 as usize
    }

    /// Returns what is owed to it.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "cuts the fields out, one of which is signed"
    )]
    pub(crate) const fn amount(self) -> Amount {
        Amount {
            frames: self.0 as u16 as usize,
            whole: (self.0 as i64 >> (Self::FRAMES_BITS + Self::TREE_BITS)) as isize,
        }
    }

    /// Whether this could be taken from what is owed to a tree.
    #[inline(always)]
    pub(crate) const fn covers(self, tree: usize, amount: Amount) -> bool {
        let Amount { frames, whole } = self.amount();
        let is_whole = amount.whole <= 0 || whole >= amount.whole;
        frames >= amount.frames && is_whole && self.tree() == tree
    }

    /// Returns what is owed with this too.
    #[inline(always)]
    pub(crate) const fn plus(self, amount: Amount) -> Self {
        Self(self.0.wrapping_add(amount.word()))
    }

    /// Returns what is owed after this has been paid.
    #[inline(always)]
    pub(crate) const fn minus(self, amount: Amount) -> Self {
        Self(self.0.wrapping_sub(amount.word()))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use persist::Volatile;

    use super::*;

    #[test]
    fn debts_of_neighbours_do_not_touch() {
        let cells: Vec<_> = (0..cells(6)).map(|_| Cell::new(0)).collect();
        let debts = Debts::new(&cells);
        for (huge, frames) in [(0, 5), (1, 512), (7, 1)] {
            debts.set(&Volatile, Debt { huge, frames });
        }
        let all: Vec<_> = debts
            .iter(&Volatile)
            .map(|debt| (debt.huge, debt.frames))
            .collect();
        assert_eq!(all, [(0, 5), (1, 512), (7, 1)]);
    }

    #[test]
    fn a_place_says_whose_debt_it_has() {
        let cells: Vec<_> = (0..cells(1 << 20)).map(|_| Cell::new(0)).collect();
        let debts = Debts::new(&cells);
        let huge = (1 << 20) - 3;
        debts.set(&Volatile, Debt { huge, frames: 9 });
        let found = debts.at_place_of(&Volatile, MAX_DEBTS - 3);
        assert_eq!(found, Debt { huge, frames: 9 });
    }

    #[test]
    fn a_frame_is_added_below_the_limit_and_where_the_place_is_free() {
        let cells: Vec<_> = (0..cells(1 << 20)).map(|_| Cell::new(0)).collect();
        let debts = Debts::new(&cells);
        let raise = |huge, frames, limit| {
            let debt = debts.raisable(&Volatile, huge, frames, limit);
            debt.inspect(|debt| debt.by(&Volatile, frames)).is_some()
        };
        let huge = MAX_DEBTS + 5;
        assert!(!raise(huge, 1, 512), "the place of 5");
        debts.set(&Volatile, Debt { huge, frames: 1 });
        assert!(raise(huge, 1, 3));
        assert!(!raise(huge, 1, 3), "at the limit");
        assert!(raise(4, 128, 200), "of the same word");
        assert_eq!(debts.at_place_of(&Volatile, 5), Debt { huge, frames: 2 });
        assert_eq!(debts.at_place_of(&Volatile, 4).frames, 128);
    }

    #[test]
    fn what_is_owed_to_a_tree_is_what_was_not_paid() {
        let of = |frames, whole| Amount { frames, whole };
        let owed = Owed::new(70_000, of(1536, -2));
        assert_eq!((owed.tree(), owed.amount()), (70_000, of(1536, -2)));
        let rest = owed.minus(of(1536, 1));
        assert_eq!((rest.tree(), rest.amount()), (70_000, of(0, -3)));
    }
}
