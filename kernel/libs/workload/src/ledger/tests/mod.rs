//! The ledger under test: a small zone with an allocator that can be believed.

mod crashes;
mod entries;
mod format;
mod judging;
mod keeping;
mod reconciling;

use core::sync::atomic::AtomicU64;
use std::boxed::Box;
use std::vec::Vec;

use frame::{FRAME_SIZE, FrameId, Order};

use super::*;
use crate::fakes::Simple;
use crate::stamp::{FrameStamps, Stamper};

const EPOCH: u64 = 0x1234_5678_9abc_def0;

fn zeroed(words: usize) -> Box<[AtomicU64]> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

fn order(exponent: u8) -> Order {
    Order::new(exponent).expect("an order")
}

fn config(frames: usize) -> Config {
    Config {
        frames,
        epoch: EPOCH,
        seed: 42,
        cycles: 5,
    }
}

/// Everything that a crash leaves: the ledger's words, the frames' content and
/// the allocator's account.
struct Zone {
    frames: usize,
    annex: Box<[AtomicU64]>,
    content: Box<[AtomicU64]>,
    alloc: Simple,
}

impl Zone {
    fn new(frames: usize) -> Self {
        let zone = Self {
            frames,
            annex: zeroed(Ledger::bytes(frames) / 8),
            content: zeroed(frames * FRAME_SIZE / 8),
            alloc: Simple::new(frames),
        };
        Ledger::format(&zone.annex, &config(frames), Ordered).expect("enough memory");
        zone
    }

    fn ledger(&self) -> Ledger<'_> {
        Ledger::open(&self.annex, Ordered).expect("a ledger")
    }

    fn stamps(&self) -> FrameStamps<'_> {
        FrameStamps::new(EPOCH, &self.content)
    }

    fn judge(&self) -> Judgement {
        let allocated = |frame| self.alloc.is_allocated(frame);
        judge(&self.ledger(), &allocated, &self.stamps())
    }

    /// Has processor 0 take a block of each order, and returns the blocks.
    fn take(&self, exponents: &[u8]) -> Vec<Block> {
        let (ledger, stamps) = (self.ledger(), self.stamps());
        let mut worker = ledger.worker(0, &stamps).expect("a settled line");
        let mut get = |&exponent| worker.get(&mut &self.alloc, order(exponent));
        let blocks = exponents.iter().map(|e| get(e).expect("no breach"));
        blocks.map(|block| block.expect("memory")).collect()
    }
}

/// The fault kinds that a judgement found, as one letter each.
fn kinds(judgement: &Judgement) -> std::string::String {
    let letter = |fault| match fault {
        Fault::Lost { .. } => 'l',
        Fault::Defaced { .. } => 's',
        Fault::Doubled { .. } | Fault::Used { .. } => 'd',
        Fault::Leaked { .. } => 'x',
        Fault::BadOwner { .. } | Fault::Unannounced { .. } | Fault::BadLine(_) => 'm',
    };
    judgement.faults().map(letter).collect()
}
