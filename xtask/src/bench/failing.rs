//! *full* and *fragmented*: what it costs to be told that there is nothing.
//!
//! A page fault handler asks for a huge frame first and takes a small one if there
//! is none; so in a machine that has been up for a while, most requests for huge
//! frames fail, and each had better fail fast. Searching all trees makes the cost
//! grow with the memory. Frames are never touched here, so zones may be larger
//! than the machine.
//!
//! Three figures: the *first* failing get after one of that order has succeeded,
//! the *next* ones in a row, and the one *after a put* of a single frame somewhere
//! else.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use frame::{FrameId, Order};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use workload::FrameAlloc;

use super::{
    case::Workload,
    field::{Contestant, Reading},
    processor::on_each,
    rival::{Design, Zone},
    statistics::shuffle_front,
};

/// The time that failing gets in a row take together, at least: a thousand times
/// what the clock resolves.
const ENOUGH: Duration = Duration::from_micros(60);

/// Failing gets that are timed one by one, in one repetition.
const SHOTS: u64 = 32;

/// Frames held back, each to be freed once between two failing gets.
const SPARE: usize = 1 << 13;

/// A zone in which gets of some orders fail; which ones depends on how far it
/// has been [exhausted](Self::exhaust).
pub(super) struct Exhausted<Z> {
    zone: Z,
    /// Allocated frames whose neighbours stay allocated, so that freeing them
    /// makes no block of two.
    spare: Vec<FrameId>,
    /// One of the last blocks that could be allocated, if there was any.
    last: Option<(FrameId, Order)>,
}

/// Fills a fresh zone; a *fragmented* one is then thinned out to half of its
/// frames, at random.
pub(super) fn prepare<'m, D: Design>(
    memory: &'m mut D::Memory,
    frames: usize,
    state: Workload,
) -> Result<Exhausted<D::Zone<'m>>> {
    let zone = D::zone(memory, frames, 1);
    let mut handle = zone.handle(0);
    let spare = match state {
        Workload::Full => fill(&mut handle, frames).map(|()| Vec::new())?,
        Workload::Fragmented => thin_out(&mut handle, frames)?,
        other => bail!("{} has no failing gets", other.name()),
    };
    drop(handle);
    Ok(Exhausted {
        zone,
        spare,
        last: None,
    })
}

/// Allocates everything, in the largest blocks.
fn fill(handle: &mut impl FrameAlloc, frames: usize) -> Result<()> {
    let order = Order::new(10).expect("an order");
    let got = std::iter::from_fn(|| handle.get(order)).count();
    let all = frames / order.frames();
    ensure!(got == all, "only {got} of {all} blocks can be allocated");
    Ok(())
}

/// Allocates every single frame and frees half of them, except for a few pairs.
fn thin_out(handle: &mut impl FrameAlloc, frames: usize) -> Result<Vec<FrameId>> {
    let got = std::iter::from_fn(|| handle.get(Order::FRAME)).count();
    ensure!(
        got == frames,
        "only {got} of {frames} frames can be allocated"
    );
    let step = frames / SPARE;
    let kept = |frame: usize| frame % step < 2;
    let mut chosen: Vec<FrameId> = (0..frames).filter(|&f| !kept(f)).map(FrameId).collect();
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(0);
    shuffle_front(&mut dice, &mut chosen, frames / 2);
    for &frame in &chosen[..frames / 2] {
        put(handle, frame, Order::FRAME)?;
    }
    let mut spare: Vec<FrameId> = (0..SPARE).map(|index| FrameId(index * step)).collect();
    shuffle_front(&mut dice, &mut spare, SPARE);
    Ok(spare)
}

fn put(handle: &mut impl FrameAlloc, frame: FrameId, order: Order) -> Result<()> {
    let put = handle.put(frame, order);
    put.map_err(|error| anyhow!("{frame:?} was refused: {error:?}"))
}

