//! Questions about a zone.
//!
//! While processors allocate and free, an answer may be outdated when it arrives;
//! it is exact for frames that nobody else is taking or returning.

use core::ops::Range;

use frame::{FrameId, Order};
use persist::Persist;

use crate::class::Class;
use crate::debt::Owed;
use crate::entry;
use crate::hint::Ones;
use crate::lower::{Giant, Lower};
use crate::row::bits_of;
use crate::shape::{Shape, WORD_FRAMES};
use crate::slot::Slot;
use crate::tree::Amount;
use crate::zone::{Zone, line};

/// How full a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames in all.
    pub frames: usize,
    /// Frames that are offline: neither free nor allocated.
    pub offline: usize,
    /// Frames that are free.
    pub free: usize,
    /// Huge frames that are entirely free.
    pub huge_free: usize,
    /// Giant frames that are entirely free.
    pub giant_free: usize,
    /// Trees in all.
    pub trees: usize,
    /// Trees that are entirely free.
    pub trees_free: usize,
}

/// What one tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeStats {
    /// Frames in all: fewer in the last tree only.
    pub frames: usize,
    /// Frames that are free, but for those that processors hold or have not counted
    /// yet.
    pub free: usize,
    /// Huge frames that are entirely free; a hint while others allocate and free.
    pub huge_free: usize,
    /// Its class; none if it is entirely free.
    pub class: Option<Class>,
    /// Whether a processor takes from it.
    pub in_use: bool,
}

/// What the trees of one class have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Trees of the class.
    pub trees: usize,
    /// Frames that are free in them, but for those that processors hold or have not
    /// counted yet.
    pub free: usize,
    /// Huge frames that are entirely free in them.
    pub huge_free: usize,
}

