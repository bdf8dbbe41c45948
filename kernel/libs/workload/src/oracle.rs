//! Who owns which frame, as the workloads saw it.
//!
//! An allocator that hands one frame to two processors is fast and often
//! passes a comparison of counts: one get too many is balanced by one put that
//! frees nothing. Ownership can't be balanced. Every processor marks the blocks
//! that it holds in one shared bitmap while all of them hold theirs; a mark that
//! is there already is a frame with two owners. [`conserved`] is the other half:
//! what was free before must be free again.
//!
//! Both are called between timed sections, never inside.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use frame::{FrameId, Order};

/// Frames that one word of the bitmap stands for.
const WORD_FRAMES: usize = 64;

/// One bit per frame, set while a workload owns the frame.
pub struct Ownership<'a> {
    words: &'a [AtomicU64],
    frames: usize,
}

/// What the oracle objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnershipError {
    /// A frame was handed out while somebody else owned it.
    Doubled {
        /// First such frame.
        frame: FrameId,
        /// First frame of the block that it was handed out with.
        block: FrameId,
        /// Order of that block.
        order: Order,
    },
    /// A frame was given back that nobody owned.
    Unowned {
        /// First such frame.
        frame: FrameId,
        /// First frame of the block that it was given back with.
        block: FrameId,
        /// Order of that block.
        order: Order,
    },
    /// A block was handed out that is not in the zone, or not aligned.
    Foreign {
        /// First frame of the block.
        block: FrameId,
        /// Order of the block.
        order: Order,
        /// Frames in the zone.
        frames: usize,
    },
}

impl<'a> Ownership<'a> {
    /// Returns the number of words that [`new`](Self::new) needs.
    pub const fn words(frames: usize) -> usize {
        frames.div_ceil(WORD_FRAMES)
    }

    /// Starts with nobody owning any of the `frames` frames.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer than [`words(frames)`](Self::words) words.
    pub fn new(words: &'a [AtomicU64], frames: usize) -> Self {
        let needed = Self::words(frames);
        let words = &words[..needed];
        words.iter().for_each(|w| w.store(0, Ordering::Relaxed));
        Self { words, frames }
    }

    /// Marks a block as owned.
    ///
    /// # Errors
    ///
    /// Some of it was owned already, or it is no block of this zone. The rest of
    /// it is marked all the same.
    pub fn claim(&self, block: FrameId, order: Order) -> Result<(), OwnershipError> {
        // Acquire pairs with the Release in `release`: whoever owns a frame
        // after another has seen the mark go.
        self.flip(block, order, |word, mask| {
            word.fetch_or(mask, Ordering::Acquire) & mask
        })?
        .map_or(Ok(()), |frame| {
            Err(OwnershipError::Doubled {
                frame,
                block,
                order,
            })
        })
    }

    /// Removes the mark of a block.
    ///
    /// # Errors
    ///
    /// Some of it was not owned, or it is no block of this zone. The rest of it
    /// has lost its mark all the same.
    pub fn release(&self, block: FrameId, order: Order) -> Result<(), OwnershipError> {
        self.flip(block, order, |word, mask| {
            !word.fetch_and(!mask, Ordering::Release) & mask
        })?
        .map_or(Ok(()), |frame| {
            Err(OwnershipError::Unowned {
                frame,
                block,
                order,
            })
        })
    }

    /// Counts the frames that are owned.
    pub fn owned(&self) -> usize {
        let ones = |w: &AtomicU64| w.load(Ordering::Relaxed).count_ones() as usize;
        self.words.iter().map(ones).sum()
    }

    /// Applies `flip` to the words of a block and returns the first frame whose
    /// bit it complains about.
    fn flip(
        &self,
        block: FrameId,
        order: Order,
        flip: impl Fn(&AtomicU64, u64) -> u64,
    ) -> Result<Option<FrameId>, OwnershipError> {
        let end = block.0.checked_add(order.frames());
        if !block.is_aligned(order) || end.is_none_or(|end| end > self.frames) {
            let frames = self.frames;
            return Err(OwnershipError::Foreign {
                block,
                order,
                frames,
            });
        }
        let first = block.0 / WORD_FRAMES;
        let mask = match order.frames() {
            WORD_FRAMES.. => u64::MAX,
            frames => ((1 << frames) - 1) << (block.0 % WORD_FRAMES),
        };
        let mut complaint = None;
        for index in first..first + order.frames().div_ceil(WORD_FRAMES) {
            let bits = flip(&self.words[index], mask);
            if bits != 0 && complaint.is_none() {
                let bit = bits.trailing_zeros() as usize;
                complaint = Some(FrameId(index * WORD_FRAMES + bit));
            }
        }
        Ok(complaint)
    }
}

