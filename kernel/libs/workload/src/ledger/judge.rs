//! The judge: what a crash may leave behind, and what it may not.

use core::sync::atomic::Ordering;

use frame::FrameId;

use super::scan::Seen;
use super::{Block, Fault, InFlight, Judgement, Ledger, MAX_CPUS, Op, Owner};
use crate::stamp::Stamps;

/// The allocator's account.
pub trait Allocated {
    /// Returns whether the frame is allocated.
    fn is_allocated(&self, frame: FrameId) -> bool;

    /// Returns whether the allocator itself doubts that the frame belongs to
    /// anybody. Such a frame has to be allocated, and does not count as forgotten.
    fn is_uncertain(&self, frame: FrameId) -> bool {
        let _ = frame;
        false
    }
}

/// An account of an allocator that has doubts.
#[derive(Clone, Copy, Debug)]
pub struct Account<A, U> {
    /// Whether a frame is allocated.
    pub allocated: A,
    /// Whether that is uncertain.
    pub uncertain: U,
}

impl<A: Fn(FrameId) -> bool, U: Fn(FrameId) -> bool> Allocated for Account<A, U> {
    fn is_allocated(&self, frame: FrameId) -> bool {
        (self.allocated)(frame)
    }

    fn is_uncertain(&self, frame: FrameId) -> bool {
        (self.uncertain)(frame)
    }
}

impl<F: Fn(FrameId) -> bool> Allocated for F {
    fn is_allocated(&self, frame: FrameId) -> bool {
        self(frame)
    }
}

/// Holds the allocator's account against the ledger.
///
/// Nobody may be working. Neither side is changed, so it does not matter how
/// often, or from which side of the machine, this is asked.
pub fn judge<M>(ledger: &Ledger<'_, M>, state: &impl Allocated, stamps: &impl Stamps) -> Judgement {
    let (acknowledged, refused) = ledger.answered();
    let mut trial = Trial {
        ledger,
        judgement: Judgement {
            acknowledged,
            refused,
            ..Judgement::default()
        },
        unnamed_bound: 0,
        unnamed: 0,
    };
    trial.lines();
    trial.credit_entered_gets();
    for seen in ledger.scan() {
        trial.word(seen);
        if let Some(block) = seen.block() {
            trial.block(seen, block, stamps);
        }
        trial.frame(seen, state);
    }
    trial.judgement
}

struct Trial<'l, M> {
    ledger: &'l Ledger<'l, M>,
    judgement: Judgement,
    /// Frames that gets in flight may have taken, wherever those are.
    unnamed_bound: u64,
    /// Leaked frames that no put or halve in flight names.
    unnamed: u64,
}

impl<M> Trial<'_, M> {
    /// Adds up what is in flight.
    fn lines(&mut self) {
        for cpu in 0..MAX_CPUS {
            match self.ledger.in_flight(cpu) {
                Ok(None) => {}
                Ok(Some(operation)) => {
                    let frames = operation.order.frames() as u64;
                    self.judgement.in_flight += 1;
                    self.judgement.bound += frames;
                    if operation.op == Op::Get {
                        self.unnamed_bound += frames;
                    }
                }
                Err(error) => self.judgement.malformed.add(1, Fault::BadLine(error)),
            }
        }
    }

    /// A get in flight that has entered its block leaks nothing.
    fn credit_entered_gets(&mut self) {
        for block in self.ledger.survivors() {
            let Owner::Owned(claim) = Owner::decode(block.generation) else {
                continue;
            };
            let operation = self.in_flight(usize::from(claim.cpu));
            let entered = |o: &InFlight| o.op == Op::Get && o.seq == claim.seq;
            if operation.as_ref().is_some_and(entered) {
                let frames = claim.order.frames() as u64;
                self.judgement.bound = self.judgement.bound.saturating_sub(frames);
                self.unnamed_bound = self.unnamed_bound.saturating_sub(frames);
            }
        }
    }

    /// Judges one owner word by itself.
    fn word(&mut self, seen: Seen) {
        let (frame, owner) = (seen.frame, seen.owner);
        match owner {
            Owner::Nobody | Owner::Kept => {}
            Owner::Malformed(word) => {
                let fault = Fault::BadOwner { frame, word };
                self.judgement.malformed.add(1, fault);
            }
            Owner::Owned(claim) | Owner::Freeing(claim) => {
                let begun = self.ledger.line(usize::from(claim.cpu));
                if begun.map_or(0, |line| line.begun()) < claim.seq {
                    let fault = Fault::Unannounced { frame, owner };
                    self.judgement.malformed.add(1, fault);
                }
            }
        }
    }

    /// Judges a block that is owned.
    fn block(&mut self, seen: Seen, block: Block, stamps: &impl Stamps) {
        let frames = block.order.frames() as u64;
        self.judgement.owned += 1;
        self.judgement.owned_frames += frames;
        if let Some(outer) = seen.outer {
            let fault = Fault::Doubled { block, outer };
            self.judgement.doubled.add(frames, fault);
        }
        if !stamps.check(block.frame, block.order, block.generation) {
            self.judgement.defaced.add(1, Fault::Defaced { block });
        }
    }

    /// Judges one frame by what the allocator says.
    fn frame(&mut self, seen: Seen, state: &impl Allocated) {
        let allocated = state.is_allocated(seen.frame);
        self.judgement.frames += 1;
        self.judgement.free += u64::from(!allocated);
        let frame = seen.frame;
        match (seen.outer.or(seen.block()), allocated) {
            (Some(block), false) => {
                let fault = Fault::Lost { frame, block };
                self.judgement.lost.add(1, fault);
            }
            (Some(block), true) if seen.owner == Owner::Kept => {
                let fault = Fault::Used { frame, block };
                self.judgement.doubled.add(1, fault);
            }
            (None, true) if seen.owner == Owner::Kept => self.judgement.kept += 1,
            (None, true) if state.is_uncertain(seen.frame) => {
                self.judgement.leaked += 1;
                self.judgement.uncertain += 1;
                self.judgement.bound += 1;
            }
            (None, true) => self.leaked(seen),
            (Some(_), true) | (None, false) => {}
        }
    }

    fn leaked(&mut self, seen: Seen) {
        let frame = seen.frame;
        self.judgement.leaked += 1;
        let named = |cpu| self.in_flight(cpu).is_some_and(|o| o.names(frame));
        if (0..MAX_CPUS).any(named) {
            return;
        }
        self.unnamed += 1;
        if self.unnamed > self.unnamed_bound {
            let last = seen.owner;
            self.judgement.excess.add(1, Fault::Leaked { frame, last });
        }
    }

    fn in_flight(&self, cpu: usize) -> Option<InFlight> {
        self.ledger.in_flight(cpu).ok().flatten()
    }
}

impl<M> Ledger<'_, M> {
    /// Returns the operations acknowledged and the gets refused in this cycle.
    fn answered(&self) -> (u64, u64) {
        self.lines().fold((0, 0), |(acknowledged, refused), line| {
            let done = line.done().load(Ordering::Acquire);
            let before = line.done_before().load(Ordering::Acquire);
            let answered = done.saturating_sub(before);
            let no = line.refused().load(Ordering::Acquire).min(answered);
            // What lies there need not be counts.
            let yes = answered - no;
            let refused = u64::saturating_add(refused, no);
            (u64::saturating_add(acknowledged, yes), refused)
        })
    }
}
