//! One processor's pen: every operation with its entries around it.

use core::sync::atomic::Ordering;

use frame::{FrameId, Order};

use super::intent::encode;
use super::{Block, Breach, Claim, InFlight, Ledger, LedgerError, Medium, Op, Owner};
use crate::FrameAlloc;
use crate::stamp::Stamper;

/// A processor that allocates and frees, and keeps account of it.
///
/// It also checks what can be checked at once: that a new block overlaps none
/// that is owned, and that a block is what it was when it is given back.
pub struct Worker<'l, M, S> {
    ledger: &'l Ledger<'l, M>,
    stamps: &'l S,
    cpu: u8,
    done: u64,
}

impl<'l, M, S> Worker<'l, M, S> {
    pub(super) fn new(
        ledger: &'l Ledger<'l, M>,
        cpu: u8,
        stamps: &'l S,
    ) -> Result<Self, LedgerError> {
        let line = ledger.line(usize::from(cpu))?;
        if let Some(operation) = line.in_flight()? {
            let cpu = usize::from(cpu);
            return Err(LedgerError::Unsettled { cpu, operation });
        }
        Ok(Self {
            ledger,
            stamps,
            cpu,
            // Numbers go on where the last cycle ended, so that no two
            // ownerships ever look alike.
            done: line.done().load(Ordering::Acquire),
        })
    }

    /// Returns the ledger.
    pub const fn ledger(&self) -> &'l Ledger<'l, M> {
        self.ledger
    }

    /// Returns the number of the processor.
    pub fn cpu(&self) -> usize {
        usize::from(self.cpu)
    }
}