fn fail(handle: &mut impl FrameAlloc, order: Order) -> Result<()> {
    match handle.get(order) {
        None => Ok(()),
        Some(frame) => bail!("{frame:?} of order {order} was free after all"),
    }
}

/// What the measurements need of a zone, whatever its design.
pub(super) trait FailingGets {
    /// Allocates all blocks of an order that are left, for good.
    fn exhaust(&mut self, order: Order);

    /// Measures gets of an order of which nothing is left.
    fn measure(&mut self, order: Order) -> Result<Vec<Reading>>;
}

impl<Z: Zone> FailingGets for Exhausted<Z> {
    fn exhaust(&mut self, order: Order) {
        let mut handle = self.zone.handle(0);
        self.last = std::iter::from_fn(|| handle.get(order))
            .last()
            .map(|frame| (frame, order));
    }

    fn measure(&mut self, order: Order) -> Result<Vec<Reading>> {
        let before = self.zone.free_frames();
        let Self { zone, spare, last } = self;
        let keep = spare.len().saturating_sub(usize::try_from(SHOTS)?);
        let freed = spare.split_off(keep);
        let readings = on_each(1, |_| {
            let mut handle = zone.handle(0);
            let mut readings = vec![next(&mut handle, order)?];
            if let Some(last) = *last {
                readings.push(first(&mut handle, last, order)?);
            }
            if !freed.is_empty() {
                readings.push(after_put(&mut handle, &freed, order)?);
            }
            Ok(readings)
        })?;
        let readings: Result<Vec<_>> = readings.into_iter().collect();
        let readings = readings?.concat();
        let (wanted, after) = (before + freed.len(), self.zone.free_frames());
        ensure!(
            after == wanted,
            "{wanted} frames should be free, {after} are"
        );
        Ok(readings)
    }
}

/// Times failing gets in a row.
fn next(handle: &mut impl FrameAlloc, order: Order) -> Result<Reading> {
    let once = timed(|| fail(handle, order))?.max(1);
    let ops = (u64::try_from(ENOUGH.as_nanos())? / once).clamp(4, 2000);
    let nanos = timed(|| (0..ops).try_for_each(|_| fail(handle, order)))?;
    Ok(Reading {
        op: "next",
        ops,
        nanos,
        intervals: 1,
    })
}

/// Times failing gets, each after a block of that order came and went.
fn first(
    handle: &mut impl FrameAlloc,
    (mut block, block_order): (FrameId, Order),
    order: Order,
) -> Result<Reading> {
    shots("first", SHOTS, |_| {
        put(handle, block, block_order)?;
        block = handle
            .get(block_order)
            .context("the block just freed is gone")?;
        timed(|| fail(handle, order))
    })
}

/// Times failing gets, each after one unrelated frame was freed. They stay free:
/// their neighbours don't.
fn after_put(handle: &mut impl FrameAlloc, freed: &[FrameId], order: Order) -> Result<Reading> {
    shots("after-put", freed.len() as u64, |shot| {
        put(handle, freed[shot], Order::FRAME)?;
        timed(|| fail(handle, order))
    })
}

fn shots(op: &'static str, ops: u64, shot: impl FnMut(usize) -> Result<u64>) -> Result<Reading> {
    let nanos: u64 = (0..usize::try_from(ops)?).map(shot).sum::<Result<u64>>()?;
    Ok(Reading {
        op,
        ops,
        nanos,
        intervals: ops,
    })
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<u64> {
    let start = Instant::now();
    work()?;
    Ok(u64::try_from(start.elapsed().as_nanos())?)
}

/// A zone at one order, to be measured in turn with others.
pub(super) struct AtOrder<'a> {
    pub(super) zone: &'a mut dyn FailingGets,
    pub(super) order: Order,
}

impl Contestant for AtOrder<'_> {
    fn repetition(&mut self, _: u64) -> Result<Vec<Reading>> {
        self.zone.measure(self.order)
    }
}
