//! After the judgement: who goes on with what, and what nobody owns is freed.

use core::ops::Range;
use core::sync::atomic::Ordering;

use frame::{FrameId, Order};

use super::scan::Seen;
use super::{Allocated, Block, Ledger, Medium, Owner, Unreclaimed};
use crate::FrameAlloc;

impl<M> Ledger<'_, M> {
    /// Returns the blocks that are owned, in ascending order.
    pub fn survivors(&self) -> impl Iterator<Item = Block> {
        self.scan().filter_map(|seen| seen.block())
    }

    /// Returns whether a block was taken in the cycle that is running.
    pub(crate) fn is_new(&self, block: &Block) -> bool {
        let Owner::Owned(claim) = Owner::decode(block.generation) else {
            return false;
        };
        let line = self.line(usize::from(claim.cpu));
        line.is_ok_and(|line| line.done_before().load(Ordering::Acquire) < claim.seq)
    }

    /// Returns the frames that are allocated and that nobody owns, in ascending
    /// order, those included that are kept from use.
    pub fn leaked(&self, state: &impl Allocated) -> impl Iterator<Item = FrameId> {
        let leaked = |seen: &Seen| !seen.is_owned() && state.is_allocated(seen.frame);
        self.scan().filter(leaked).map(|seen| seen.frame)
    }
}

/// Frees what nobody owns; returns how many frames that were.
///
/// What was kept from use is freed as well, and struck out after that: who still wants
/// to keep it has to take it again. So this comes before anything is kept.
///
/// Leaked frames come in runs, the remains of blocks. Since it is not known of
/// which, each run is offered in the largest aligned parts, and what the
/// allocator refuses in halves. A crash in between leaves fewer leaked frames.
///
/// # Errors
///
/// The allocator refuses a single frame that it says is allocated.
pub fn reclaim<M: Medium, A: FrameAlloc>(
    ledger: &Ledger<'_, M>,
    state: &impl Allocated,
    alloc: &mut A,
) -> Result<u64, Unreclaimed<A::Error>> {
    let (mut freed, mut run) = (0, 0..0);
    for FrameId(frame) in ledger.leaked(state) {
        if frame != run.end {
            freed += free_run(alloc, run)?;
            run = frame..frame;
        }
        run.end = frame + 1;
    }
    freed += free_run(alloc, run)?;
    ledger.let_go(ledger.kept());
    Ok(freed)
}

fn free_run<A: FrameAlloc>(
    alloc: &mut A,
    mut run: Range<usize>,
) -> Result<u64, Unreclaimed<A::Error>> {
    let frames = run.len() as u64;
    while !run.is_empty() {
        let order = largest(&run);
        free_part(alloc, FrameId(run.start), order)?;
        run.start += order.frames();
    }
    Ok(frames)
}

/// Returns the order of the largest block at the start of a run.
fn largest(run: &Range<usize>) -> Order {
    let aligned = run.start.trailing_zeros();
    let exponent = run.len().ilog2().min(aligned);
    let order = u8::try_from(exponent).ok().and_then(Order::new);
    order.unwrap_or(Order::GIANT)
}

fn free_part<A: FrameAlloc>(
    alloc: &mut A,
    frame: FrameId,
    order: Order,
) -> Result<(), Unreclaimed<A::Error>> {
    let Err(error) = alloc.put(frame, order) else {
        return Ok(());
    };
    let half = order.exponent().checked_sub(1).and_then(Order::new);
    let Some(half) = half else {
        return Err(Unreclaimed { frame, error });
    };
    free_part(alloc, frame, half)?;
    free_part(alloc, FrameId(frame.0 + half.frames()), half)
}
