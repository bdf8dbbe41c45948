//! What one processor uses to take and return frames.
//!
//! The fast paths are here, and small enough to be inlined: a frame comes from,
//! or goes back into, a row that the processor holds. Everything else is in the
//! modules below, which the fast paths call once in a row or so.

mod class;
mod debts;
mod direct;
mod drain;
mod get;
mod held;
mod nudge;
mod place;
mod put;
mod reserve;
mod sync;

use core::marker::PhantomData;

use frame::{FrameId, Order};
use persist::Persist;

use self::class::Classes;
use self::held::Held;
use self::place::{Freed, Place};
use self::sync::Pending;
use crate::cell::Cell;
use crate::class::Class;
use crate::debt::Debts;
use crate::error::{GetError, PutError};
use crate::layout::LINE_CELLS;
use crate::lower::Lower;
use crate::mutant::mutant;
use crate::slot::{Side, Slot};
use crate::tree::{Tag, Trees};
use crate::zone::{Zone, line};

pub use self::held::DoubleFrees;
pub use self::nudge::{Environment, Unreachable};
pub use self::reserve::Reservation;

/// A processor's handle on a [`Zone`].
///
/// There is one a processor; it may move to another thread but never be used by
/// two, which the type system sees to.
///
/// # What it holds
///
/// Up to 64 free frames of one row that it takes from, up to 64 freed frames of
/// another, and up to eight free huge frames. Where frames are plenty, it also puts
/// off counting what it has freed, for up to 1/64 of the zone. All this is free in
/// all statistics, but nobody else can take it. [`drain`](Self::drain) returns it; a
/// processor calls it before it idles.
///
/// A processor that fails to get a block asks the others to drain, which they do
/// with their next call that is not answered from a held row, and reports what
/// is still out of reach as [`GetError::HeldElsewhere`];
/// [`get_or_nudge`](Self::get_or_nudge) also wakes those that sleep.
///
/// Dropping the handle drains it and makes its number available again. A handle
/// that was forgotten, or whose processor has died, keeps what it holds until the
/// zone is recovered.
///
/// # Interrupts
///
/// Must not be entered again from an interrupt: whoever allocates in interrupt
/// handlers needs to disable interrupts around each call, or a handle for them.
///
/// # Durability
///
/// Where the platform saves caches, what a call has done survives once a later
/// store of this processor is visible to others. Who tells somebody by other means
/// that a block was taken or freed needs a locked instruction or a fence first, or
/// [`sync`](Self::sync).
///
/// Where durability takes flushes, a block is durably taken when `get` returns. It is
/// durably returned when `put` returns, or in the modes [`LazyFree`] and [`Batched`]
/// once [`sync`](Self::sync) or [`drain`](Self::drain) has.
///
/// [`LazyFree`]: persist::Mode::LazyFree
/// [`Batched`]: persist::Mode::Batched
pub struct Local<'z, 'm, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    zone: &'z Zone<'m, P, WORDS, TREE>,
    /// The zone's tables again: the way there is shorter.
    lower: Lower<'m, WORDS, TREE>,
    trees: Trees<'m>,
    /// Masks of the held rows; a line of zeros for a handle that holds none.
    slot: Slot<'m>,
    front: Held<'m>,
    back: Held<'m>,
    /// What is there for the default class: the mask of the front row; a word that stays
    /// zero while that row is for another class.
    at_hand: &'m Cell,
    may_hold: bool,
    cpu: usize,
    line: &'m [Cell; LINE_CELLS],
    /// The trees that the handle has reserved, plus one; 0 for none.
    reserved: &'m [Cell; LINE_CELLS],
    /// Where to take parts of huge frames from, and whole ones, of the class that is
    /// served.
    places: [Place; 2],
    classes: Classes,
    freed: Freed,
    debts: Debts<'m>,
    /// How many frames they may sum up to.
    most_owing: usize,
    /// How many frames it may owe to a tree.
    most_ahead: usize,
    double_frees: DoubleFrees,
    pending: Pending,
    /// Makes the handle `!Sync`, also for those who only have a reference.
    not_sync: PhantomData<core::cell::Cell<()>>,
}

