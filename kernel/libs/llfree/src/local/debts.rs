//! Putting off what the counts are owed, and settling it.

use persist::Persist;

use super::Local;
use crate::debt::{Debt, Owed, Raise};
use crate::lower::Lower;
use crate::shape::{Shape, WORD_FRAMES};
use crate::tree::{Amount, Tree};
use crate::zone::{Zone, line};

/// The share of the zone's frames that a processor may owe.
const OWED_SHARE: usize = 64;
/// Huge frames that a processor may owe to a tree, or take in advance, at most.
const WHOLE_AHEAD: usize = 8;

impl<'m, P: Persist, const WORDS: usize, const TREE: usize> Local<'_, 'm, P, WORDS, TREE> {
    /// Adds frames, whose bits are clear, to the counts: later, if that is no risk.
    #[inline(never)]
    pub(super) fn owe(&mut self, huge: usize, frames: u16) {
        let (zone, persist) = (self.zone, &self.zone.persist);
        let Some(entry) = self.lower.entry(huge) else {
            return;
        };
        let tree = huge / TREE;
        if !self.may_hold || Self::is_scarce(self.trees.read(persist, tree)) {
            return zone.give_counts(tree, entry, u32::from(frames));
        }
        let mut debt = self.debts.at_place_of(persist, huge);
        if debt.huge != huge {
            self.pay(debt);
            debt = Debt { huge, frames: 0 };
        }
        debt.frames += frames;
        self.debts.set(persist, debt);
        let owing = self.owing() + usize::from(frames);
        self.set_owing(owing);
        // Nobody could take the huge frame as a whole.
        if entry.load(persist) + debt.frames >= Lower::<WORDS, TREE>::FREE {
            self.pay(debt);
        } else if owing > self.most_owing {
            self.pay_all();
        }
    }

    /// Returns the debt to a huge frame of whose frames `free` are free, if it may just
    /// be raised by so many, as most often.
    #[inline(always)]
    pub(super) fn raisable(
        &self,
        tree: usize,
        huge: usize,
        frames: u16,
        free: u16,
    ) -> Option<Raise<'m>> {
        let persist = &self.zone.persist;
        let (_, seen) = self.trees.peek(persist, tree)?;
        let limit = Lower::<WORDS, TREE>::FREE - free;
        if Self::is_scarce(seen) || self.owing() + usize::from(frames) > self.most_owing {
            return None;
        }
        self.debts.raisable(persist, huge, frames, limit)
    }

    /// Returns how many frames a processor may owe to a tree, or take in advance: all
    /// processors together not more than a quarter of the zone, where it is that large.
    pub(super) fn most_ahead(zone: &Zone<'m, P, WORDS, TREE>) -> usize {
        let share = zone.huge_frames() / (4 * zone.cpus());
        share.clamp(1, WHOLE_AHEAD) * Shape::<WORDS, TREE>::HUGE_FRAMES
    }

    /// Returns how many frames a processor may owe to entries.
    pub(super) const fn most_owing(zone: &Zone<'m, P, WORDS, TREE>) -> usize {
        zone.frames() / OWED_SHARE
    }

    /// Adds to a tree's word what its entries have already: later.
    #[inline(always)]
    pub(super) fn owe_tree(&mut self, tree: usize, seen: Tree, amount: Amount) {
        let owed = self.owed();
        let frames = owed.amount().frames + amount.frames;
        if self.may_hold
            && owed.tree() == tree
            && frames <= self.most_ahead
            && !Self::is_scarce(seen)
        {
            self.set_owed(owed.plus(amount));
        } else {
            self.owe_tree_anew(tree, seen, amount);
        }
    }

    /// The same where something else is owed, or enough.
    #[inline(never)]
    fn owe_tree_anew(&mut self, tree: usize, seen: Tree, amount: Amount) {
        if !self.may_hold || Self::is_scarce(seen) {
            return self.trees.give(&self.zone.persist, tree, amount);
        }
        if self.owed().tree() != tree {
            self.pay_tree();
        }
        let sum = self.owed().amount() + amount;
        self.set_owed(Owed::new(tree, sum));
        if sum.frames > self.most_ahead {
            self.pay_tree();
        }
    }

    /// Subtracts from a tree's word, which has just been read, what is about to be
    /// taken from its entries: from what is owed to it, if that is enough. That will
    /// break so many entirely free huge frames besides, it is thought.
    #[inline(always)]
    pub(super) fn take_tree(
        &mut self,
        tree: usize,
        seen: Tree,
        amount: Amount,
        broken: isize,
    ) -> bool {
        let owed = self.owed();
        if owed.covers(tree, amount) {
            self.set_owed(owed.minus(amount.and_whole(broken)));
            return true;
        }
        if self.may_hold
            && amount.frames >= WORD_FRAMES
            && self.take_tree_ahead(tree, seen, amount.and_whole(broken))
        {
            return true;
        }
        let persist = &self.zone.persist;
        self.trees.take_from(persist, tree, seen, amount, broken)
    }

    /// Takes more than this at once, where there is plenty, and owes the rest.
    ///
    /// What others need to see stays: a tree becomes scarce only by what is taken one by
    /// one. And it is only done where more is going to be taken, not on a visit.
    #[inline(never)]
    fn take_tree_ahead(&mut self, tree: usize, seen: Tree, amount: Amount) -> bool {
        let is_home = self.places.iter().any(|place| place.tree == tree);
        let huge_frames = Shape::<WORDS, TREE>::HUGE_FRAMES;
        let plenty = seen
            .free()
            .saturating_sub(Self::SCARCE)
            .min(self.most_ahead);
        let huge = plenty / huge_frames;
        let whole = if amount.whole > 0 { huge } else { 0 };
        let ahead = Amount {
            frames: huge * huge_frames,
            whole: whole.cast_signed(),
        };
        if !is_home || ahead.frames < amount.frames || ahead.whole < amount.whole {
            return false;
        }
        // What is owed of whole huge frames may be less than nothing, and must not add up.
        if self.owed().tree() == tree {
            self.pay_tree();
        }
        let persist = &self.zone.persist;
        let is_taken = self.trees.take_from(persist, tree, seen, ahead, 0);
        if is_taken {
            self.owe_tree(tree, seen, ahead - amount);
        }
        is_taken
    }

    /// Adds to a tree's word what was taken for nothing, with all that is owed to it:
    /// now, since later it would look like something that was freed.
    #[cold]
    pub(super) fn untake_tree(&mut self, tree: usize, amount: Amount) {
        if self.owed().tree() == tree {
            self.pay_tree();
        }
        self.trees.give(&self.zone.persist, tree, amount);
    }

    /// Frames of a tree that everybody has to see.
    const SCARCE: usize = Zone::<P, WORDS, TREE>::TREE_FRAMES / 8;

    /// Whether a tree has so little left that everybody has to see it.
    #[inline(always)]
    const fn is_scarce(tree: Tree) -> bool {
        tree.free() < Self::SCARCE
    }

    /// Settles all debts; returns how many frames a search could have missed for want
    /// of that.
    pub(super) fn pay_all(&mut self) -> usize {
        let tree = self.pay_tree();
        let entries = self.owing();
        if entries > 0 {
            let (debts, zone) = (self.debts, self.zone);
            debts.iter(&zone.persist).for_each(|debt| self.pay(debt));
            self.pay_tree();
        }
        tree + entries
    }

    /// Settles the debt to one entry; the tree's follows.
    #[cold]
    fn pay(&mut self, debt: Debt) {
        let persist = &self.zone.persist;
        if let Some(entry) = self.lower.entry(debt.huge)
            && debt.frames > 0
        {
            // First the place, then the counts: in between nobody is promised the
            // frames; the other way round statistics would count them twice.
            self.debts.set(persist, Debt { frames: 0, ..debt });
            let frames = usize::from(debt.frames);
            self.set_owing(self.owing() - frames);
            let whole = self.lower.give_count(persist, entry, debt.frames);
            let tree = debt.huge / TREE;
            let seen = self.trees.read(persist, tree);
            self.owe_tree(tree, seen, Amount { frames, whole });
        }
    }

    /// Settles the debt to one tree; returns how many frames a search could have missed.
    fn pay_tree(&mut self) -> usize {
        let owed = self.owed();
        let amount = owed.amount();
        if amount != Amount::default() {
            self.set_owed(Owed::default());
            self.trees.give(&self.zone.persist, owed.tree(), amount);
        }
        amount.worth(Shape::<WORDS, TREE>::HUGE_FRAMES)
    }

    /// How many frames the processor owes to entries; only in its line.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "stored as a `usize`")]
    pub(super) fn owing(&self) -> usize {
        self.line[line::OWING].load(&self.zone.persist) as usize
    }

    #[inline(always)]
    pub(super) fn set_owing(&mut self, frames: usize) {
        self.line[line::OWING].store(&self.zone.persist, frames as u64);
    }

    /// What the processor owes to a tree is only in its line.
    #[inline(always)]
    pub(super) fn owed(&self) -> Owed {
        Owed(self.line[line::OWED].load(&self.zone.persist))
    }

    #[inline(always)]
    pub(super) fn set_owed(&mut self, owed: Owed) {
        self.line[line::OWED].store(&self.zone.persist, owed.0);
    }
}
