//! What one processor uses to take and return frames.

use core::cell::Cell as NotShared;
use core::marker::PhantomData;

use frame::{FrameId, Order};
use persist::Persist;

use crate::error::{GetError, PutError};
use crate::shape::Shape;
use crate::zone::{Zone, slot};

/// A processor's handle on a [`Zone`].
///
/// There is one a processor; it may move to another thread but never be used by
/// two, which the type system sees to. It remembers from which trees the
/// processor takes: one for parts of huge frames, one for whole ones, each
/// reserved where possible so that processors stay out of each other's way.
///
/// Nothing is hoarded: a frame that is free can be taken by any processor.
/// Dropping the handle ends its reservations and makes its number available
/// again; a handle that was forgotten costs others a detour, no memory.
///
/// Must not be entered again from an interrupt: whoever allocates in interrupt
/// handlers needs to disable interrupts around each call, or a handle for them.
pub struct Local<'z, 'm, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    zone: &'z Zone<'m, P, WORDS, TREE>,
    cpu: usize,
    /// Where to take parts of huge frames from, and whole ones.
    places: [Place; 2],
    freed: Freed,
    /// Makes the handle `!Sync`, also for those who only have a reference.
    not_sync: PhantomData<NotShared<()>>,
}

/// Where the next search begins.
#[derive(Clone, Copy)]
struct Place {
    tree: usize,
    /// A frame in the tree: the one that was taken last.
    near: usize,
    reserved: bool,
}

/// Into which tree the last frees went, and how many in a row.
struct Freed {
    tree: usize,
    times: u32,
}

/// Index of the place that serves parts of huge frames.
const PARTS: usize = 0;
/// Index of the place that serves whole huge frames.
const WHOLES: usize = 1;

/// Frees in a row into one tree after which a processor moves there.
const MOVE_AFTER: u32 = 4;

impl<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> Local<'z, 'm, P, WORDS, TREE> {
    pub(crate) fn new(zone: &'z Zone<'m, P, WORDS, TREE>, cpu: usize) -> Self {
        // Processors begin far from each other.
        let tree = cpu * zone.trees.len() / zone.slots.len();
        let near = tree * Zone::<P, WORDS, TREE>::TREE_FRAMES;
        let place = Place {
            tree,
            near,
            reserved: false,
        };
        let mut local = Self {
            zone,
            cpu,
            places: [place; 2],
            freed: Freed { tree, times: 0 },
            not_sync: PhantomData,
        };
        local.move_to(PARTS, tree, near);
        local
    }

    /// Returns the number of the processor.
    pub const fn cpu(&self) -> usize {
        self.cpu
    }

    /// Takes a block.
    ///
    /// # Errors
    ///
    /// Returns [`GetError::OutOfMemory`] if no tree had such a block when it was
    /// looked at: while others allocate and free, one may exist at any time and
    /// still be missed. Returns [`GetError::BadOrder`] above [`Zone::MAX_ORDER`].
    #[inline]
    pub fn get(&mut self, order: Order) -> Result<FrameId, GetError> {
        let kind = Self::kind(order);
        let place = &mut self.places[kind];
        if order <= Zone::<P, WORDS, TREE>::MAX_ORDER
            && let Some(frame) = self.zone.get_in(place.tree, place.near, order.exponent())
        {
            place.near = frame.0;
            return Ok(frame);
        }
        self.get_elsewhere(kind, order)
    }

    /// Searches all trees: the best one first, then one after the other.
    #[cold]
    fn get_elsewhere(&mut self, kind: usize, order: Order) -> Result<FrameId, GetError> {
        let max = Zone::<P, WORDS, TREE>::MAX_ORDER;
        if order > max {
            return Err(GetError::BadOrder { order, max });
        }
        let exponent = order.exponent();
        let zone = self.zone;
        let start = self.places[kind].tree;
        let best = zone.best_tree(start, exponent);
        // Most often the best tree has a block, and it is all that is tried. If it
        // has none in one piece, or was emptied meanwhile, any will do.
        for tree in best.into_iter().chain(zone.trees_from(start)) {
            let near = tree * Zone::<P, WORDS, TREE>::TREE_FRAMES;
            if let Some(frame) = zone.get_in(tree, near, exponent) {
                self.move_to(kind, tree, frame.0);
                return Ok(frame);
            }
        }
        Err(GetError::OutOfMemory { order })
    }

