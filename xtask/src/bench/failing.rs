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

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use frame::{FrameId, Order};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use workload::FrameAlloc;

use super::{
    case::{Case, Workload},
    field::{Contestant, Reading},
    processor::on_each,
    rival::{Design, Zone},
    statistics::{below, shuffle_front},
};

/// Failing gets in a row, timed together.
const LOOP: u64 = 2000;

/// Failing gets that are timed one by one.
const SHOTS: u64 = 200;

/// Frames held back, to be freed between two failing gets.
const SPARE: usize = 64;

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
    Ok((0..SPARE).map(|index| FrameId(index * step)).collect())
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
    fn measure(&mut self, case: &Case, seed: u64) -> Result<Vec<Reading>>;
}

impl<Z: Zone> FailingGets for Exhausted<Z> {
    fn exhaust(&mut self, order: Order) {
        let mut handle = self.zone.handle(0);
        self.last = std::iter::from_fn(|| handle.get(order))
            .last()
            .map(|frame| (frame, order));
    }

    fn measure(&mut self, case: &Case, seed: u64) -> Result<Vec<Reading>> {
        let before = self.zone.free_frames();
        let Self { zone, spare, last } = self;
        let mut spares = spare.clone();
        let readings = on_each(1, |_| {
            let mut handle = zone.handle(0);
            let mut spares = spares.clone();
            let mut readings = vec![next(&mut handle, case.order())?];
            if let Some(last) = *last {
                readings.push(first(&mut handle, last, case.order())?);
            }
            if !spares.is_empty() {
                readings.push(after_put(&mut handle, &mut spares, case.order(), seed)?);
            }
            Ok((readings, spares))
        })?;
        let only: Result<_> = readings.into_iter().next().context("one processor")?;
        let (readings, left) = only?;
        spares = left;
        *spare = spares;
        let after = self.zone.free_frames();
        ensure!(
            before == after,
            "{before} frames were free before, {after} are after"
        );
        Ok(readings)
    }
}

/// Times failing gets in a row.
fn next(handle: &mut impl FrameAlloc, order: Order) -> Result<Reading> {
    fail(handle, order)?;
    let start = Instant::now();
    for _ in 0..LOOP {
        fail(handle, order)?;
    }
    let nanos = u64::try_from(start.elapsed().as_nanos())?;
    Ok(Reading {
        op: "next",
        ops: LOOP,
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
    shots("first", || {
        put(handle, block, block_order)?;
        block = handle
            .get(block_order)
            .context("the block just freed is gone")?;
        timed(|| fail(handle, order))
    })
}

/// Times failing gets, each after one unrelated frame was freed.
fn after_put(
    handle: &mut impl FrameAlloc,
    spare: &mut [FrameId],
    order: Order,
    seed: u64,
) -> Result<Reading> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    shots("after-put", || {
        let frame = &mut spare[below(&mut dice, SPARE)];
        put(handle, *frame, Order::FRAME)?;
        let nanos = timed(|| fail(handle, order))?;
        // Whichever frame this is, the free ones remain a part of those that
        // were free at first, and of the spare ones.
        *frame = handle
            .get(Order::FRAME)
            .context("the frame just freed is gone")?;
        Ok(nanos)
    })
}

fn shots(op: &'static str, mut shot: impl FnMut() -> Result<u64>) -> Result<Reading> {
    let nanos: u64 = (0..SHOTS).map(|_| shot()).sum::<Result<u64>>()?;
    Ok(Reading {
        op,
        ops: SHOTS,
        nanos,
        intervals: SHOTS,
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
    pub(super) case: &'a Case,
}

impl Contestant for AtOrder<'_> {
    fn repetition(&mut self, seed: u64) -> Result<Vec<Reading>> {
        self.zone.measure(self.case, seed)
    }
}