/// How a huge frame is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugeState {
    /// As a part of a giant frame.
    Giant,
    /// As a whole.
    Huge,
    /// In parts, with this many frames free; perhaps all or none.
    Count(usize),
    /// Not at all, and not free either.
    Offline,
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// Returns the number of frames.
    pub const fn frames(&self) -> usize {
        self.lower.frames()
    }

    /// Returns the number of huge frames, the last one perhaps incomplete.
    pub const fn huge_frames(&self) -> usize {
        self.lower.huge_frames()
    }

    /// Returns the number of processors that the zone was made for.
    pub const fn cpus(&self) -> usize {
        self.lines.len()
    }

    /// Returns how full the zone is. Reads one word a tree, and one line a
    /// processor: what processors hold counts as free, but huge frames of which they
    /// hold a part, and trees, don't.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            frames: self.frames(),
            offline: self.offline_frames(),
            free: 0,
            huge_free: 0,
            giant_free: self.giants_free(),
            trees: self.trees.len(),
            trees_free: 0,
        };
        let mut whole = 0;
        for index in 0..self.trees.len() {
            let tree = self.trees.read(&self.persist, index);
            stats.free += tree.free();
            whole += tree.whole();
            stats.trees_free += usize::from(tree.free() == Self::TREE_FRAMES);
        }
        for (rest, owed) in (0..self.cpus()).map(|cpu| self.kept_by(cpu)) {
            stats.free += rest + owed.frames;
            whole += owed.whole;
        }
        stats.huge_free = whole.max(0).cast_unsigned();
        stats
    }

    /// Returns what the trees of a class have. Those that are entirely free have no
    /// class: [`Stats::trees_free`] counts them. Reads one word a tree.
    pub fn class_stats(&self, class: Class) -> ClassStats {
        let mut stats = ClassStats::default();
        let trees = (0..self.trees.len()).filter_map(|tree| self.tree_stats(tree));
        for tree in trees.filter(|tree| tree.class == Some(class)) {
            stats.trees += 1;
            stats.free += tree.free;
            stats.huge_free += tree.huge_free;
        }
        stats
    }

    /// Returns what a tree has, or `None` if it does not exist. Reads its word.
    pub fn tree_stats(&self, tree: usize) -> Option<TreeStats> {
        if tree >= self.trees.len() {
            return None;
        }
        let (word, frames) = (self.trees.read(&self.persist, tree), self.frames_of(tree));
        Some(TreeStats {
            frames,
            free: word.free(),
            huge_free: word.whole().max(0).cast_unsigned(),
            class: (word.free() < frames).then_some(word.class()),
            in_use: word.in_use(),
        })
    }

    /// Returns the class of a tree, or `None` if it is entirely free or does not exist.
    pub fn class_of(&self, tree: usize) -> Option<Class> {
        self.tree_stats(tree)?.class
    }

    /// Returns how many frames are offline.
    pub(crate) fn offline_frames(&self) -> usize {
        usize::try_from(self.offline.load(&self.persist)).unwrap_or(usize::MAX)
    }

    /// Returns how many free frames a search of ours could miss before this processor
    /// drains.
    pub(crate) fn missed_without(&self, cpu: usize) -> usize {
        let (rest, owed) = self.kept_by(cpu);
        rest + owed.worth(Shape::<WORDS, TREE>::HUGE_FRAMES)
    }

    /// Returns the frames that a processor holds or owes to entries, and what it owes
    /// to a tree.
    fn kept_by(&self, cpu: usize) -> (usize, Amount) {
        let persist = &self.persist;
        let held = self.slot(cpu).map_or(0, |slot| slot.held(persist));
        let owed = Owed(self.lines[cpu][line::OWED].load(persist));
        let owing = self.lines[cpu][line::OWING].load(persist);
        #[expect(clippy::cast_possible_truncation, reason = "a number of frames")]
        let owing = owing as usize;
        (held + owing, owed.amount())
    }

    /// Returns how a huge frame is allocated, or `None` beyond the last one.
    pub fn huge_state(&self, huge: usize) -> Option<HugeState> {
        if huge >= self.huge_frames() {
            return None;
        }
        Some(match self.lower.entry_value(&self.persist, huge) {
            entry::HUGE | entry::SPLITTING | entry::FREEING => HugeState::Huge,
            entry::MEMBER => match self.lower.giant(&self.persist, huge) {
                Giant::Apart => HugeState::Count(self.free_in(huge)),
                Giant::Whole => HugeState::Giant,
                Giant::Splitting | Giant::Unreadable => HugeState::Huge,
            },
            entry::OFFLINE => HugeState::Offline,
            count if count <= Lower::<WORDS, TREE>::FREE => HugeState::Count(self.free_in(huge)),
            _ => HugeState::Count(0),
        })
    }

    /// Returns whether a frame is allocated, alone or in a block. Frames beyond
    /// the last one are, those that are offline aren't.
    pub fn is_allocated(&self, frame: FrameId) -> bool {
        if frame.0 >= self.frames() {
            return true;
        }
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        self.is_whole(huge)
            || self.taken_in(frame.0 / WORD_FRAMES) >> (frame.0 % WORD_FRAMES) & 1 != 0
    }

    /// Returns whether a huge frame is allocated as a whole, alone or in a block.
    fn is_whole(&self, huge: usize) -> bool {
        matches!(
            self.huge_state(huge),
            Some(HugeState::Huge | HugeState::Giant)
        )
    }

    /// Returns which frames of a row are allocated bit by bit, and not just held
    /// by a processor; all of them beyond the last row.
    pub(crate) fn taken_in(&self, row: usize) -> u64 {
        let bits = (self.lower.row(row)).map_or(u64::MAX, |word| word.load(&self.persist));
        if bits == 0 {
            0
        } else {
            bits & !self.held_of(row)
        }
    }

    /// Returns which frames of a row processors hold.
    pub(crate) fn held_of(&self, row: usize) -> u64 {
        let held = self.slots().map(|slot| slot.held_of(&self.persist, row));
        held.fold(0, |all, held| all | held)
    }

    /// Returns the slots that can be in use.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        (0..self.cpus()).map_while(|cpu| self.slot(cpu))
    }

    /// Returns how many frames of a huge frame, allocated in parts, are free.
    fn free_in(&self, huge: usize) -> usize {
        let rows = huge * WORDS..(huge + 1) * WORDS;
        rows.map(|row| self.taken_in(row).count_zeros() as usize)
            .sum()
    }

    /// Returns whether a block could be taken: it exists, and all of it is free. What
    /// is offline is not.
    pub fn is_free(&self, frame: FrameId, order: Order) -> bool {
        if !frame.is_aligned(order) || !self.lower.contains(frame, order) {
            return false;
        }
        let last = frame.0 + order.frames() - 1;
        let bits = bits_of(frame, order);
        let huge_frames = Shape::<WORDS, TREE>::HUGE_FRAMES;
        let mut huge = frame.0 / huge_frames..=last / huge_frames;
        let mut rows = frame.0 / WORD_FRAMES..=last / WORD_FRAMES;
        let is_in_parts = |huge| matches!(self.huge_state(huge), Some(HugeState::Count(_)));
        huge.all(is_in_parts) && rows.all(|row| self.taken_in(row) & bits == 0)
    }

    /// Visits everything that is allocated, lowest frame first: giant and huge frames
    /// allocated as a whole as one block each, all others frame by frame.
    ///
    /// Which neighbouring frames were once allocated together is not recorded.
    pub fn allocated(&self) -> impl Iterator<Item = (FrameId, Order)> {
        self.allocated_in(FrameId(0)..FrameId(self.frames()))
    }

    /// The same for what lies in a range at least in part: what has to move before that
    /// can go offline. A giant frame is listed once, with its first huge frame in the
    /// range.
    pub fn allocated_in(&self, range: Range<FrameId>) -> impl Iterator<Item = (FrameId, Order)> {
        let huge_frames = Shape::<WORDS, TREE>::HUGE_FRAMES;
        let (start, end) = (range.start.0, range.end.0.min(self.frames()));
        let first_huge = start / huge_frames;
        let end_huge = if start < end {
            end.div_ceil(huge_frames)
        } else {
            first_huge
        };
        (first_huge..end_huge).flat_map(move |huge| {
            let first = FrameId(huge * Shape::<WORDS, TREE>::HUGE_FRAMES);
            let (block, rows) = match self.huge_state(huge) {
                Some(HugeState::Giant) => {
                    let is_first = first.is_aligned(Self::GIANT_ORDER) || huge == first_huge;
                    let giant =
                        FrameId(first.0 / Self::GIANT_ORDER.frames() * Self::GIANT_ORDER.frames());
                    (is_first.then_some((giant, Self::GIANT_ORDER)), 0..0)
                }
                Some(HugeState::Huge) => (Some((first, Self::HUGE_ORDER)), 0..0),
                Some(HugeState::Offline) => (None, 0..0),
                _ => (None, huge * WORDS..(huge + 1) * WORDS),
            };
            let frames = rows.flat_map(move |row| {
                let taken = self.taken_in(row) & !self.lower.absent(huge, row % WORDS);
                let frames = Ones(taken).map(move |bit| FrameId(row * WORD_FRAMES + bit));
                frames.filter(move |frame| (start..end).contains(&frame.0))
            });
            (block.into_iter()).chain(frames.map(|frame| (frame, Order::FRAME)))
        })
    }
}
