//! The least that an allocator with one atomic operation a call could cost.
//!
//! Whether two processors are twice as fast as one depends on the machine too:
//! shared power budgets, hyperthreads, a neighbour on the same host. This is no
//! allocator (frames that are freed are forgotten), but it behaves like one
//! towards *bulk*: every get and put is one compare-exchange on a line that
//! nobody else touches. What it loses from one processor to two, no allocator can
//! be blamed for.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use frame::{FrameId, Order};

use crate::FrameAlloc;

/// One processor's line: blocks handed out so far, modulo its share, and in the
/// upper half how many of them are held.
#[derive(Debug)]
#[repr(align(128))]
pub struct Control {
    word: AtomicU64,
    first: usize,
    share: usize,
}

/// One more block is held.
const HELD: u64 = 1 << 32;

/// More blocks were freed than are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoneHeld;

impl Control {
    /// Returns the handle that hands out the `share` frames from `first` on, over
    /// and over.
    pub const fn new(first: FrameId, share: usize) -> Self {
        Self {
            word: AtomicU64::new(0),
            first: first.0,
            share,
        }
    }
}

impl FrameAlloc for Control {
    type Error = NoneHeld;

    #[inline]
    fn get(&mut self, order: Order) -> Option<FrameId> {
        let word = self.word.load(Relaxed);
        let blocks = self.share >> order.exponent();
        if word / HELD >= blocks as u64 {
            return None;
        }
        let place = (word % HELD) as usize;
        let next = if place + 1 == blocks {
            0
        } else {
            place as u64 + 1
        };
        let new = (word / HELD + 1) * HELD + next;
        // Nobody else writes the word: its cost is wanted, not its effect.
        self.word
            .compare_exchange(word, new, Relaxed, Relaxed)
            .ok()?;
        Some(FrameId(self.first + (place << order.exponent())))
    }

    #[inline]
    fn put(&mut self, _: FrameId, _: Order) -> Result<(), NoneHeld> {
        let word = self.word.load(Relaxed);
        let new = word.checked_sub(HELD).ok_or(NoneHeld)?;
        let exchanged = self.word.compare_exchange(word, new, Relaxed, Relaxed);
        exchanged.map(|_| ()).map_err(|_| NoneHeld)
    }

    fn drain(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_is_handed_out_twice_before_its_share_was_used_up() {
        let mut control = Control::new(FrameId(64), 8);
        for expected in [64, 66, 68, 70] {
            let order = Order::new(1).expect("an order");
            assert_eq!(control.get(order), Some(FrameId(expected)));
        }
        assert_eq!(control.get(Order::FRAME), Some(FrameId(64)));
        for _ in 0..5 {
            assert_eq!(control.put(FrameId(64), Order::FRAME), Ok(()));
        }
        assert_eq!(control.put(FrameId(64), Order::FRAME), Err(NoneHeld));
    }

    #[test]
    fn the_share_is_all_there_is() {
        let mut control = Control::new(FrameId(0), 2);
        assert!(control.get(Order::FRAME).is_some());
        assert!(control.get(Order::FRAME).is_some());
        assert_eq!(control.get(Order::FRAME), None);
    }
}
