//! *churn*: what a pair costs in a zone that has been in use for long.
//!
//! The zone is filled completely and then thinned out at random to the wanted
//! fill. A repetition frees a few thousand of the blocks that are left, chosen at
//! random from all of them, and allocates one anew after each. The zone lives on
//! from repetition to repetition, so that the figures are those of a steady state,
//! and the choice is new each time: blocks that were allocated one after the other
//! are not freed one after the other.

use std::sync::{Mutex, atomic::AtomicU64};

use anyhow::{Context as _, Result, ensure};
use frame::FrameId;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use workload::{
    FrameAlloc, Machine as _,
    oracle::{Ownership, conserved},
};

use super::{
    case::Case,
    field::{Contestant, Maker, Reading},
    processor::{Processor, on_each},
    rival::{Design, Zone},
    statistics::shuffle_front,
};

/// Pairs of each processor in one repetition, if it has as many blocks.
const PAIRS: usize = 1 << 15;

/// Makes contestants for this workload.
pub(super) struct Churn<'a>(pub(super) &'a Case);

impl Maker for Churn<'_> {
    fn make<'m, D: Design>(&self, memory: &'m mut D::Memory) -> Result<Box<dyn Contestant + 'm>> {
        let case = self.0.clone();
        let zone = D::zone(memory, case.frames(), case.threads);
        let mut blocks = fill(&zone, &case)?;
        let share = blocks.len() / case.threads;
        let shares = (0..case.threads).map(|_| blocks.split_off(blocks.len() - share));
        let shares = shares.map(Mutex::new).collect();
        let owners = Ownership::words(case.frames());
        let owners = (0..owners).map(|_| AtomicU64::new(0)).collect();
        Ok(Box::new(Filled::<D> {
            case,
            zone,
            shares,
            owners,
        }))
    }
}

/// Allocates everything and frees at random until the wanted fill is left.
fn fill(zone: &impl Zone, case: &Case) -> Result<Vec<FrameId>> {
    let order = case.order();
    let all = case.frames() / order.frames();
    let mut handle = zone.handle(0);
    let mut blocks: Vec<FrameId> = std::iter::from_fn(|| handle.get(order)).collect();
    ensure!(
        blocks.len() == all,
        "only {} of {all} blocks can be allocated",
        blocks.len()
    );

    let mut dice = Xoshiro256PlusPlus::seed_from_u64(u64::from(case.order));
    let keep = all * usize::from(case.fill.unwrap_or(0)) / 100;
    shuffle_front(&mut dice, &mut blocks, all);
    for frame in blocks.drain(keep..) {
        let put = handle.put(frame, order);
        put.map_err(|error| anyhow::anyhow!("{frame:?} was refused: {error:?}"))?;
    }
    Ok(blocks)
}

/// A zone in use.
struct Filled<'m, D: Design> {
    case: Case,
    zone: D::Zone<'m>,
    /// Each processor's blocks; the locks are never contended.
    shares: Vec<Mutex<Vec<FrameId>>>,
    owners: Vec<AtomicU64>,
}

impl<D: Design> Contestant for Filled<'_, D> {
    fn repetition(&mut self, seed: u64) -> Result<Vec<Reading>> {
        let before = self.zone.free_frames();
        let oracle = Ownership::new(&self.owners, self.case.frames());
        let spent = on_each(self.case.threads, |processor| {
            let mut share = self.shares[processor.cpu()].lock().expect("nobody panics");
            let mut handle = self.zone.handle(processor.cpu());
            shuffle_front(&mut dice(seed, processor), &mut share, PAIRS);
            let pairs = PAIRS.min(share.len());
            let nanos = self.replace(processor, &mut handle, &mut share[..pairs]);
            // Also after a failure: the others wait at the barrier in there.
            let proof = self.prove(&oracle, processor, &share);
            Ok((pairs as u64, nanos.and_then(|nanos| proof.map(|()| nanos))?))
        })?;
        let spent: Vec<(u64, u64)> = spent.into_iter().collect::<Result<_>>()?;

        conserved(before as u64, self.zone.free_frames() as u64).context("frames went missing")?;
        Ok(vec![Reading {
            op: "pair",
            ops: spent.iter().map(|(pairs, _)| pairs).sum(),
            nanos: spent.iter().map(|(_, nanos)| nanos).sum(),
            intervals: spent.len() as u64,
        }])
    }
}

impl<D: Design> Filled<'_, D> {
    /// Frees each block and takes another one in its place; returns the time.
    fn replace(
        &self,
        processor: &Processor<'_>,
        handle: &mut impl FrameAlloc,
        blocks: &mut [FrameId],
    ) -> Result<u64> {
        let order = self.case.order();
        processor.barrier();
        let start = processor.ticks();
        let mut outcome = Ok(());
        for block in blocks {
            if let Err(error) = handle.put(*block, order) {
                outcome = Err(anyhow::anyhow!("{block:?} was refused: {error:?}"));
                break;
            }
            let Some(frame) = handle.get(order) else {
                outcome = Err(anyhow::anyhow!("out of frames right after a free"));
                break;
            };
            *block = frame;
        }
        let nanos = processor.ticks() - start;
        processor.barrier();
        outcome.map(|()| nanos)
    }

    /// Proves that no block has two owners.
    fn prove(
        &self,
        oracle: &Ownership<'_>,
        processor: &Processor<'_>,
        blocks: &[FrameId],
    ) -> Result<()> {
        let order = self.case.order();
        let claimed = blocks
            .iter()
            .try_for_each(|&block| oracle.claim(block, order));
        processor.barrier();
        claimed?;
        Ok(())
    }
}

/// Different for each processor and repetition.
fn dice(seed: u64, processor: &Processor<'_>) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed << 8 | processor.cpu() as u64)
}
