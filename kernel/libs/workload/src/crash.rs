//! The workload that is there to be interrupted.
//!
//! Every processor allocates and frees blocks of all orders through its
//! [`Worker`], holds about its share of half of the memory, and now and then
//! halves a block so that the parts of one are freed one by one. It goes on until
//! it is told to stop, or until the power goes. In the next cycle it adopts the
//! blocks that survived: an allocator may not lose them later either.

use frame::{FrameId, Order};

use crate::FrameAlloc;
use crate::dice::{self, Dice};
use crate::ledger::{Block, Breach, Ledger, Medium, Worker};
use crate::stamp::Stamper;

/// What the workload asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// The largest order; all up to it are equally frequent.
    pub max_order: Order,
    /// One in so many operations halves a block; 0 for none.
    pub halve_one_in: usize,
    /// Frames to hold: fewer make a get more likely, more a put.
    pub target_frames: usize,
}

impl Mix {
    /// Returns the usual mix of one of `cpus` processors: orders 0 to 10, halving
    /// every eighth time, half of the memory.
    pub fn half_of(frames: usize, cpus: usize) -> Self {
        Self {
            max_order: Order::new(10).unwrap_or(Order::HUGE),
            halve_one_in: 8,
            target_frames: frames / 2 / cpus.max(1),
        }
    }
}

/// The blocks that one processor holds, in a buffer that the caller gives.
pub struct Held<'b> {
    blocks: &'b mut [Block],
    len: usize,
    frames: usize,
}

impl<'b> Held<'b> {
    /// What to fill a buffer with.
    pub const VACANT: Block = Block {
        frame: FrameId(0),
        order: Order::FRAME,
        generation: 0,
    };

    /// Starts with no block. At most `buffer.len()` can be held.
    pub const fn new(buffer: &'b mut [Block]) -> Self {
        Self {
            blocks: buffer,
            len: 0,
            frames: 0,
        }
    }

    /// Takes over this processor's share of the blocks that survived, which
    /// depends on nothing but the blocks: others may be at work already. Returns
    /// how many did not fit and remain nobody's to free.
    pub fn adopt<M>(&mut self, ledger: &Ledger<'_, M>, cpu: usize, cpus: usize) -> usize {
        let mine = |block: &Block| dice::spread(block.generation, cpus) == cpu;
        let old = ledger.survivors().filter(|block| !ledger.is_new(block));
        old.filter(mine).filter(|&block| !self.push(block)).count()
    }

    /// Returns the blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks[..self.len]
    }

    /// Returns the number of frames in all blocks.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    fn room(&self) -> usize {
        self.blocks.len() - self.len
    }

    /// Adds a block; returns false if there is no room.
    fn push(&mut self, block: Block) -> bool {
        let Some(place) = self.blocks.get_mut(self.len) else {
            return false;
        };
        *place = block;
        self.len += 1;
        self.frames += block.order.frames();
        true
    }

    /// Removes a block at random.
    fn draw(&mut self, dice: &mut Dice) -> Option<Block> {
        let last = self.len.checked_sub(1)?;
        self.blocks.swap(dice.below(self.len), last);
        self.len = last;
        let block = self.blocks[last];
        self.frames -= block.order.frames();
        Some(block)
    }
}

/// Allocates and frees until `stop` says so. What it does follows from the seed,
/// the processor and what the allocator answers.
///
/// # Errors
///
/// The worker noticed a breach.
pub fn run_until<A: FrameAlloc, M: Medium, S: Stamper>(
    worker: &mut Worker<'_, M, S>,
    alloc: &mut A,
    held: &mut Held<'_>,
    mix: &Mix,
    seed: u64,
    stop: impl Fn() -> bool,
) -> Result<(), Breach<A::Error>> {
    let mut dice = Dice::of_cpu(seed, worker.cpu());
    while !stop() {
        if mix.gets(held, &mut dice) {
            let order = mix.order(&mut dice);
            if let Some(block) = worker.get(alloc, order)? {
                // `gets` has seen room.
                held.push(block);
                continue;
            }
        }
        let Some(block) = held.draw(&mut dice) else {
            continue;
        };
        if block.order > Order::FRAME && held.room() >= 2 && dice.one_in(mix.halve_one_in) {
            for half in worker.halve(block)? {
                held.push(half);
            }
        } else {
            worker.put(alloc, block)?;
        }
    }
    Ok(())
}

impl Mix {
    /// Decides whether the next operation takes a block.
    fn gets(&self, held: &Held<'_>, dice: &mut Dice) -> bool {
        // Either way the other remains possible: the fill wanders.
        let against = dice.one_in(4);
        held.room() > 0 && (held.frames < self.target_frames) != against
    }

    fn order(&self, dice: &mut Dice) -> Order {
        let orders = usize::from(self.max_order.exponent()) + 1;
        let exponent = u8::try_from(dice.below(orders)).ok();
        exponent.and_then(Order::new).unwrap_or(Order::FRAME)
    }
}
