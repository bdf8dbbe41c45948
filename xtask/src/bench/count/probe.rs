//! The process that is stepped through.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Result, anyhow, ensure};
use frame::{FrameId, Order};
use nix::sys::{
    ptrace,
    signal::{Signal, raise},
};
use persist::{Eadr, Volatile};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use workload::FrameAlloc;

use crate::bench::{
    case::frames,
    rival::{Control, Design, GlobalBuddy, Interrupts, Linux, Llfree, Lock, Zone as _},
    statistics::shuffle_front,
};

/// The signal that marks the start and the end of what is counted.
pub(super) const MARK: Signal = Signal::SIGUSR1;

/// Size of the zone.
const GIB: usize = 1;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Allocations in a row.
    Get,
    /// Frees in the order of allocation.
    Put,
    /// An allocation and a free at once.
    Pair,
    /// Frees of a few among many blocks, in random order, after many of them.
    RandomPut,
}

impl Op {
    const ALL: [Self; 4] = [Self::Get, Self::Put, Self::Pair, Self::RandomPut];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Pair => "pair",
            Self::RandomPut => "random-put",
        }
    }
}

/// One count: `ALLOC:OP:ORDER` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Probe {
    pub(super) alloc: String,
    pub(super) op: Op,
    pub(super) order: u8,
}

/// A design, by its name.
type Runner = (&'static str, fn(&Probe) -> Result<()>);

/// Everything that can be counted.
fn runners() -> Vec<Runner> {
    fn runner<D: Design>() -> Runner {
        (D::NAME, step_through::<D>)
    }
    vec![
        runner::<Llfree<Volatile, true>>(),
        runner::<Llfree<Eadr, true>>(),
        runner::<Llfree<Volatile, false>>(),
        runner::<Linux<Lock>>(),
        runner::<Linux<Interrupts>>(),
        runner::<GlobalBuddy>(),
        runner::<Control>(),
    ]
}

impl Probe {
    /// Returns all probes: every design, operation and order that is of interest.
    pub(super) fn all() -> Vec<Self> {
        let mut probes = Vec::new();
        for (alloc, _) in runners() {
            let orders: &[u8] = match alloc {
                Control::NAME => &[0],
                Llfree::<Volatile, true>::NAME => &[0, 3, 7, 8, 9],
                _ => &[0, 9],
            };
            for &order in orders {
                for op in Op::ALL {
                    // At order 9 there are too few blocks for an order of frees
                    // to matter; the control does not know which block it frees.
                    if op == Op::RandomPut && (order > 0 || alloc == Control::NAME) {
                        continue;
                    }
                    probes.push(Self {
                        alloc: alloc.to_owned(),
                        op,
                        order,
                    });
                }
            }
        }
        probes
    }

    /// Returns the operations that are counted: two rows of 64, or less where rows
    /// don't matter.
    pub(super) fn ops(&self) -> u64 {
        match (self.op, self.order) {
            (Op::Pair, _) => 32,
            (_, 0) => 128,
            _ => 64,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.alloc, self.op.name(), self.order)
    }
}

impl FromStr for Probe {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let mut part = || parts.next().context("a probe is written ALLOC:OP:ORDER");
        let (alloc, op, order) = (part()?.to_owned(), part()?, part()?);
        let op = Op::ALL.into_iter().find(|known| known.name() == op);
        let op = op.with_context(|| format!("`{text}` names no known operation"))?;
        let order = order
            .parse()
            .with_context(|| format!("`{text}` has no order"))?;
        Ok(Self { alloc, op, order })
    }
}

/// Runs as the probe.
pub(in super::super) fn run(probe: &Probe) -> Result<()> {
    let mut runners = runners().into_iter();
    let runner = runners.find(|(name, _)| *name == probe.alloc);
    let (_, run) = runner.with_context(|| format!("there is no allocator `{}`", probe.alloc))?;
    run(probe)
}

fn step_through<D: Design>(probe: &Probe) -> Result<()> {
    let order = Order::new(probe.order).context("no such order")?;
    let ops = usize::try_from(probe.ops())?;
    let mut memory = D::memory(frames(GIB), 1);
    let zone = D::zone(&mut memory, frames(GIB), 1);
    let mut handle = zone.handle(0);
    let mut blocks = vec![FrameId(usize::MAX); frames(GIB) / 2 / order.frames()];
    // Once without stepping: trees are reserved and code is loaded afterwards.
    for _ in 0..2 {
        get(&mut handle, order, &mut blocks[..ops])?;
        put(&mut handle, order, &blocks[..ops])?;
    }

    ptrace::traceme().context("cannot be traced")?;
    match probe.op {
        Op::Get => counted(|| get(&mut handle, order, &mut blocks[..ops])),
        Op::Put => {
            get(&mut handle, order, &mut blocks[..ops])?;
            counted(|| put(&mut handle, order, &blocks[..ops]))
        }
        Op::Pair => counted(|| pairs(&mut handle, order, ops)),
        Op::RandomPut => {
            get(&mut handle, order, &mut blocks)?;
            let mut dice = Xoshiro256PlusPlus::seed_from_u64(0);
            // A quarter of them before: full trees are a case of their own.
            let plenty = blocks.len() / 4;
            shuffle_front(&mut dice, &mut blocks, plenty + ops);
            put(&mut handle, order, &blocks[..plenty])?;
            counted(|| put(&mut handle, order, &blocks[plenty..][..ops]))
        }
    }
}

/// Marks twice with nothing between, then once more after the work.
fn counted(work: impl FnOnce() -> Result<()>) -> Result<()> {
    raise(MARK)?;
    raise(MARK)?;
    let result = work();
    raise(MARK)?;
    result
}

#[inline(never)]
fn get(handle: &mut impl FrameAlloc, order: Order, blocks: &mut [FrameId]) -> Result<()> {
    let taken = blocks.iter_mut().all(|block| match handle.get(order) {
        Some(frame) => {
            *block = frame;
            true
        }
        None => false,
    });
    ensure!(taken, "out of frames");
    Ok(())
}

#[inline(never)]
fn put(handle: &mut impl FrameAlloc, order: Order, blocks: &[FrameId]) -> Result<()> {
    let outcome = blocks
        .iter()
        .try_for_each(|&block| handle.put(block, order));
    outcome.map_err(|error| anyhow!("a block was refused: {error:?}"))
}

#[inline(never)]
fn pairs(handle: &mut impl FrameAlloc, order: Order, count: usize) -> Result<()> {
    for _ in 0..count {
        let frame = handle.get(order).context("out of frames")?;
        let outcome = handle.put(frame, order);
        outcome.map_err(|error| anyhow!("a block was refused: {error:?}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_read_as_it_is_written() {
        for probe in Probe::all() {
            let read: Probe = probe.to_string().parse().expect("a probe");
            assert_eq!(read, probe);
        }
        assert!("llfree:steal:0".parse::<Probe>().is_err());
        assert!("llfree:get".parse::<Probe>().is_err());
    }

    #[test]
    fn an_unknown_allocator_is_an_error_that_names_it() {
        let probe = "nobody:get:0".parse().expect("a probe");
        let error = run(&probe).expect_err("there is no such allocator");
        assert!(error.to_string().contains("nobody"), "{error}");
    }
}
