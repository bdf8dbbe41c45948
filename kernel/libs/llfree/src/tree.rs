//! The upper level: how many frames each tree has left.
//!
//! One word a tree, in DRAM, made anew whenever a zone is opened. It keeps
//! processors on different trees and tells full ones from empty ones without a
//! look at the lower tables.
//!
//! ```text
//! 63       48 47 46 45 44 43      33    32     31       0
//! │ whole    │ 0   │class│ failed   │ in use │ free       │
//! ```
//!
//! *free* is a promise: who has subtracted from it will find that many frames,
//! though perhaps not in one piece. It has exactly this one home, whoever uses
//! the tree, so nothing that an idle processor once reserved is out of reach.
//! *whole*, the number of entirely free huge frames, is corrected after the
//! entries have changed and so is a hint: it may be off by those that are
//! changing right now, even below zero; it is at the top of the word because
//! there a borrow falls off. *failed* has a bit for each order of which a search
//! found nothing, see [`Hints`]. *in use* keeps other processors away as long as
//! there is another choice; nothing depends on it. *class* says what the tree is
//! for: see [`Class`]. It changes only together with *in use*, and means nothing
//! while all frames are free.

use persist::Persist;

use crate::cell::Cell;
use crate::class::Class;
use crate::hint::{Hints, ORDERS, Ones};

const IN_USE: u64 = 1 << 32;
const WHOLE_SHIFT: u32 = 48;
const FAILED_SHIFT: u32 = 33;
const FAILED: u64 = ((1 << ORDERS) - 1) << FAILED_SHIFT;
const CLASS_SHIFT: u32 = 44;
const CLASS: u64 = 0b11 << CLASS_SHIFT;

const _: () = assert!(FAILED & CLASS == 0 && CLASS >> CLASS_SHIFT == Class::ALL.len() as u64 - 1);

/// What a tree's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree(u64);

impl Tree {
    /// Frames that may be taken.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "cuts the field out")]
    pub(crate) const fn free(self) -> usize {
        self.0 as u32 as usize
    }

    /// Huge frames that are entirely free, about; below zero for a moment.
    #[inline(always)]
    #[expect(clippy::cast_possible_wrap, reason = "the field is signed")]
    pub(crate) const fn whole(self) -> isize {
        (self.0 as i64 >> WHOLE_SHIFT) as isize
    }

    /// Both of them.
    pub(crate) const fn amount(self) -> Amount {
        Amount {
            frames: self.free(),
            whole: self.whole(),
        }
    }

    /// Whether a processor uses the tree.
    #[inline(always)]
    pub(crate) const fn in_use(self) -> bool {
        self.0 & IN_USE != 0
    }

    /// Returns zero if the tree is of this class, and no search for this order has failed
    /// since something came back. Not a truth value, so that several can be tested at once.
    #[inline(always)]
    pub(crate) const fn obstacles(self, tag: Tag, order: u8) -> u64 {
        let failed = 1 << (FAILED_SHIFT + order as u32);
        self.0 & (CLASS | failed) ^ tag.0
    }

    /// Whether the tree is of this class.
    #[inline(always)]
    pub(crate) const fn is_tagged(self, tag: Tag) -> bool {
        self.0 & CLASS == tag.0
    }

    /// Returns its class as [`Trees::reserve`] compares it.
    pub(crate) const fn tag(self) -> Tag {
        Tag(self.0 & CLASS)
    }

    /// The class of what is allocated in the tree; if that is nothing, of what was.
    #[inline(always)]
    pub(crate) const fn class(self) -> Class {
        Class::ALL[((self.0 & CLASS) >> CLASS_SHIFT) as usize]
    }

    /// The orders of which a search has failed, a bit each.
    const fn failed(self) -> u64 {
        (self.0 & FAILED) >> FAILED_SHIFT
    }

    /// How many orders there are of which this many frames could be a block: those
    /// below.
    const fn possible_orders(self) -> usize {
        match self.free().checked_ilog2() {
            None => 0,
            Some(largest) if (largest as usize) < ORDERS => largest as usize + 1,
            Some(_) => ORDERS,
        }
    }

