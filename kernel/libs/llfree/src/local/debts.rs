//! Putting off what the counts are owed, and settling it.

use persist::Persist;

use super::Local;
use crate::debt::{Debt, Owed};
use crate::lower::Lower;
use crate::shape::{Shape, WORD_FRAMES};
use crate::tree::Amount;
use crate::zone::{Zone, line};

/// The share of the zone's frames that a processor may owe.
const OWED_SHARE: usize = 64;
/// Whole huge frames that a processor may owe to a tree, or take in advance.
const WHOLE_AHEAD: usize = 4;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Adds frames, whose bits are clear, to the counts: later, if that is no risk.
    #[inline]
    pub(super) fn owe(&mut self, huge: usize, frames: u16) {
        let (zone, persist) = (self.zone, &self.zone.persist);
        let Some(entry) = self.lower.entry(huge) else {
            return;
        };
        let tree = huge / TREE;
        if !self.may_hold || self.is_scarce(tree) {
            return zone.give_counts(tree, entry, u32::from(frames));
        }
        let mut debt = self.debts.at_place_of(persist, huge);
        if debt.huge != huge {
            self.pay(debt);
            debt = Debt { huge, frames: 0 };
        }
        debt.frames += frames;
        self.debts.set(persist, debt);
        self.set_owing(self.owing + usize::from(frames));
        // Nobody could take the huge frame as a whole.
        if entry.load(persist) + debt.frames >= Lower::<WORDS, TREE>::FREE {
            self.pay(debt);
        } else if self.owing > zone.frames() / OWED_SHARE {
            self.pay_all();
        }
    }

    /// Adds to a tree's word what its entries have already: later.
    pub(super) fn owe_tree(&mut self, tree: usize, amount: Amount) {
        if !self.may_hold || self.is_scarce(tree) {
            return self.trees.give(&self.zone.persist, tree, amount);
        }
        if self.owed.tree != tree {
            self.pay_tree();
        }
        let sum = self.owed.amount + amount;
        self.set_owed(Owed { tree, amount: sum });
        if sum.frames > WHOLE_AHEAD * Shape::<WORDS, TREE>::HUGE_FRAMES {
            self.pay_tree();
        }
    }

    /// Subtracts from a tree's word what is about to be taken from its entries:
    /// from what is owed to it, if that is enough.
    #[inline]
    pub(super) fn take_tree(&mut self, tree: usize, amount: Amount) -> bool {
        let owed = self.owed.amount;
        let is_whole = amount.whole <= 0 || owed.whole >= amount.whole;
        let is_enough = owed.frames >= amount.frames && is_whole;
        if self.owed.tree == tree && is_enough {
            let amount = owed - amount;
            self.set_owed(Owed { tree, amount });
            return true;
        }
        let persist = &self.zone.persist;
        if self.may_hold && amount.frames >= WORD_FRAMES && !self.is_scarce(tree) {
            let whole = if amount.whole > 0 { WHOLE_AHEAD } else { 0 };
            let ahead = Amount {
                frames: WHOLE_AHEAD * Shape::<WORDS, TREE>::HUGE_FRAMES,
                whole: whole.cast_signed(),
            };
            if self.trees.take(persist, tree, ahead) {
                self.owe_tree(tree, ahead - amount);
                return true;
            }
        }
        self.trees.take(persist, tree, amount)
    }

    /// Adds to a tree's word what was taken for nothing, with all that is owed to it:
    /// now, since later it would look like something that was freed.
    #[cold]
    pub(super) fn untake_tree(&mut self, tree: usize, amount: Amount) {
        if self.owed.tree == tree {
            self.pay_tree();
        }
        self.trees.give(&self.zone.persist, tree, amount);
    }

    /// Whether a tree has so little left that everybody has to see it.
    #[inline(always)]
    fn is_scarce(&self, tree: usize) -> bool {
        let free = self.trees.read(&self.zone.persist, tree).free();
        free < Zone::<P, WORDS, TREE>::TREE_FRAMES / 8
    }

    /// Settles all debts; returns how many frames that were.
    pub(super) fn pay_all(&mut self) -> usize {
        let all = self.owing + self.owed.amount.frames;
        if self.owing > 0 {
            let (debts, zone) = (self.debts, self.zone);
            debts.iter(&zone.persist).for_each(|debt| self.pay(debt));
        }
        self.pay_tree();
        all
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
            self.set_owing(self.owing - frames);
            let whole = self.lower.give_count(persist, entry, debt.frames);
            self.owe_tree(debt.huge / TREE, Amount { frames, whole });
        }
    }

    fn pay_tree(&mut self) {
        let Owed { tree, amount } = self.owed;
        if amount != Amount::default() {
            self.set_owed(Owed::default());
            self.trees.give(&self.zone.persist, tree, amount);
        }
    }

    fn set_owing(&mut self, frames: usize) {
        self.owing = frames;
        self.line[line::OWING].store(&self.zone.persist, frames as u64);
    }

    fn set_owed(&mut self, owed: Owed) {
        self.owed = owed;
        self.line[line::OWED].store(&self.zone.persist, owed.word());
    }
}
