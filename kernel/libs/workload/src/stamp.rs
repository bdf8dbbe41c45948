//! What the ledger's owners write into their frames.
//!
//! That a frame is still allocated says nothing about what is in it. So the
//! first and the last frame of every owned block carry a stamp that names the
//! run, the frame and this very ownership: content that was lost, that another
//! owner overwrote, or that belongs to an earlier owner does not match.

use core::sync::atomic::{AtomicU64, Ordering};

use frame::{FRAME_SIZE, FrameId, Order};

/// Words in a frame.
const FRAME_WORDS: usize = FRAME_SIZE / size_of::<u64>();

/// Content of frames that can be looked at.
pub trait Stamps {
    /// Returns whether the block carries the stamp of this generation.
    fn check(&self, block: FrameId, order: Order, generation: u64) -> bool;
}

/// Content of frames that can be written.
pub trait Stamper: Stamps {
    /// Stamps a block. What it wrote is as durable as the platform makes stores
    /// before the ledger writes anything further.
    fn stamp(&self, block: FrameId, order: Order, generation: u64);
}

/// The stamp of one frame: the words that it starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp([u64; Stamp::WORDS]);

impl Stamp {
    /// Words of a stamp.
    pub const WORDS: usize = 4;

    /// Returns the stamp of a frame. `epoch` identifies the ledger, `generation`
    /// the ownership within it.
    pub const fn new(epoch: u64, frame: FrameId, generation: u64) -> Self {
        let frame = frame.0 as u64;
        let mix = epoch.rotate_left(17) ^ frame.rotate_left(41) ^ !generation;
        Self([epoch, frame, generation, mix])
    }

    /// Returns the words in the order in which they lie in the frame.
    pub const fn words(self) -> [u64; Self::WORDS] {
        self.0
    }
}

/// Returns the frames of a block that carry a stamp: its first and its last.
pub fn stamped(block: FrameId, order: Order) -> impl Iterator<Item = FrameId> {
    let last = FrameId(block.0.saturating_add(order.frames() - 1));
    [block, last].into_iter().take(order.frames())
}

/// Stamps in memory that is given as words, 512 for each frame from frame 0.
pub struct FrameStamps<'a> {
    epoch: u64,
    words: &'a [AtomicU64],
}

impl<'a> FrameStamps<'a> {
    /// Stamps the frames in `words` for the ledger of this epoch.
    pub const fn new(epoch: u64, words: &'a [AtomicU64]) -> Self {
        Self { epoch, words }
    }

    fn content(&self, frame: FrameId) -> Option<&[AtomicU64]> {
        let start = frame.0.checked_mul(FRAME_WORDS)?;
        self.words.get(start..start.checked_add(Stamp::WORDS)?)
    }
}

// Relaxed: a frame has one owner at a time, and the allocator orders one owner
// after the other. Where it does not, the stamps are what finds out.
impl Stamper for FrameStamps<'_> {
    fn stamp(&self, block: FrameId, order: Order, generation: u64) {
        for frame in stamped(block, order) {
            let stamp = Stamp::new(self.epoch, frame, generation).words();
            let content = self.content(frame).unwrap_or_default();
            let pairs = content.iter().zip(stamp);
            pairs.for_each(|(word, value)| word.store(value, Ordering::Relaxed));
        }
    }
}

impl Stamps for FrameStamps<'_> {
    fn check(&self, block: FrameId, order: Order, generation: u64) -> bool {
        stamped(block, order).all(|frame| {
            let stamp = Stamp::new(self.epoch, frame, generation).words();
            self.content(frame).is_some_and(|content| {
                let found = content.iter().map(|word| word.load(Ordering::Relaxed));
                found.eq(stamp)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_block_is_stamped_at_both_ends_and_a_frame_once() {
        let stamped = |frame, order| stamped(FrameId(frame), order).collect::<Vec<_>>();
        assert_eq!(stamped(7, Order::FRAME), [FrameId(7)]);
        assert_eq!(stamped(512, Order::HUGE), [FrameId(512), FrameId(1023)]);
    }

    #[test]
    fn a_stamp_matches_its_own_run_frame_and_generation_only() {
        let words: Vec<_> = (0..8 * FRAME_WORDS).map(|_| AtomicU64::new(0)).collect();
        let stamps = FrameStamps::new(1, &words);
        let order = Order::new(2).expect("an order");
        stamps.stamp(FrameId(4), order, 9);
        assert!(stamps.check(FrameId(4), order, 9));
        assert!(!stamps.check(FrameId(4), order, 8));
        assert!(!stamps.check(FrameId(0), order, 9));
        assert!(!FrameStamps::new(2, &words).check(FrameId(4), order, 9));

        words[7 * FRAME_WORDS + 2].fetch_xor(1 << 63, Ordering::Relaxed);
        assert!(
            !stamps.check(FrameId(4), order, 9),
            "the last frame's stamp broke"
        );
    }

    #[test]
    fn a_block_beyond_the_memory_has_no_stamp() {
        let stamps = FrameStamps::new(1, &[]);
        stamps.stamp(FrameId(usize::MAX), Order::FRAME, 1);
        assert!(!stamps.check(FrameId(usize::MAX), Order::FRAME, 1));
    }
}