    /// The same as a bit for each order.
    const fn possible(self) -> u64 {
        (1 << self.possible_orders()) - 1
    }

    /// Whether the tree can promise this.
    #[inline(always)]
    pub(crate) const fn holds(self, amount: Amount) -> bool {
        self.free() >= amount.frames && (amount.whole <= 0 || self.whole() >= amount.whole)
    }
}

/// A class, as a tree's word has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Returns the tag of a class.
    #[inline(always)]
    pub(crate) const fn new(class: Class) -> Self {
        Self((class as u64) << CLASS_SHIFT)
    }
}

/// A quantity of frames, and of entirely free huge frames among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) frames: usize,
    pub(crate) whole: isize,
}

impl Amount {
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "two's complement, added wrapping")]
    pub(crate) const fn word(self) -> u64 {
        (self.whole as u64) << WHOLE_SHIFT | self.frames as u64
    }

    /// Returns the same with some more entirely free huge frames.
    #[inline(always)]
    pub(crate) const fn and_whole(self, more: isize) -> Self {
        Self {
            frames: self.frames,
            whole: self.whole + more,
        }
    }

    /// Returns how many frames a search could miss that does not know of this. A huge
    /// frame that nobody knows to be whole is one, though all its frames are counted.
    pub(crate) const fn worth(self, huge_frames: usize) -> usize {
        let whole = if self.whole > 0 {
            self.whole.cast_unsigned() * huge_frames
        } else {
            0
        };
        if whole > self.frames {
            whole
        } else {
            self.frames
        }
    }
}

impl core::ops::Add for Amount {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            whole: self.whole + other.whole,
        }
    }
}

impl core::ops::Sub for Amount {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self {
            frames: self.frames - other.frames,
            whole: self.whole - other.whole,
        }
    }
}

/// The word of one tree, found once by who needs it twice.
#[derive(Clone, Copy)]
pub(crate) struct Word<'m>(&'m Cell);

impl Word<'_> {
    /// Subtracts a single frame, which breaks so many entirely free huge frames, if
    /// there is one and the word has not changed since it was read; returns whether that
    /// is done.
    #[inline(always)]
    pub(crate) fn take_frame(self, persist: &impl Persist, seen: Tree, breaks: isize) -> bool {
        let frame = Amount {
            frames: 1,
            whole: breaks,
        };
        let rest = seen.0.wrapping_sub(frame.word());
        seen.free() > 0 && self.0.replace(persist, seen.0, rest).is_ok()
    }

    /// Adds what has been returned to the lower tables. If it returns the tree, what to
    /// expect of that is left to [`Trees::hope`].
    #[inline(always)]
    pub(crate) fn add(self, persist: &impl Persist, amount: Amount) -> Option<Tree> {
        let old = self.0.fetch_add(persist, amount.word());
        (old & FAILED != 0).then(|| Tree(old.wrapping_add(amount.word())))
    }
}

/// The words of all trees, and what is to be expected of them.
#[derive(Clone, Copy)]
pub(crate) struct Trees<'m> {
    words: &'m [Cell],
    hints: Hints<'m>,
}

impl<'m> Trees<'m> {
    /// Uses these words and hints, whatever they hold, until [`Self::fill`] has set
    /// the words and [`Self::begin_use`] the hints.
    pub(crate) const fn new(words: &'m [Cell], hints: Hints<'m>) -> Self {
        Self { words, hints }
    }

    /// Returns the number of trees.
    pub(crate) const fn len(self) -> usize {
        self.words.len()
    }

    /// Sets what a tree has. Nobody may use the zone yet.
    pub(crate) fn fill(self, persist: &impl Persist, tree: usize, amount: Amount) {
        if let Some(word) = self.words.get(tree) {
            let possible = Tree(amount.word()).possible();
            let failed = FAILED & !(possible << FAILED_SHIFT);
            word.store(persist, amount.word() | failed);
        }
    }

    /// Expects of all trees what is possible, once all are filled. Returns what they
    /// have together. Nobody may use the zone yet.
    ///
    /// In one pass, since that takes a few stores for 64 trees; telling the hints of
    /// each tree by itself takes a locked instruction for each order.
    pub(crate) fn begin_use(self, persist: &impl Persist) -> Amount {
        let mut sum = Amount::default();
        let orders = self.words.iter().map(|word| {
            let tree = Tree(word.load(persist));
            sum = sum + tree.amount();
            tree.possible_orders()
        });
        self.hints.fill(persist, orders);
        sum
    }

