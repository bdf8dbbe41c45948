//! Allocate one and free it again, over and over.

use frame::FrameId;

use super::phases::all;
use super::{Bench, Failure, Times};
use crate::{FrameAlloc, Machine};

impl<M: Machine, A: FrameAlloc> Bench<'_, M, A> {
    /// Allocates and frees a single block `rounds` times.
    ///
    /// Question: what does a pair cost that never leaves the processor? Pairs
    /// are too short to be timed by halves, so all of it is in `get_ticks`. The
    /// proof of ownership takes one more block on each processor afterwards.
    ///
    /// # Errors
    ///
    /// The allocator ran out, refused a block or handed one out twice.
    pub fn repeat(&mut self, rounds: usize) -> Result<Times, Failure<A::Error>> {
        let pairs = self.timed(|bench| bench.pairs(rounds));

        let mut last = [FrameId(0)];
        let got = self.fill(&mut last);
        let last = &last[..got];
        let proof = self.prove(last);
        // All marks are gone before anybody may get the frames anew.
        self.machine.barrier();
        let put = self.empty(last);

        pairs.outcome?;
        all(got, 1)?;
        proof?;
        put?;
        Ok(Times {
            ops: rounds as u64,
            get_ticks: pairs.ticks,
            put_ticks: 0,
        })
    }

    fn pairs(&mut self, rounds: usize) -> Result<(), Failure<A::Error>> {
        for got in 0..rounds {
            let Some(frame) = self.alloc.get(self.order) else {
                return Err(Failure::OutOfFrames {
                    got,
                    wanted: rounds,
                });
            };
            self.put(frame)?;
        }
        Ok(())
    }
}
