//! Free and allocate at random in memory that is partly full.

use frame::FrameId;

use super::phases::all;
use super::{Bench, Failure, Times};
use crate::dice::Dice;
use crate::{FrameAlloc, Machine};

impl<M: Machine, A: FrameAlloc> Bench<'_, M, A> {
    /// Allocates `blocks.len()` blocks, frees all but `keep` of them at random,
    /// then replaces each that is left, `passes` times, in random order.
    ///
    /// Question: what does a pair of put and get cost in fragmented memory? The
    /// share of blocks that are kept is the fill. One operation is one pair,
    /// measured in `get_ticks`. The random order is laid down before, so that
    /// the clock sees no dice. `keep` may not exceed `blocks.len()`.
    ///
    /// # Errors
    ///
    /// The allocator ran out, refused a block or handed one out twice. All
    /// blocks that were taken have been offered back.
    pub fn churn(
        &mut self,
        blocks: &mut [FrameId],
        keep: usize,
        passes: usize,
        seed: u64,
    ) -> Result<Times, Failure<A::Error>> {
        let wanted = blocks.len();
        let got = self.fill(blocks);
        let blocks = &mut blocks[..got];
        let mut dice = Dice::of_cpu(seed, self.machine.cpu());
        dice.shuffle(got, |a, b| blocks.swap(a, b));
        let (kept, spare) = blocks.split_at_mut(keep.min(got));
        // Nobody frees before everybody has filled its share.
        self.machine.barrier();
        let thinned = self.empty(spare);

        let mut held = kept.len();
        let pairs = self.timed(|bench| bench.replace(kept, &mut held, passes));
        let proof = self.prove(&kept[..held]);
        self.machine.barrier();
        let emptied = self.empty(&kept[..held]);

        all(got, wanted)?;
        thinned?;
        pairs.outcome?;
        proof?;
        emptied?;
        Ok(Times {
            ops: (passes * keep.min(wanted)) as u64,
            get_ticks: pairs.ticks,
            put_ticks: 0,
        })
    }

    /// Replaces every block in turn. If the allocator fails, `held` says how
    /// many blocks, moved to the front, are still there.
    fn replace(
        &mut self,
        blocks: &mut [FrameId],
        held: &mut usize,
        passes: usize,
    ) -> Result<(), Failure<A::Error>> {
        let (len, wanted) = (blocks.len(), passes * blocks.len());
        for pass in 0..passes {
            for index in 0..len {
                self.put(blocks[index])?;
                let Some(frame) = self.alloc.get(self.order) else {
                    *held = len - 1;
                    blocks.swap(index, *held);
                    let got = pass * len + index;
                    return Err(Failure::OutOfFrames { got, wanted });
                };
                blocks[index] = frame;
            }
        }
        Ok(())
    }
}