    /// Returns what a tree has; one that does not exist has nothing.
    #[inline(always)]
    pub(crate) fn read(self, persist: &impl Persist, tree: usize) -> Tree {
        Tree(self.words.get(tree).map_or(0, |word| word.load(persist)))
    }

    /// Returns the word of a tree.
    #[inline(always)]
    pub(crate) fn word(self, tree: usize) -> Option<Word<'m>> {
        self.words.get(tree).map(Word)
    }

    /// The same, and what it was.
    #[inline(always)]
    pub(crate) fn peek(self, persist: &impl Persist, tree: usize) -> Option<(Word<'m>, Tree)> {
        let word = self.word(tree)?;
        Some((word, Tree(word.0.load(persist))))
    }

    /// Subtracts what is about to be taken from the lower tables; returns
    /// whether there was enough.
    #[inline(always)]
    pub(crate) fn take(self, persist: &impl Persist, tree: usize, amount: Amount) -> bool {
        self.take_from(persist, tree, self.read(persist, tree), amount, 0)
    }

    /// The same for one who has read the tree's word already, and thinks that this
    /// will break so many entirely free huge frames besides.
    #[inline(always)]
    pub(crate) fn take_from(
        self,
        persist: &impl Persist,
        tree: usize,
        seen: Tree,
        amount: Amount,
        broken: isize,
    ) -> bool {
        let Some(word) = self.words.get(tree) else {
            return false;
        };
        let all = amount.and_whole(broken).word();
        let step = |old: u64| Tree(old).holds(amount).then(|| old.wrapping_sub(all));
        word.update_from(persist, seen.0, step).is_ok()
    }

    /// Subtracts all that a tree has which is entirely free; returns whether it is.
    /// Whatever its number of whole huge frames is thought to be.
    pub(crate) fn take_all(self, persist: &impl Persist, tree: usize, all: Amount) -> bool {
        let is_free = |old: u64| Tree(old).free() == all.frames;
        let step = |old: u64| is_free(old).then(|| old.wrapping_sub(all.word()));
        (self.words.get(tree)).is_some_and(|word| word.update(persist, step).is_ok())
    }

    /// Subtracts up to this many frames, and the change of the number of entirely
    /// free huge frames that they are thought to bring; returns how many.
    #[inline(always)]
    pub(crate) fn take_some(
        self,
        persist: &impl Persist,
        tree: usize,
        frames: usize,
        whole: isize,
    ) -> Option<u16> {
        let some = |old: u64| frames.min(Tree(old).free());
        let step = |old: u64| {
            let frames = some(old);
            let taken = Amount { frames, whole };
            (frames > 0).then(|| old.wrapping_sub(taken.word()))
        };
        let old = self.words.get(tree)?.update(persist, step).ok()?;
        u16::try_from(some(old)).ok()
    }

    /// Adds what has been returned to the lower tables.
    #[inline(always)]
    pub(crate) fn give(&self, persist: &impl Persist, tree: usize, amount: Amount) {
        if let Some(now) = self.add(persist, tree, amount) {
            self.hope(persist, tree, now);
        }
    }

    /// The same, but for what to expect of the tree: if it returns the tree, that is
    /// left to [`Self::hope`].
    #[inline(always)]
    pub(crate) fn add(&self, persist: &impl Persist, tree: usize, amount: Amount) -> Option<Tree> {
        self.word(tree)?.add(persist, amount)
    }

    /// Expects blocks again for which a search has failed, as far as there are
    /// frames enough.
    #[cold]
    pub(crate) fn hope(&self, persist: &impl Persist, tree: usize, now: Tree) {
        let again = now.failed() & now.possible();
        if again != 0 {
            self.words[tree].clear(persist, again << FAILED_SHIFT);
            self.expect(persist, tree, again);
        }
    }

    fn expect(self, persist: &impl Persist, tree: usize, orders: u64) {
        for order in Ones(orders) {
            #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
            self.hints.set(persist, order as u8, tree);
        }
    }

    /// Expects no block of this order any more, after a search has failed, if
    /// `is_none` still finds none.
    #[cold]
    pub(crate) fn give_up(
        self,
        persist: &impl Persist,
        tree: usize,
        order: u8,
        is_none: impl FnOnce(Tree) -> bool,
    ) {
        let Some(word) = self.words.get(tree) else {
            return;
        };
        let mark = 1 << (FAILED_SHIFT + u32::from(order));
        let marked = Tree(word.set(persist, mark) | mark);
        if is_none(marked) {
            self.hints.clear(persist, order, tree);
            if word.load(persist) & mark == 0 {
                self.hints.set(persist, order, tree);
            }
        } else {
            word.clear(persist, mark);
        }
    }

    /// Returns the trees that may have a block of this order, upwards from `start`
    /// and around.
    pub(crate) fn promising<P: Persist>(
        self,
        persist: &P,
        order: u8,
        start: usize,
    ) -> impl Iterator<Item = usize> + use<'_, 'm, P> {
        self.hints.trees(persist, order, start)
    }

    /// Marks a tree as in use, and as one of this class, unless it already is in use or
    /// no more of the class that was seen; returns whether that is done.
    pub(crate) fn reserve(self, persist: &impl Persist, tree: usize, seen: Tag, tag: Tag) -> bool {
        let reserved = IN_USE | tag.0;
        let is_as_seen = |old: u64| old & (IN_USE | CLASS) == seen.0;
        let step = |old: u64| is_as_seen(old).then_some(old & !CLASS | reserved);
        (self.words.get(tree)).is_some_and(|word| word.update(persist, step).is_ok())
    }

    /// Ends what [`Self::reserve`] began.
    pub(crate) fn release(self, persist: &impl Persist, tree: usize) {
        if let Some(word) = self.words.get(tree) {
            // Refused only if it was not in use: then there is nothing to end.
            let _ = word.update(persist, |old| (old & IN_USE != 0).then_some(old & !IN_USE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(frames: usize, whole: isize) -> Tree {
        Tree(Amount { frames, whole }.word())
    }

    #[test]
    fn the_fields_do_not_touch() {
        let tree = word(16_384, 32);
        assert_eq!(
            (tree.free(), tree.whole(), tree.in_use()),
            (16_384, 32, false)
        );
    }

    #[test]
    fn a_class_changes_nothing_else_and_nothing_else_changes_it() {
        for class in Class::ALL {
            let tree = Tree(word(16_384, 32).0 | FAILED | IN_USE | Tag::new(class).0);
            let late = Tree(tree.0.wrapping_sub(word(16_384, 33).0));
            for (tree, free, whole) in [(tree, 16_384, 32), (late, 0, -1)] {
                assert_eq!(
                    (tree.free(), tree.whole(), tree.class()),
                    (free, whole, class)
                );
                assert!(tree.in_use() && tree.obstacles(Tag::new(class), 10) != 0);
            }
        }
        let fresh = word(1, 0);
        assert_eq!(fresh.obstacles(Tag::new(Class::Mixed), 0), 0);
        assert_ne!(fresh.obstacles(Tag::new(Class::Movable), 0), 0);
    }

    #[test]
    fn a_block_is_possible_where_there_are_frames_enough() {
        let possible = |frames| word(frames, 0).possible();
        assert_eq!([0, 1, 2, 3, 4].map(possible), [0, 1, 0b11, 0b11, 0b111]);
        assert_eq!([1023, 1024, 16_384].map(possible), [0x3ff, 0x7ff, 0x7ff]);
    }

    #[test]
    fn a_hint_below_zero_leaves_the_promise_alone() {
        let late = Tree(
            word(5, 0).0.wrapping_add(
                Amount {
                    frames: 0,
                    whole: -1,
                }
                .word(),
            ),
        );
        assert_eq!((late.free(), late.whole(), late.in_use()), (5, -1, false));
        assert!(!late.holds(Amount {
            frames: 0,
            whole: 1
        }));
        assert!(late.holds(Amount {
            frames: 5,
            whole: -1
        }));
    }
}
