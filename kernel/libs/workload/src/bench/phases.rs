//! The phases that the workloads are made of.

use frame::FrameId;

use super::{Bench, Failure};
use crate::oracle::OwnershipError;
use crate::{FrameAlloc, Machine};

/// How a phase ended and how long it took.
pub(super) struct Timed<T> {
    pub(super) ticks: u64,
    pub(super) outcome: T,
}

impl<M: Machine, A: FrameAlloc> Bench<'_, M, A> {
    /// Times `work` of this processor while all processors are at theirs.
    pub(super) fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Timed<T> {
        self.machine.barrier();
        let start = self.machine.ticks();
        let outcome = work(self);
        let ticks = self.machine.ticks().wrapping_sub(start);
        // Whoever is ready first would disturb the others with what comes next.
        self.machine.barrier();
        Timed { ticks, outcome }
    }

    /// Takes blocks until the slice is full; returns how many there were.
    pub(super) fn fill(&mut self, blocks: &mut [FrameId]) -> usize {
        let mut got = 0;
        for block in blocks {
            let Some(frame) = self.alloc.get(self.order) else {
                break;
            };
            *block = frame;
            got += 1;
        }
        got
    }

    /// Gives all blocks back, in the order of the slice. A refused block does
    /// not keep the others; the first refusal is returned.
    pub(super) fn empty(&mut self, blocks: &[FrameId]) -> Result<(), Failure<A::Error>> {
        let mut outcome = Ok(());
        for &frame in blocks {
            let put = self.put(frame);
            if outcome.is_ok() {
                outcome = put;
            }
        }
        outcome
    }

    /// Gives one block back.
    pub(super) fn put(&mut self, frame: FrameId) -> Result<(), Failure<A::Error>> {
        let order = self.order;
        let refused = |error| Failure::Refused {
            frame,
            order,
            error,
        };
        self.alloc.put(frame, order).map_err(refused)
    }

    /// Proves that nobody else holds these blocks, while everybody holds theirs.
    pub(super) fn prove(&self, blocks: &[FrameId]) -> Result<(), OwnershipError> {
        let claimed = self.claim(blocks);
        // A mark that goes before the others have set theirs proves nothing.
        self.machine.barrier();
        claimed.and(self.release(blocks))
    }

    /// Marks all blocks; returns the first objection.
    pub(super) fn claim(&self, blocks: &[FrameId]) -> Result<(), OwnershipError> {
        let claim = |&block: &FrameId| self.oracle.claim(block, self.order);
        blocks.iter().map(claim).fold(Ok(()), Result::and)
    }

    /// Removes all marks; returns the first objection.
    pub(super) fn release(&self, blocks: &[FrameId]) -> Result<(), OwnershipError> {
        let release = |&block: &FrameId| self.oracle.release(block, self.order);
        blocks.iter().map(release).fold(Ok(()), Result::and)
    }
}

/// Says whether a phase got all the blocks that it wanted.
pub(super) fn all<E>(got: usize, wanted: usize) -> Result<(), Failure<E>> {
    if got == wanted {
        Ok(())
    } else {
        Err(Failure::OutOfFrames { got, wanted })
    }
}