impl<M: Medium, S: Stamper> Worker<'_, M, S> {
    /// Takes a block, or returns `None` where the allocator has none.
    ///
    /// # Errors
    ///
    /// The allocator handed out what it must not. The operation stays in flight.
    pub fn get<A: FrameAlloc>(
        &mut self,
        alloc: &mut A,
        order: Order,
    ) -> Result<Option<Block>, Breach<A::Error>> {
        let seq = self.intend(Op::Get, FrameId(0), order);
        let Some(frame) = alloc.get(order) else {
            self.refuse();
            self.finish();
            return Ok(None);
        };
        let claim = self.claim(order, seq);
        if !self.ledger.has_block(frame, order) {
            let frames = self.ledger.frames;
            return Err(Breach::Foreign {
                frame,
                order,
                frames,
            });
        }
        let block = Block::new(frame, claim);
        self.stamps.stamp(frame, order, block.generation);
        self.own(block).map_err(|(owned, owner)| Breach::Doubled {
            block,
            owned,
            owner,
        })?;
        self.finish();
        Ok(Some(block))
    }

    /// Gives an owned block back.
    ///
    /// # Errors
    ///
    /// The block is not what it was, or the allocator refuses it. In the latter
    /// case the operation stays in flight.
    pub fn put<A: FrameAlloc>(
        &mut self,
        alloc: &mut A,
        block: Block,
    ) -> Result<(), Breach<A::Error>> {
        self.examine(block)?;
        let seq = self.intend(Op::Put, block.frame, block.order);
        self.give_up(block, seq);
        // From here on the block may have its next owner, who writes the owner
        // word: hands off.
        if cfg!(mutant = "ledger_acks_early") {
            self.finish();
            let put = alloc.put(block.frame, block.order);
            return put.map_err(|error| Breach::Refused { block, error });
        }
        alloc
            .put(block.frame, block.order)
            .map_err(|error| Breach::Refused { block, error })?;
        self.finish();
        Ok(())
    }

    /// Makes two blocks of one, to be given back one by one.
    ///
    /// # Errors
    ///
    /// The block is not what it was.
    ///
    /// # Panics
    ///
    /// Panics if the block is a single frame.
    pub fn halve<E>(&mut self, block: Block) -> Result<[Block; 2], Breach<E>> {
        let order = block.order.exponent().checked_sub(1).and_then(Order::new);
        let order = order.expect("a block of at least two frames");
        self.examine(block)?;
        let seq = self.intend(Op::Halve, block.frame, block.order);
        // In between the block has no owner but an operation in flight, like one
        // that is given back: stamps may be of either kind.
        self.give_up(block, seq);
        let claim = self.claim(order, seq);
        let upper = FrameId(block.frame.0 + order.frames());
        let halves = [block.frame, upper].map(|frame| Block::new(frame, claim));
        for half in halves {
            self.stamps.stamp(half.frame, half.order, half.generation);
        }
        for half in halves.iter().rev() {
            let word = self.ledger.owner_word(half.frame);
            self.ledger
                .set(core::slice::from_ref(word), &[half.generation]);
        }
        self.finish();
        Ok(halves)
    }

    const fn claim(&self, order: Order, seq: u64) -> Claim {
        let cpu = self.cpu;
        Claim { order, cpu, seq }
    }

    /// Announces an operation; returns its number.
    fn intend(&self, op: Op, frame: FrameId, order: Order) -> u64 {
        let seq = self.done + 1;
        let intent = encode(InFlight {
            op,
            frame,
            order,
            seq,
        });
        let line = self.ledger.intent_words(usize::from(self.cpu));
        self.ledger.set(&line[..1], &[intent]);
        seq
    }

    /// Acknowledges the operation that was announced.
    fn finish(&mut self) {
        self.done += 1;
        let line = self.ledger.intent_words(usize::from(self.cpu));
        self.ledger.set(&line[1..2], &[self.done]);
    }

    /// Counts a get that found nothing.
    fn refuse(&self) {
        let line = self.ledger.intent_words(usize::from(self.cpu));
        let refused = line[3].load(Ordering::Relaxed);
        self.ledger.set(&line[3..4], &[refused + 1]);
    }

    /// Withdraws the ownership of a block.
    fn give_up(&self, block: Block, seq: u64) {
        let freeing = Owner::Freeing(self.claim(block.order, seq)).encode();
        let word = self.ledger.owner_word(block.frame);
        self.ledger.set(core::slice::from_ref(word), &[freeing]);
    }

    /// Checks that a block is as it was when it got its owner.
    fn examine<E>(&self, block: Block) -> Result<(), Breach<E>> {
        let found = self.ledger.owner(block.frame).encode();
        if found != block.generation {
            return Err(Breach::Usurped { block, found });
        }
        if !self
            .stamps
            .check(block.frame, block.order, block.generation)
        {
            return Err(Breach::Defaced { block });
        }
        Ok(())
    }

    /// Enters the owner of a block, or returns an owned block that overlaps it.
    fn own(&self, block: Block) -> Result<(), (FrameId, Claim)> {
        // SeqCst here and below: if two processors get overlapping blocks at the
        // same time, each enters its own before it looks for others, and in a
        // total order at least one of them sees the other.
        let word = self.ledger.owner_word(block.frame);
        let before = Owner::decode(word.swap(block.generation, Ordering::SeqCst));
        self.ledger.medium.settle(core::slice::from_ref(word));
        if let Owner::Owned(claim) = before {
            return Err((block.frame, claim));
        }
        self.inner(block)
            .or_else(|| self.outer(block))
            .map_or(Ok(()), Err)
    }

    /// Returns an owned block that starts within this one.
    fn inner(&self, block: Block) -> Option<(FrameId, Claim)> {
        let frames = (block.frame.0 + 1..block.end()).map(FrameId);
        frames.into_iter().find_map(|frame| self.owned(frame))
    }

    /// Returns an owned block that starts before this one and reaches into it.
    fn outer(&self, block: Block) -> Option<(FrameId, Claim)> {
        let larger = block.order.exponent() + 1..=Order::GIANT.exponent();
        larger.filter_map(Order::new).find_map(|order| {
            let start = FrameId(block.frame.0 & !(order.frames() - 1));
            let (start, claim) = self.owned(start).filter(|_| start != block.frame)?;
            (claim.order >= order).then_some((start, claim))
        })
    }

    fn owned(&self, frame: FrameId) -> Option<(FrameId, Claim)> {
        match Owner::decode(self.ledger.owner_word(frame).load(Ordering::SeqCst)) {
            Owner::Owned(claim) => Some((frame, claim)),
            _ => None,
        }
    }
}
