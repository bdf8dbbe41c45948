//! Free in random order what all processors allocated.

use core::sync::atomic::{AtomicU64, Ordering};

use frame::FrameId;

use super::phases::all;
use super::{Bench, Failure, Times};
use crate::dice::Dice;
use crate::{FrameAlloc, Machine};

/// A place that holds no block, since a processor got fewer than it wanted.
const EMPTY: u64 = u64::MAX;

/// The blocks of all processors, in one memory that all of them share.
pub struct Pool<'a>(&'a [AtomicU64]);

impl<'a> Pool<'a> {
    /// Uses one word for each block of each processor.
    pub const fn new(words: &'a [AtomicU64]) -> Self {
        Self(words)
    }

    /// Puts a processor's blocks into its share, and marks the rest as empty.
    // Relaxed throughout: shares are disjoint, and barriers stand between
    // filling, shuffling and dealing.
    fn collect(&self, share: core::ops::Range<usize>, blocks: &[FrameId]) {
        let frames = blocks.iter().map(|block| block.0 as u64);
        let places = self.0[share].iter();
        for (place, frame) in places.zip(frames.chain(core::iter::repeat(EMPTY))) {
            place.store(frame, Ordering::Relaxed);
        }
    }

    fn shuffle(&self, len: usize, seed: u64) {
        Dice::new(seed).shuffle(len, |a, b| {
            let (in_a, in_b) = (
                self.0[a].load(Ordering::Relaxed),
                self.0[b].load(Ordering::Relaxed),
            );
            self.0[a].store(in_b, Ordering::Relaxed);
            self.0[b].store(in_a, Ordering::Relaxed);
        });
    }

    /// Copies the blocks of a share; returns how many there are.
    fn deal(&self, share: core::ops::Range<usize>, blocks: &mut [FrameId]) -> usize {
        let places = self.0[share].iter().map(|p| p.load(Ordering::Relaxed));
        let frames = places
            .filter(|&place| place != EMPTY)
            .filter_map(|place| usize::try_from(place).ok());
        blocks
            .iter_mut()
            .zip(frames)
            .map(|(block, frame)| *block = FrameId(frame))
            .count()
    }
}

impl<M: Machine, A: FrameAlloc> Bench<'_, M, A> {
    /// Allocates `blocks.len()` blocks on every processor, pools and shuffles
    /// the blocks of all processors, deals them out again, and frees those.
    ///
    /// Question: what does a free cost that hits other processors' trees, in no
    /// order that the allocator could have planned? Pooling, shuffling (by the
    /// first processor, from `seed`) and dealing are not timed. All processors
    /// give slices of the same length, the same pool and the same seed.
    ///
    /// # Errors
    ///
    /// The pool is too small, or the allocator ran out, refused a block or
    /// handed one out twice. All blocks that were taken have been offered back.
    pub fn random(
        &mut self,
        blocks: &mut [FrameId],
        pool: &Pool<'_>,
        seed: u64,
    ) -> Result<Times, Failure<A::Error>> {
        let wanted = blocks.len();
        let needed = wanted * self.machine.cpus();
        if pool.0.len() < needed {
            // Every processor sees the same lengths and leaves here.
            let given = pool.0.len();
            return Err(Failure::PoolTooSmall { needed, given });
        }

        let get = self.timed(|bench| bench.fill(blocks));
        // Marked by who got them, unmarked by who frees them: a block that the
        // pool lost or doubled is noticed as well.
        let claimed = self.claim(&blocks[..get.outcome]);
        let dealt = self.exchange(blocks, get.outcome, pool, seed);
        let blocks = &blocks[..dealt];
        let released = self.release(blocks);
        let put = self.timed(|bench| bench.empty(blocks));

        all(get.outcome, wanted)?;
        claimed.and(released)?;
        put.outcome?;
        Ok(Times {
            ops: wanted as u64,
            get_ticks: get.ticks,
            put_ticks: put.ticks,
        })
    }

    /// Trades the first `got` blocks for as many as the shuffled pool gives.
    fn exchange(&self, blocks: &mut [FrameId], got: usize, pool: &Pool<'_>, seed: u64) -> usize {
        let (cpu, per_cpu) = (self.machine.cpu(), blocks.len());
        let share = cpu * per_cpu..(cpu + 1) * per_cpu;
        pool.collect(share.clone(), &blocks[..got]);
        self.machine.barrier();
        if cpu == 0 {
            pool.shuffle(per_cpu * self.machine.cpus(), seed);
        }
        self.machine.barrier();
        pool.deal(share, blocks)
    }
}
