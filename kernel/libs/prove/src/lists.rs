//! Calls on several blocks at once, and what the books say about each of them.

use frame::FrameId;
use llfree::{Local, Reservation};
use persist::Persist;

use crate::actor::Actor;
use crate::ledger::{Block, Record, order};

/// The most blocks of one call.
pub(crate) const MOST: usize = 8;

impl Actor<'_> {
    /// Takes so many blocks in one call: any of them may be there after a crash.
    pub(crate) fn take_many<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        exponent: u8,
        count: usize,
    ) {
        let mut frames = [FrameId(0); MOST];
        self.begin_gets(exponent, count);
        let result = local.get_many(order(exponent), &mut frames[..count]);
        let done = result.map_or_else(|partial| partial.done, |()| count);
        if let Err(partial) = result {
            self.excuse(partial.cause, false);
        }
        self.note(&frames[..done], exponent, count);
        self.acknowledge(count);
    }

    /// Returns up to so many blocks of one order in one call.
    pub(crate) fn give_many<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        most: usize,
    ) {
        let blocks = self.pick_alike(most.min(MOST));
        let Some(&Block { order, .. }) = blocks.first() else {
            return;
        };
        self.begin_puts(&blocks);
        let frames: Vec<_> = blocks.iter().map(|block| block.frame()).collect();
        if let Err(partial) = local.put_many(blocks[0].order(), &frames) {
            self.fault(format!("can't return {blocks:?} of {order}: {partial}"));
        }
        self.acknowledge(blocks.len());
    }

    /// Reserves blocks, and publishes or cancels them. Where reservations are written
    /// down, `is_booked`, none of them may stay allocated before either begins.
    pub(crate) fn reserve<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        (exponent, count): (u8, usize),
        publish: bool,
        is_booked: bool,
    ) {
        let mut frames = [FrameId(0); MOST];
        if is_booked {
            self.begin(Record::Reserve);
        } else {
            self.begin_gets(exponent, count);
        }
        let reserved = local.reserve(order(exponent), &mut frames[..count]);
        let outcome = reserved.map(|reservation| {
            if is_booked {
                self.acknowledge(1);
                self.begin_gets(exponent, count);
            }
            if publish {
                self.note(reservation.blocks(), exponent, count);
                reservation.publish();
            } else {
                self.cancel(reservation, exponent, is_booked);
            }
        });
        if let Err(error) = outcome {
            self.excuse_reserve(error);
            // What it had it has returned, which may have to wait like any free.
            local.sync();
        }
        let open = if is_booked && outcome.is_err() {
            1
        } else {
            count
        };
        self.acknowledge(open);
    }

    /// Cancels a reservation. One that is not booked returns its blocks like any others.
    fn cancel<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        reservation: Reservation<'_, '_, '_, P, WORDS, TREE>,
        order: u8,
        is_booked: bool,
    ) {
        if is_booked {
            return drop(reservation);
        }
        let count = reservation.blocks().len();
        self.note(reservation.blocks(), order, count);
        self.begin_puts(&self.pick_last(count));
        drop(reservation);
        self.acknowledge(count);
    }

    fn begin_puts(self, blocks: &[Block]) {
        for &block in blocks {
            let (from, part) = (block, block);
            self.begin(Record::Put { from, part });
        }
    }

    fn begin_gets(self, order: u8, count: usize) {
        for _ in 0..count {
            self.begin(Record::Get { order, got: None });
        }
    }

    /// Notes the blocks that the first of so many gets have returned.
    fn note(self, frames: &[FrameId], order: u8, count: usize) {
        for (done, &FrameId(first)) in frames.iter().enumerate() {
            self.has(count - 1 - done, Block { first, order });
        }
    }
}
