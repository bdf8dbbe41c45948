//! Serving several classes of content with one handle.
//!
//! A handle has places for each class, but those of the class that it serves are where
//! the other modules look for them. That is the default one, but for as long as a
//! block of another is looked for; so whoever names no class pays for none.
//!
//! The front row stays with the class that it was taken for: gets of another one go
//! without, and take it over only if there are several. So a mixture costs no more
//! than the shared tables do, and a change of habit a few gets.

use frame::{FrameId, Order};
use persist::Persist;

use super::Local;
use super::held::Held;
use super::place::{PARTS, Place, WHOLES};
use crate::class::Class;
use crate::error::GetError;
use crate::slot::Side;
use crate::tree::Tag;
use crate::zone::line;

/// Gets of another class after which it takes the front row over.
const TAKE_OVER_AFTER: usize = 8;

/// What a handle knows of the classes that it does not serve right now.
pub(super) struct Classes {
    /// The class that is served.
    served: Class,
    /// Their places. Those of the class that is served are elsewhere, and old here.
    parked: [[Place; 2]; Class::ALL.len()],
    /// The class that the front row was taken for.
    of_front: Class,
    /// Gets in a row that the front row could not answer, being another class's.
    passed_by: usize,
    /// Whether a class has ever been named.
    named: bool,
}

impl Classes {
    /// Serves the default, and begins with all others at this tree.
    pub(super) fn beginning_at(place: Place) -> Self {
        let at = |class| Place {
            tag: Tag::new(class),
            ..place
        };
        Self {
            served: Class::default(),
            parked: Class::ALL.map(|class| [at(class); 2]),
            of_front: Class::default(),
            passed_by: 0,
            named: false,
        }
    }

    /// Returns the class that is served.
    #[inline(always)]
    pub(super) const fn served(&self) -> Class {
        self.served
    }

    /// Returns the class that the front row was taken for, if there is one.
    #[inline(always)]
    pub(super) const fn of_front(&self) -> Class {
        self.of_front
    }
}

impl<'m, P: Persist, const WORDS: usize, const TREE: usize> Local<'_, 'm, P, WORDS, TREE> {
    /// Takes a block for a class that is not at hand.
    #[inline(never)]
    pub(super) fn get_slowly_as(
        &mut self,
        order: Order,
        class: Class,
    ) -> Result<FrameId, GetError> {
        self.classes.named = true;
        self.serve(class);
        let found = self.get_slowly(order);
        self.serve(Class::default());
        found.ok_or_else(|| self.refusal(order))
    }

    /// Serves a class from now on.
    pub(super) fn serve(&mut self, class: Class) {
        if class == self.classes.served {
            return;
        }
        let parked = &mut self.classes.parked;
        parked[self.classes.served.number()] = self.places;
        self.places = parked[class.number()];
        self.classes.served = class;
    }

    /// Ends those reservations of other classes that `is_over` says are.
    fn release_others(&mut self, is_over: impl Fn(&Self, usize) -> bool) {
        let served = self.classes.served;
        for class in Class::ALL.into_iter().filter(|&class| class != served) {
            self.serve(class);
            for kind in [PARTS, WHOLES] {
                if is_over(self, self.places[kind].tree) {
                    self.release(kind);
                }
            }
        }
        self.serve(served);
    }

    /// Ends all reservations.
    pub(super) fn release_all(&mut self) {
        self.release_others(|_, _| true);
        self.release(PARTS);
        self.release(WHOLES);
    }

    /// Before a search, where classes have been named: ends reservations of trees of
    /// which nothing is taken, once they have what they are owed. Whoever comes may make
    /// them one of their class.
    pub(super) fn release_unused(&mut self) {
        if self.classes.named {
            self.pay_all();
            self.release_others(|local, tree| local.zone.class_of(tree).is_none());
        }
    }

    /// Whether the front row, if there is one, is for the class that is served.
    pub(super) fn is_front_ours(&self) -> bool {
        self.classes.of_front == self.classes.served
    }

    /// Says that the front row is for the class that is served.
    pub(super) fn front_is_ours(&mut self) {
        let class = self.classes.served;
        self.classes.of_front = class;
        self.classes.passed_by = 0;
        self.at_hand = if class == Class::default() {
            self.slot.mask_word(Side::Front)
        } else {
            &self.line[line::ZERO]
        };
    }

    /// Notes that the front row could not answer a get. Returns it if it stands in the
    /// way, so that the class that is served can take one.
    pub(super) fn pass_by_front(&mut self) {
        if self.is_front_ours() {
            self.classes.passed_by = 0;
            return;
        }
        if self.slot.mask(&self.zone.persist, Side::Front) == 0 {
            return;
        }
        self.classes.passed_by += 1;
        if self.classes.passed_by >= TAKE_OVER_AFTER {
            self.classes.passed_by = 0;
            self.return_side(Side::Front);
        }
    }

    /// Before a row of a tree is taken: returns the back if it is of that tree, which
    /// another class has then. No row is ever held on both sides, or neither would know
    /// which of its frames are free.
    pub(super) fn make_way_in(&mut self, tree: usize) {
        let is_there = |row| row / (WORDS * TREE) == tree;
        if self.slot.mask(&self.zone.persist, Side::Back) != 0
            && self.back.number().is_some_and(is_there)
        {
            self.return_side(Side::Back);
        }
    }

    /// Whether a held row is in a tree of the class that is served.
    pub(super) fn is_of_class(&self, held: Held<'m>) -> bool {
        held.number().is_some_and(|row| {
            let tree = row / (WORDS * TREE);
            self.trees.read(&self.zone.persist, tree).class() == self.classes.served
        })
    }
}
