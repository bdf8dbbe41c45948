//! The intent line: what a processor is about to do, and what it has done.

use core::sync::atomic::{AtomicU64, Ordering};

use frame::{FrameId, Order};

use super::{Ledger, LedgerError, MAX_CPUS};

/// What a worker does to the allocator, or to a block that it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Takes a block.
    Get,
    /// Gives a block back.
    Put,
    /// Makes two blocks of one.
    Halve,
}

/// An operation that was begun and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// What it does.
    pub op: Op,
    /// First frame of the block, 0 for a get.
    pub frame: FrameId,
    /// Order of the block.
    pub order: Order,
    /// Its number on its processor.
    pub seq: u64,
}

impl InFlight {
    /// Returns whether the operation named this frame.
    pub(super) fn names(&self, frame: FrameId) -> bool {
        let first = self.frame.0;
        self.op != Op::Get && (first..first + self.order.frames()).contains(&frame.0)
    }
}

/// Frames that an intent can name.
pub(super) const MAX_FRAMES: usize = 1 << 40;

const ORDER_SHIFT: u32 = 2;
const FRAME_SHIFT: u32 = 8;
const SEQ_SHIFT: u32 = 48;

/// One processor's line.
pub(super) struct Line<'a> {
    pub(super) words: &'a [AtomicU64],
    cpu: usize,
}

impl<'a> Line<'a> {
    pub(super) fn intent(&self) -> &'a AtomicU64 {
        &self.words[0]
    }
    pub(super) fn done(&self) -> &'a AtomicU64 {
        &self.words[1]
    }
    pub(super) fn done_before(&self) -> &'a AtomicU64 {
        &self.words[2]
    }
    pub(super) fn refused(&self) -> &'a AtomicU64 {
        &self.words[3]
    }

    /// Returns the operation that was begun and not acknowledged, if any.
    pub(super) fn in_flight(&self) -> Result<Option<InFlight>, LedgerError> {
        // Acquire pairs with the Release of the worker that wrote them: needed
        // when the judge runs after the threads of a test, not after a reboot.
        let done = self.done().load(Ordering::Acquire);
        let intent = self.intent().load(Ordering::Acquire);
        let low = intent >> SEQ_SHIFT;
        let bad = LedgerError::BadLine {
            cpu: self.cpu,
            intent,
            done,
        };
        if low == low_bits(done) {
            return Ok(None);
        }
        let seq = done.checked_add(1).filter(|&seq| low_bits(seq) == low);
        decode(intent, seq.ok_or(bad)?).ok_or(bad).map(Some)
    }

    /// Returns the number of the last operation begun.
    pub(super) fn begun(&self) -> u64 {
        let in_flight = self.in_flight().ok().flatten();
        in_flight.map_or_else(|| self.done().load(Ordering::Acquire), |op| op.seq)
    }
}

/// Returns the part of a sequence number that fits into an intent. One operation
/// at most is in flight, so that one bit would do.
const fn low_bits(seq: u64) -> u64 {
    seq & (u64::MAX >> SEQ_SHIFT)
}

pub(super) fn encode(intent: InFlight) -> u64 {
    let op = match intent.op {
        Op::Get => 1,
        Op::Put => 2,
        Op::Halve => 3,
    };
    op | u64::from(intent.order.exponent()) << ORDER_SHIFT
        | (intent.frame.0 as u64) << FRAME_SHIFT
        | low_bits(intent.seq) << SEQ_SHIFT
}

fn decode(word: u64, seq: u64) -> Option<InFlight> {
    let [low, ..] = word.to_le_bytes();
    let op = match low & 3 {
        1 => Op::Get,
        2 => Op::Put,
        3 => Op::Halve,
        _ => return None,
    };
    let order = Order::new(low >> ORDER_SHIFT)?;
    let frame = word >> FRAME_SHIFT & (MAX_FRAMES as u64 - 1);
    let frame = FrameId(usize::try_from(frame).ok()?);
    Some(InFlight {
        op,
        frame,
        order,
        seq,
    })
}

impl<M> Ledger<'_, M> {
    /// Returns the operation of a processor that was begun and not acknowledged,
    /// if there is one.
    ///
    /// # Errors
    ///
    /// There is no such processor, or its line holds what no worker writes.
    pub fn in_flight(&self, cpu: usize) -> Result<Option<InFlight>, LedgerError> {
        self.line(cpu)?.in_flight()
    }

    pub(super) fn line(&self, cpu: usize) -> Result<Line<'_>, LedgerError> {
        if cpu >= MAX_CPUS {
            return Err(LedgerError::NoSuchCpu { cpu });
        }
        let words = self.intent_words(cpu);
        Ok(Line { words, cpu })
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        (0..MAX_CPUS).filter_map(|cpu| self.line(cpu).ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(intent: u64, done: u64) -> Result<Option<InFlight>, LedgerError> {
        let words = [intent, done].map(AtomicU64::new);
        Line {
            words: &words,
            cpu: 5,
        }
        .in_flight()
    }

    proptest! {
        #[test]
        fn an_intent_is_in_flight_until_it_is_done(
            op in prop::sample::select(std::vec![Op::Get, Op::Put, Op::Halve]),
            frame in 0usize..MAX_FRAMES,
            exponent in 0u8..=18,
            seq in 1u64..1 << 48,
        ) {
            let order = Order::new(exponent).expect("an order");
            let intent = InFlight { op, frame: FrameId(frame), order, seq };
            prop_assert_eq!(line(encode(intent), seq - 1), Ok(Some(intent)));
            prop_assert_eq!(line(encode(intent), seq), Ok(None));
        }

        #[test]
        fn no_line_makes_the_reader_panic(intent: u64, done: u64) {
            let _ = line(intent, done);
        }
    }

    #[test]
    fn an_intent_two_operations_ahead_is_a_bad_line() {
        let seq = 7;
        let intent = encode(InFlight {
            op: Op::Get,
            frame: FrameId(0),
            order: Order::FRAME,
            seq,
        });
        let bad = LedgerError::BadLine {
            cpu: 5,
            intent,
            done: 5,
        };
        assert_eq!(line(intent, 5), Err(bad));
    }
}