    /// Takes this very block, or none.
    ///
    /// # Errors
    ///
    /// Returns [`GetError::NotFree`] if a part of it is allocated, and an error
    /// that names the cause if there is no such block.
    pub fn get_at(&mut self, frame: FrameId, order: Order) -> Result<(), GetError> {
        self.zone.get_at(frame, order)
    }

    /// Returns a block, or an aligned part of one.
    ///
    /// A part of a huge frame that was allocated as a whole may be returned too:
    /// the rest stays allocated, and is then returned in parts.
    ///
    /// What can't be noticed: live blocks of others freed as one, and a frame that
    /// was freed twice but allocated again in between.
    ///
    /// # Errors
    ///
    /// Returns [`PutError`], and leaves everything as it is, if the block does not
    /// exist or is not allocated. Only if another processor returns parts of the
    /// same block of order 7 or 8 at this very time, some of it is freed by one
    /// call and the rest by the other.
    #[inline]
    pub fn put(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let tree = self.zone.put(frame, order)?;
        if tree != self.places[PARTS].tree {
            self.freed_into(tree, frame, order);
        }
        Ok(())
    }

    /// Moves to another tree if the frees keep going there: what has just been
    /// freed is the best to take next.
    #[inline]
    fn freed_into(&mut self, tree: usize, frame: FrameId, order: Order) {
        if self.freed.tree != tree {
            self.freed = Freed { tree, times: 1 };
            return;
        }
        self.freed.times += 1;
        if self.freed.times >= MOVE_AFTER && Self::kind(order) == PARTS {
            self.freed.times = 0;
            if !self.zone.trees.read(&self.zone.persist, tree).in_use() {
                self.move_to(PARTS, tree, frame.0);
            }
        }
    }

    /// Gives back what the handle holds on to: the reservations of its trees.
    ///
    /// A processor calls this before it idles. The handle stays usable.
    pub fn drain(&mut self) {
        for kind in [PARTS, WHOLES] {
            self.release(kind);
        }
    }

    /// Takes from `tree` from now on, and reserves it unless somebody else has.
    fn move_to(&mut self, kind: usize, tree: usize, near: usize) {
        let zone = self.zone;
        if self.places[kind].reserved && self.places[kind].tree == tree {
            self.places[kind].near = near;
            return;
        }
        self.release(kind);
        let reserved = zone.trees.reserve(&zone.persist, tree);
        self.places[kind] = Place {
            tree,
            near,
            reserved,
        };
        if reserved {
            self.note(kind, tree + 1);
        }
    }

    fn release(&mut self, kind: usize) {
        let place = &mut self.places[kind];
        if core::mem::take(&mut place.reserved) {
            self.zone.trees.release(&self.zone.persist, place.tree);
            self.note(kind, 0);
        }
    }

    /// Writes down in the processor's line which tree it has reserved.
    fn note(&self, kind: usize, value: usize) {
        let line = &self.zone.slots[self.cpu];
        line[slot::TREES[kind]].store(&self.zone.persist, value as u64);
    }

    /// Returns which place serves an order.
    #[inline(always)]
    fn kind(order: Order) -> usize {
        usize::from(order.exponent() >= Shape::<WORDS, TREE>::HUGE_ORDER)
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Drop for Local<'_, '_, P, WORDS, TREE> {
    fn drop(&mut self) {
        self.drain();
        self.zone.slots[self.cpu][slot::TAKEN].store(&self.zone.persist, 0);
    }
}
