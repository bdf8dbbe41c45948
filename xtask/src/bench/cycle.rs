//! *bulk*, *repeat* and *random*: from an empty zone, and back to it.
//!
//! The workloads are those that the kernel runs, from the same crate. Here they
//! get threads for processors, a fresh zone for each repetition, and enough rounds
//! that even the few blocks of a large order take a thousand times as long as the
//! clock can resolve.

use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result, bail};
use frame::FrameId;
use workload::{
    FrameAlloc, Machine as _,
    bench::{Bench, Pool, Times},
    oracle::{Ownership, conserved},
};

use super::{
    case::{Case, Workload},
    field::{Contestant, Maker, Reading},
    processor::{Processor, on_each},
    rival::{Design, Zone as _},
};

/// Blocks that a processor takes and frees at least in one repetition.
const LEAST_BLOCKS: usize = 8192;

/// Pairs in one repetition of *repeat*.
const PAIRS: usize = 50_000;

/// Makes contestants for these workloads.
pub(super) struct Cycle<'a>(pub(super) &'a Case);

impl Maker for Cycle<'_> {
    fn make<'m, D: Design>(&self, memory: &'m mut D::Memory) -> Result<Box<dyn Contestant + 'm>> {
        Ok(Box::new(Fresh::<D> {
            case: self.0.clone(),
            owners: words(Ownership::words(self.0.frames())),
            pool: words(self.0.threads * blocks(self.0)),
            memory,
        }))
    }
}

/// Returns the blocks of each processor: together half of the zone.
fn blocks(case: &Case) -> usize {
    case.frames() / 2 / case.order().frames() / case.threads
}

fn words(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// A design that starts every repetition from a fresh zone.
struct Fresh<'m, D: Design> {
    case: Case,
    memory: &'m mut D::Memory,
    owners: Vec<AtomicU64>,
    pool: Vec<AtomicU64>,
}

impl<D: Design> Contestant for Fresh<'_, D> {
    fn repetition(&mut self, seed: u64) -> Result<Vec<Reading>> {
        let Self {
            case,
            memory,
            owners,
            pool,
        } = self;
        let zone = D::zone(memory, case.frames(), case.threads);
        let before = zone.free_frames();
        let oracle = Ownership::new(owners, case.frames());
        let pool = Pool::new(pool);

        let times = on_each(case.threads, |processor| {
            let mut handle = zone.handle(processor.cpu());
            let bench = Bench {
                machine: processor,
                alloc: &mut handle,
                oracle: &oracle,
                order: case.order(),
            };
            rounds(case, bench, &pool, seed)
        })?;
        let times: Vec<Times> = times.into_iter().collect::<Result<_>>()?;

        conserved(before as u64, zone.free_frames() as u64).context("frames went missing")?;
        Ok(readings(case.workload, &times, blocks(case)))
    }
}

/// Runs a processor's part of one repetition.
fn rounds<A: FrameAlloc>(
    case: &Case,
    mut bench: Bench<'_, Processor<'_>, A>,
    pool: &Pool<'_>,
    seed: u64,
) -> Result<Times> {
    // Not zero: memory that was never written would be mapped while the clock
    // runs.
    let mut blocks = vec![FrameId(usize::MAX); blocks(case)];
    let rounds = LEAST_BLOCKS.div_ceil(blocks.len());
    let mut sum = Times::default();
    match case.workload {
        Workload::Repeat => sum = bench.repeat(PAIRS).map_err(failed)?,
        Workload::Bulk => {
            for _ in 0..rounds {
                add(&mut sum, bench.bulk(&mut blocks).map_err(failed)?);
            }
        }
        Workload::Random => {
            for round in 0..rounds as u64 {
                let times = bench.random(&mut blocks, pool, seed ^ round);
                add(&mut sum, times.map_err(failed)?);
            }
        }
        other => bail!("{} does not start from an empty zone", other.name()),
    }
    Ok(sum)
}

fn failed(failure: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}

fn add(sum: &mut Times, times: Times) {
    sum.ops += times.ops;
    sum.get_ticks += times.get_ticks;
    sum.put_ticks += times.put_ticks;
}

/// Adds up what the processors took.
fn readings(workload: Workload, times: &[Times], blocks: usize) -> Vec<Reading> {
    let mut sum = Times::default();
    times.iter().for_each(|&times| add(&mut sum, times));
    let intervals = (sum.ops / blocks as u64).max(1);
    let reading = |op, nanos| Reading {
        op,
        ops: sum.ops,
        nanos,
        intervals,
    };
    match workload {
        Workload::Repeat => vec![reading("pair", sum.get_ticks)],
        _ => vec![reading("get", sum.get_ticks), reading("put", sum.put_ticks)],
    }
}
