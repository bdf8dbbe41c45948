//! From which trees a handle takes.
//!
//! One for parts of huge frames, one for whole ones, for each class, reserved where possible
//! so that processors stay out of each other's way. A reservation keeps nobody
//! from anything: whoever finds nothing better takes from any tree.

use frame::FrameId;
use persist::Persist;

use super::Local;
use crate::shape::Shape;
use crate::tree::{Tag, Tree};
use crate::zone::Zone;

/// Where the next search begins.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) tree: usize,
    /// A frame in the tree: the one that was taken last.
    pub(super) near: usize,
    /// Class of the tree. Where that is another one by now, the search begins anew; that
    /// can't be while the tree is reserved.
    pub(super) tag: Tag,
    pub(super) reserved: bool,
}

impl Place {
    /// Returns the start of a tree, not reserved.
    pub(super) const fn at_start_of(tree: usize, tree_frames: usize, tag: Tag) -> Self {
        Self {
            tree,
            near: tree * tree_frames,
            tag,
            reserved: false,
        }
    }
}

/// Into which tree the last frees went, and how many in a row.
pub(super) struct Freed {
    tree: usize,
    times: usize,
    /// The row of the last frame that was freed by itself; [`Freed::NO_ROW`] if that
    /// was none.
    pub(super) row: usize,
}

impl Freed {
    /// The number of no row.
    pub(super) const NO_ROW: usize = usize::MAX;

    /// Nothing was freed.
    pub(super) const fn nothing() -> Self {
        Self {
            tree: 0,
            times: 0,
            row: Self::NO_ROW,
        }
    }
}

/// Index of the place that serves parts of huge frames.
pub(super) const PARTS: usize = 0;
/// Index of the place that serves whole huge frames.
pub(super) const WHOLES: usize = 1;

/// Frees in a row into one tree after which a processor moves there.
const MOVE_AFTER: usize = 4;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Returns which place serves an order.
    #[inline(always)]
    pub(super) fn kind(order: u8) -> usize {
        usize::from(order >= Shape::<WORDS, TREE>::HUGE_ORDER)
    }

    /// Takes from this place from now on, and reserves its tree unless somebody
    /// else has, or has made it one of another class than was seen. If it is reserved,
    /// the tree is of the place's class.
    pub(super) fn move_to(&mut self, kind: usize, to: Place, seen: Tag) {
        let zone = self.zone;
        if self.places[kind].reserved && self.places[kind].tree == to.tree {
            self.places[kind].near = to.near;
            return;
        }
        self.release(kind);
        let reserved = zone.trees.reserve(&zone.persist, to.tree, seen, to.tag);
        self.places[kind] = Place { reserved, ..to };
        if reserved {
            self.note(kind, to.tree + 1);
        }
    }

    /// Ends the reservation of a place.
    pub(super) fn release(&mut self, kind: usize) {
        let place = &mut self.places[kind];
        if core::mem::take(&mut place.reserved) {
            self.trees.release(&self.zone.persist, place.tree);
            self.note(kind, 0);
        }
    }

    /// Notes where a free has gone; returns whether the processor had better follow,
    /// with [`Self::follow`].
    ///
    /// Where frames come in random order, whether this tree is the last one's can't be
    /// foreseen, so there is no branch on it.
    #[inline(always)]
    pub(super) fn freed_into(&mut self, tree: usize) -> bool {
        let before = if self.freed.tree == tree {
            self.freed.times
        } else {
            0
        };
        self.freed.tree = tree;
        self.freed.times = before + 1;
        before + 1 >= MOVE_AFTER && tree != self.places[PARTS].tree
    }

    /// Moves to the tree that frees keep going into: what has just been freed is the
    /// best to take next, for the class that the tree is of.
    #[inline(never)]
    pub(super) fn follow(&mut self, frame: FrameId) {
        let tree = frame.0 / Zone::<P, WORDS, TREE>::TREE_FRAMES;
        self.freed.times = 0;
        let word = self.trees.read(&self.zone.persist, tree);
        if word.in_use() {
            return;
        }
        let (served, class) = (self.classes.served(), word.class());
        self.serve(class);
        let tag = Tag::new(class);
        let start = Place::at_start_of(tree, Zone::<P, WORDS, TREE>::TREE_FRAMES, tag);
        let near = frame.0;
        self.move_to(PARTS, Place { near, ..start }, word.tag());
        self.serve(served);
    }

    /// Whether a tree is of the class that a place there has it for. What is owed to it
    /// may be of any.
    #[inline(always)]
    pub(super) fn is_tagged(&self, tree: usize, tag: Tag) -> bool {
        self.trees.read(&self.zone.persist, tree).is_tagged(tag)
    }

    /// Whether it is no use to look for a block of this order in the tree of a place, or
    /// there is something else to do first.
    #[inline(always)]
    pub(super) fn is_hindered(&self, seen: Tree, tag: Tag, order: u8) -> bool {
        (seen.obstacles(tag, order) | self.wanted()) != 0
    }

    /// Writes down which tree the processor has reserved.
    fn note(&self, kind: usize, value: usize) {
        let place = self.classes.served().number() * self.places.len() + kind;
        self.reserved[place].store(&self.zone.persist, value as u64);
    }
}