impl<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> Local<'z, 'm, P, WORDS, TREE> {
    pub(crate) fn new(
        zone: &'z Zone<'m, P, WORDS, TREE>,
        cpu: usize,
        [line, reserved]: [&'m [Cell; LINE_CELLS]; 2],
        slot: Option<Slot<'m>>,
    ) -> Self {
        // Processors begin far from each other.
        let tree = cpu * zone.trees.len() / zone.cpus();
        let class = Class::default();
        let place = Place::at_start_of(tree, Zone::<P, WORDS, TREE>::TREE_FRAMES, Tag::new(class));
        let may_hold = slot.is_some();
        let slot = slot.unwrap_or_else(|| Slot::new(line));
        let mut local = Self {
            zone,
            lower: zone.lower,
            trees: zone.trees,
            slot,
            front: Held::nothing(slot),
            back: Held::nothing(slot),
            at_hand: slot.mask_word(Side::Front),
            may_hold,
            cpu,
            line,
            reserved,
            places: [place; 2],
            classes: Classes::beginning_at(place),
            freed: Freed::nothing(),
            debts: zone.debts(cpu),
            most_owing: Self::most_owing(zone),
            most_ahead: Self::most_ahead(zone),
            double_frees: DoubleFrees::default(),
            pending: Pending::nothing(),
            not_sync: PhantomData,
        };
        if zone.class_of(tree).is_none_or(|found| found == class) {
            let seen = zone.trees.read(&zone.persist, tree).tag();
            local.move_to(place::PARTS, place, seen);
        }
        local
    }

    /// Returns the zone that the handle takes from.
    pub(crate) const fn zone(&self) -> &'z Zone<'m, P, WORDS, TREE> {
        self.zone
    }

    /// Returns the number of the processor.
    pub const fn cpu(&self) -> usize {
        self.cpu
    }

    /// Takes a block for anything: of the default class.
    ///
    /// # Errors
    ///
    /// Returns [`GetError::OutOfMemory`] if no tree had such a block when it was
    /// looked at: while others allocate and free, one may exist at any time and
    /// still be missed. Returns [`GetError::HeldElsewhere`] if other processors
    /// hold frames that might have been such a block, [`GetError::BadOrder`] above
    /// [`Zone::MAX_ORDER`] unless it is [`Zone::GIANT_ORDER`], and
    /// [`GetError::Unaligned`] for that where it has no use.
    #[inline]
    pub fn get(&mut self, order: Order) -> Result<FrameId, GetError> {
        if order == Order::FRAME {
            let word = self.at_hand;
            let mask = word.load(&self.zone.persist);
            if mask != 0 {
                return Ok(self.take_at_hand(word, mask));
            }
        }
        self.get_slowly(order).ok_or_else(|| self.refusal(order))
    }

    /// Takes a block for content of a class, from a tree of that class if there is
    /// room: see [`Class`]. It is returned like any other.
    ///
    /// Trees keep their class, but for at most a row of 64 frames, or one larger block, a
    /// processor, if several of them find the same free tree at the same moment. What
    /// is taken from trees of others when memory is short, the zone's
    /// [policy](Zone::with_policy) decides. Giant frames have no class.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get). With the default policy, a zone never is out of
    /// memory for one class but not for another.
    #[inline]
    pub fn get_as(&mut self, order: Order, class: Class) -> Result<FrameId, GetError> {
        if order == Order::FRAME && class == self.classes.of_front() {
            let word = self.slot.mask_word(Side::Front);
            let mask = word.load(&self.zone.persist);
            if mask != 0 {
                return Ok(self.take_at_hand(word, mask));
            }
        }
        self.get_slowly_as(order, class)
    }

    /// Takes a frame of the front row, whose mask is this word and has these bits.
    #[inline(always)]
    fn take_at_hand(&self, word: &Cell, mask: u64) -> FrameId {
        if !mutant!("get_forgets_bit") {
            word.store(&self.zone.persist, mask & (mask - 1));
        }
        self.front.frame(mask)
    }

    /// Takes this very block, or none.
    ///
    /// # Errors
    ///
    /// Returns [`GetError::NotFree`] if a part of it is allocated,
    /// [`GetError::Offline`] if one is offline, and an error that names the cause if
    /// there is no such block.
    pub fn get_at(&mut self, frame: FrameId, order: Order) -> Result<(), GetError> {
        self.heed_requests();
        let refused = match self.zone.get_at(frame, order) {
            Err(GetError::NotFree { .. }) => match self.zone.first_offline(frame, order) {
                Some(frame) => return Err(GetError::Offline { frame }),
                None => GetError::NotFree { frame, order },
            },
            other => return other,
        };
        if self.give_back() > 0 && self.zone.get_at(frame, order).is_ok() {
            return Ok(());
        }
        match self.ask_others() {
            0 => Err(refused),
            frames if self.zone.is_free(frame, order) => {
                Err(GetError::HeldElsewhere { order, frames })
            }
            _ => Err(refused),
        }
    }

    /// Returns a block, or an aligned part of one.
    ///
    /// A part of a huge or a giant frame that was allocated as a whole may be returned
    /// too: the rest stays allocated, and is then returned in parts. Of a giant frame
    /// those are huge frames.
    ///
    /// # What can't be noticed
    ///
    /// * live blocks of others freed as one;
    /// * a frame that was freed twice but allocated again in between;
    /// * a free of a frame that is free because another processor holds it. That
    ///   processor counts it when it returns the row: see
    ///   [`double_frees`](Self::double_frees).
    ///
    /// # Errors
    ///
    /// Returns [`PutError`], and leaves everything as it is, if the block does not
    /// exist or is not allocated. Only if another processor returns parts of the
    /// same block of order 7 or 8 at this very time, some of it is freed by one
    /// call and the rest by the other.
    #[inline]
    pub fn put(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        if order == Order::FRAME {
            let persist = &self.zone.persist;
            let side = if self.front.has(frame) {
                Some((Side::Front, &self.front))
            } else if self.back.has(frame) {
                Some((Side::Back, &self.back))
            } else {
                None
            };
            if let Some((side, held)) = side {
                let (bit, mask) = (Held::bit(frame), self.slot.mask(persist, side));
                // Clear in the mask: handed out. Set in the row: nobody else has
                // freed it. With an empty mask nothing is held of the row, and a
                // closer look is needed.
                if mask != 0 && mask & bit == 0 && held.word.load(persist) & bit != 0 {
                    self.slot.set_mask(persist, side, mask | bit);
                    return Ok(());
                }
                return self.put_slowly(frame, order);
            }
            return self.put_frame(frame);
        }
        self.put_block(frame, order)
    }

    /// Returns the frames that were found to be freed twice when a row was
    /// returned.
    pub const fn double_frees(&self) -> DoubleFrees {
        self.double_frees
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Drop for Local<'_, '_, P, WORDS, TREE> {
    fn drop(&mut self) {
        self.drain();
        self.line[line::TAKEN].store(&self.zone.persist, 0);
    }
}