/// Frames came or went over a workload that gave everything back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miscounted {
    /// Frames free before.
    pub before: u64,
    /// Frames free after.
    pub after: u64,
}

/// Checks that as many frames are free as before.
///
/// # Errors
///
/// They are not.
pub fn conserved(before: u64, after: u64) -> Result<(), Miscounted> {
    if before == after {
        Ok(())
    } else {
        Err(Miscounted { before, after })
    }
}

impl fmt::Display for OwnershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubled {
                frame,
                block,
                order,
            } => write!(
                f,
                "frame {frame} was handed out with block {block} of order {order} while it was owned"
            ),
            Self::Unowned {
                frame,
                block,
                order,
            } => write!(
                f,
                "frame {frame} was given back with block {block} of order {order} while nobody owned it"
            ),
            Self::Foreign {
                block,
                order,
                frames,
            } => write!(
                f,
                "block {block} of order {order} is no block of a zone of {frames} frames"
            ),
        }
    }
}

impl fmt::Display for Miscounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after } = self;
        write!(f, "{before} frames were free before, {after} are after")
    }
}

impl core::error::Error for OwnershipError {}
impl core::error::Error for Miscounted {}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn words(frames: usize) -> Vec<AtomicU64> {
        (0..Ownership::words(frames))
            .map(|_| AtomicU64::new(0))
            .collect()
    }

    fn order(exponent: u8) -> Order {
        Order::new(exponent).expect("an order")
    }

    #[test]
    fn every_order_is_claimed_and_released_exactly() {
        let words = words(4096);
        let oracle = Ownership::new(&words, 4096);
        for exponent in 0..=10 {
            let block = FrameId(3 << exponent);
            oracle.claim(block, order(exponent)).expect("free");
            assert_eq!(oracle.owned(), 1 << exponent);
            oracle.release(block, order(exponent)).expect("owned");
            assert_eq!(oracle.owned(), 0);
        }
    }

    #[test]
    fn one_frame_inside_a_large_block_is_found_to_be_owned() {
        let words = words(2048);
        let oracle = Ownership::new(&words, 2048);
        oracle.claim(FrameId(700), Order::FRAME).expect("free");
        assert_eq!(
            oracle.claim(FrameId(512), Order::HUGE),
            Err(OwnershipError::Doubled {
                frame: FrameId(700),
                block: FrameId(512),
                order: Order::HUGE
            })
        );
    }

    #[test]
    fn giving_back_what_nobody_owns_is_an_error() {
        let words = words(64);
        let oracle = Ownership::new(&words, 64);
        oracle.claim(FrameId(4), order(1)).expect("free");
        assert_eq!(
            oracle.release(FrameId(4), order(2)),
            Err(OwnershipError::Unowned {
                frame: FrameId(6),
                block: FrameId(4),
                order: order(2)
            })
        );
    }

    #[test]
    fn blocks_outside_the_zone_or_misaligned_are_foreign() {
        let words = words(100);
        let oracle = Ownership::new(&words, 100);
        for (block, exponent) in [(100, 0), (96, 3), (1, 1), (usize::MAX, 0)] {
            let error = oracle.claim(FrameId(block), order(exponent));
            assert!(
                matches!(error, Err(OwnershipError::Foreign { .. })),
                "{block}"
            );
        }
        oracle
            .claim(FrameId(99), Order::FRAME)
            .expect("the last frame");
    }

    #[test]
    fn a_count_that_changed_is_reported_with_both_values() {
        assert_eq!(conserved(5, 5), Ok(()));
        let lost = Miscounted {
            before: 5,
            after: 4,
        };
        assert_eq!(conserved(5, 4), Err(lost));
    }
}
