//! Questions about a zone.
//!
//! While processors allocate and free, an answer may be outdated when it arrives;
//! it is exact for frames that nobody else is taking or returning.

use frame::{FrameId, Order};
use persist::Persist;

use crate::entry;
use crate::lower::Lower;
use crate::shape::{Shape, WORD_FRAMES};
use crate::zone::Zone;

/// How full a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames in all.
    pub frames: usize,
    /// Frames that are free.
    pub free: usize,
    /// Huge frames that are entirely free.
    pub huge_free: usize,
    /// Trees in all.
    pub trees: usize,
    /// Trees that are entirely free.
    pub trees_free: usize,
}

/// How a huge frame is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugeState {
    /// As a whole.
    Huge,
    /// In parts, with this many frames free; perhaps all or none.
    Count(usize),
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
        self.slots.len()
    }

    /// Returns how full the zone is. Reads one word a tree.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            frames: self.frames(),
            free: 0,
            huge_free: 0,
            trees: self.trees.len(),
            trees_free: 0,
        };
        for index in 0..self.trees.len() {
            let tree = self.trees.read(&self.persist, index);
            stats.free += tree.free();
            stats.huge_free += tree.whole().max(0).cast_unsigned();
            stats.trees_free += usize::from(tree.free() == Self::TREE_FRAMES);
        }
        stats
    }

    /// Returns how a huge frame is allocated, or `None` beyond the last one.
    pub fn huge_state(&self, huge: usize) -> Option<HugeState> {
        if huge >= self.huge_frames() {
            return None;
        }
        Some(match self.lower.entry_value(&self.persist, huge) {
            entry::HUGE | entry::SPLITTING | entry::FREEING => HugeState::Huge,
            count if count <= Lower::<WORDS, TREE>::FREE => HugeState::Count(usize::from(count)),
            _ => HugeState::Count(0),
        })
    }

    /// Returns whether a frame is allocated, alone or in a block. Frames beyond
    /// the last one are.
    pub fn is_allocated(&self, frame: FrameId) -> bool {
        if frame.0 >= self.frames() {
            return true;
        }
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        self.huge_state(huge) == Some(HugeState::Huge) || self.bit(frame)
    }

    fn bit(&self, frame: FrameId) -> bool {
        let field = self
            .lower
            .field(frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES);
        field.is_none_or(|field| {
            let word = field[frame.0 / WORD_FRAMES % WORDS].load(&self.persist);
            word >> (frame.0 % WORD_FRAMES) & 1 != 0
        })
    }

    /// Returns whether a block could be taken: it exists, and all of it is free.
    pub fn is_free(&self, frame: FrameId, order: Order) -> bool {
        if !frame.is_aligned(order) || !self.lower.contains(frame, order) {
            return false;
        }
        let mut frames = frame.0..frame.0 + order.frames();
        frames.all(|frame| !self.is_allocated(FrameId(frame)))
    }

    /// Visits everything that is allocated, lowest frame first: huge frames
    /// allocated as a whole as one block each, all others frame by frame.
    ///
    /// Which neighbouring frames were once allocated together is not recorded.
    pub fn allocated(&self) -> impl Iterator<Item = (FrameId, Order)> {
        (0..self.huge_frames()).flat_map(move |huge| {
            let first = FrameId(huge * Shape::<WORDS, TREE>::HUGE_FRAMES);
            let whole = self.huge_state(huge) == Some(HugeState::Huge);
            let parts = if whole { 0 } else { self.lower.present(huge) };
            let frames = (first.0..first.0 + parts).map(FrameId);
            let frames = frames.filter(|&frame| self.bit(frame));
            (whole.then_some((first, Self::HUGE_ORDER)).into_iter())
                .chain(frames.map(|frame| (frame, Order::FRAME)))
        })
    }
}
