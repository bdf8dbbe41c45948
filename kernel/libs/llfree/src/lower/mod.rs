//! The lower level: which frames are allocated. All hard state is here.
//!
//! Per huge frame a bitfield of one cache line and an entry. An operation on a
//! part of a huge frame changes the entry's count and the bits; one on a whole
//! huge frame changes the entry alone. The order of the steps makes every state
//! in between one that recovery understands:
//!
//! * a count is subtracted before bits are set and added after they are cleared,
//!   so the count never exceeds the clear bits that nobody has been promised;
//! * a huge frame is split by one processor: SPLITTING still means *allocated as
//!   a whole*, whatever the bits say;
//! * a giant frame changes hands by its own word: see `giant`.

mod bits;
mod get;
mod giant;
mod held;
mod offline;
mod peek;
mod put;
mod recover;

use frame::{FrameId, Order};
use persist::Persist;

use crate::cell::Cell;
use crate::entry::{self, Entry, Span};
use crate::layout::{LINE_CELLS, Tables};
use crate::mutant::mutant;
use crate::promise::Promise;
use crate::shape::{Shape, WORD_FRAMES};

pub(crate) use giant::Giant;
pub use recover::Recovery;

/// The lower tables of a zone.
#[derive(Clone, Copy)]
pub(crate) struct Lower<'m, const WORDS: usize, const TREE: usize> {
    fields: &'m [[Cell; WORDS]],
    quads: &'m [Cell],
    giants: &'m [Cell],
    slots: &'m [[Cell; LINE_CELLS]],
    frames: usize,
}

impl<'m, const WORDS: usize, const TREE: usize> Lower<'m, WORDS, TREE> {
    /// Uses these tables, whatever they hold, until they are cleared or recovered.
    pub(crate) const fn new(tables: &Tables<'m, WORDS>, frames: usize) -> Self {
        Self {
            fields: tables.fields,
            quads: tables.quads,
            giants: tables.giants,
            slots: tables.slots,
            frames,
        }
    }

    /// Returns the slots of those processors that have one.
    pub(crate) const fn slots(&self) -> &'m [[Cell; LINE_CELLS]] {
        self.slots
    }

    /// Returns the number of frames.
    #[inline(always)]
    pub(crate) const fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the number of huge frames, the last one perhaps incomplete.
    pub(crate) const fn huge_frames(&self) -> usize {
        self.fields.len()
    }

    /// Returns whether a block lies entirely in the zone.
    #[inline(always)]
    pub(crate) const fn contains(&self, frame: FrameId, order: Order) -> bool {
        frame.0 < self.frames && order.frames() <= self.frames - frame.0
    }

    /// Returns the entry of this huge frame.
    #[inline(always)]
    pub(crate) fn entry(&self, huge: usize) -> Option<Entry<'m>> {
        Entry::of(self.quads, huge)
    }

    /// Reads an entry; one that does not exist has no frame free.
    #[inline(always)]
    pub(crate) fn entry_value(&self, persist: &impl Persist, huge: usize) -> u16 {
        self.entry(huge).map_or(0, |entry| entry.load(persist))
    }

    /// Returns the bitfield of this huge frame.
    #[inline(always)]
    pub(crate) fn field(&self, huge: usize) -> Option<&'m [Cell; WORDS]> {
        self.fields.get(huge)
    }

    /// Returns the word of a row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> Option<&'m Cell> {
        Some(&self.field(row / WORDS)?[row % WORDS])
    }

    /// Returns the words of the bitfield that stand for these whole words' frames.
    #[inline(always)]
    fn words(&self, frame: usize, order: u8) -> Option<&'m [Cell]> {
        let first = frame / WORD_FRAMES % WORDS;
        let count = 1_usize << (order - crate::row::WORD_ORDER);
        self.field(frame / Shape::<WORDS, TREE>::HUGE_FRAMES)?
            .get(first..first + count)
    }

    /// Returns the huge frame around a frame.
    const fn huge_of(&self, frame: FrameId) -> usize {
        frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES
    }

    /// Returns how many frames of a huge frame exist: fewer in the last one only.
    pub(crate) fn present(&self, huge: usize) -> usize {
        let first = huge * Shape::<WORDS, TREE>::HUGE_FRAMES;
        (self.frames.saturating_sub(first)).min(Shape::<WORDS, TREE>::HUGE_FRAMES)
    }

    /// Returns the bits of a bitfield's word that stand for no frame.
    pub(crate) fn absent(&self, huge: usize, word: usize) -> u64 {
        let present = self.present(huge).saturating_sub(word * WORD_FRAMES);
        if present >= WORD_FRAMES {
            0
        } else {
            u64::MAX << present
        }
    }

    /// Returns how many huge frames a block of this order is, if it is not less
    /// than one.
    #[inline(always)]
    pub(crate) const fn span(order: u8) -> Option<Span> {
        if order < Shape::<WORDS, TREE>::HUGE_ORDER {
            None
        } else if order == Shape::<WORDS, TREE>::HUGE_ORDER {
            Some(Span::One)
        } else {
            Some(Span::Pair)
        }
    }

    /// The entry of a huge frame that is entirely free.
    #[expect(clippy::cast_possible_truncation, reason = "asserted in Shape::CHECK")]
    pub(crate) const FREE: u16 = Shape::<WORDS, TREE>::HUGE_FRAMES as u16;

    /// Whether an entry says that its huge frame is entirely free, or about to be.
    /// Of a MEMBER that is so unless it is part of a giant frame.
    fn is_free_entry(entry: u16) -> bool {
        entry == Self::FREE || matches!(entry, entry::FREEING | entry::MEMBER)
    }
}

/// Makes `value` durable where that takes something.
///
/// PERSIST: whatever the caller does next, be it a store or an acknowledgement,
/// comes after `value` on the medium.
#[inline(always)]
pub(crate) fn persist_now<P: Persist, T: ?Sized>(persist: &P, value: &T) {
    if P::FLUSHES {
        persist.flush(value);
        if !mutant!("fence_is_missing") {
            persist.fence();
        }
    }
}

/// Makes bits durable that were set in one word.
#[inline(always)]
fn persist_taken<P: Persist, T: ?Sized>(persist: &P, value: &T) {
    if !mutant!("get_skips_flush") {
        persist_now(persist, value);
    }
}

/// Makes cleared bits durable, unless that may wait for a sync. Then a crash may find
/// them set: in a huge frame that was taken as a whole since, recovery clears them;
/// elsewhere the frames stay allocated.
#[inline(always)]
fn persist_free<P: Persist, T: ?Sized>(persist: &P, value: &T) {
    if !P::LATE_FREES && !mutant!("put_skips_flush") {
        persist_now(persist, value);
    }
}

/// The same for an entry.
#[inline(always)]
fn persist_entry<P: Persist>(persist: &P, entry: Entry<'_>) {
    if P::FLUSHES {
        entry.flush(persist);
        persist.fence();
    }
}
