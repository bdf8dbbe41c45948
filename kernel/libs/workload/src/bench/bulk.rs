//! Allocate many, then free them all.

use frame::FrameId;

use super::phases::all;
use super::{Bench, Failure, Times};
use crate::{FrameAlloc, Machine};

impl<M: Machine, A: FrameAlloc> Bench<'_, M, A> {
    /// Allocates `blocks.len()` blocks, then frees them in the same order.
    ///
    /// Question: what does an operation cost when processors do not compete for
    /// frames, only for the allocator? One operation is one get or one put.
    ///
    /// # Errors
    ///
    /// The allocator ran out, refused a block or handed one out twice. All
    /// blocks that were taken have been offered back.
    pub fn bulk(&mut self, blocks: &mut [FrameId]) -> Result<Times, Failure<A::Error>> {
        let wanted = blocks.len();
        let get = self.timed(|bench| bench.fill(blocks));
        let blocks = &blocks[..get.outcome];

        let proof = self.prove(blocks);
        // Freeing while others still allocate would be another workload: the
        // barriers around the timed parts keep the phases apart.
        let put = self.timed(|bench| bench.empty(blocks));

        all(get.outcome, wanted)?;
        proof?;
        put.outcome?;
        Ok(Times {
            ops: wanted as u64,
            get_ticks: get.ticks,
            put_ticks: put.ticks,
        })
    }
}
