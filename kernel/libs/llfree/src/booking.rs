//! Rows of which frames are reserved, where durability takes flushes.
//!
//! Frames that somebody has reserved but not published are to be free again after a
//! crash, although their bits may have reached the medium: a line may do so at any
//! time. So a booking, a record in one of the processor's lines of slots, says which
//! they are, in the states that held rows have under eADR:
//!
//! ```text
//!            mask, ANNOUNCED,       row: set bits           OWNED, flush
//! reserve  ──────────────────────► ───────────────────► ─────────────────► caller
//!            flush, order
//! publish    rows and NONE, mask 0: flush all, one fence
//! cancel     NONE, mask 0: flush all, one fence ──► rows: clear bits, flush, fence
//! ```
//!
//! OWNED is written after the row has changed, so recovery never frees what somebody
//! else was faster to take; before that the frames are listed as uncertain. And it
//! only ever follows on a mask that is durable, or zero: no torn line joins it with
//! an older one.

use persist::Persist;

use crate::cell::Cell;
use crate::claim::Row;
use crate::layout::LINE_CELLS;
use crate::mutant::mutant;
use crate::name::Names;
use crate::row::{first_free, ones, run};
use crate::slot::{ANNOUNCED, Bits, NONE, OWNED, Side, Slot, head, unpack};
use crate::zone::Zone;

/// One record of a reserved row.
#[derive(Clone, Copy)]
pub(crate) struct Booking<'m> {
    line: &'m [Cell; LINE_CELLS],
    side: Side,
}

impl<'m> Booking<'m> {
    /// Returns all records of a processor that can have names.
    pub(crate) fn all(names: Names<'m>) -> impl Iterator<Item = Self> {
        let lines = names.lines().iter();
        lines.flat_map(|line| Side::BOTH.map(|side| Self { line, side }))
    }

    /// Whether nothing is reserved here.
    pub(crate) fn is_vacant(self, persist: &impl Persist) -> bool {
        self.head().load(persist) == NONE
    }

    /// Returns what is reserved here.
    pub(crate) fn reserved(self, persist: &impl Persist) -> Option<Bits> {
        let word = self.head().load(persist);
        let mask = self.mask().load(persist);
        let (state, row) = unpack(word);
        (state == OWNED).then_some(Bits { row, mask })
    }

    /// Removes the record, which is durable some time.
    fn wipe(self, persist: &impl Persist) {
        Slot::new(self.line).wipe(persist, self.side);
    }

    /// Ends all bookings of a processor: each line is flushed, and waited for once.
    pub(crate) fn end_all(names: Names<'m>, persist: &impl Persist) {
        let is_used = |booking: &Self| !booking.is_vacant(persist);
        let mut last = None;
        for booking in Self::all(names).filter(is_used) {
            booking.wipe(persist);
            if let Some(other) = last.replace(booking.line)
                && !core::ptr::eq(other, booking.line)
            {
                persist.flush(other);
            }
        }
        if let Some(line) = last {
            persist.flush(line);
            // PERSIST: the end of the bookings, and what was flushed before, before
            // the caller says so.
            persist.fence();
        }
    }

    const fn head(self) -> &'m Cell {
        &self.line[self.side as usize]
    }

    const fn mask(self) -> &'m Cell {
        &self.line[self.side as usize + 1]
    }

    fn announce(self, persist: &impl Persist, bits: Bits) {
        self.mask().store(persist, bits.mask);
        let state = if mutant!("booking_is_owned_first") {
            OWNED
        } else {
            ANNOUNCED
        };
        self.head().store(persist, head(state, bits.row));
        if !mutant!("booking_skips_flush") {
            persist.flush(self.line);
        }
        // PERSIST: the record before the row, whose bits are set next.
        persist.order();
    }

    fn confirm(self, persist: &impl Persist, row: usize) {
        self.head().store(persist, head(OWNED, row));
        // PERSIST: no hurry; until this arrives the frames would be uncertain.
        persist.flush(self.head());
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// Takes up to `blocks` blocks of a row, writing them down first.
    pub(crate) fn book_row(
        &self,
        row: Row<'_>,
        order: u8,
        blocks: usize,
        booking: Booking<'_>,
    ) -> Option<Bits> {
        let persist = &self.persist;
        let mut old = row.word.load(persist);
        while first_free(old, order).is_some() && self.may_be_held(row.number) {
            let wanted = first_runs(old, order, blocks);
            let got = self.take_counts(row, ones(wanted))?;
            let mask = first_runs(old, order, got as usize >> order);
            self.give_counts(row.tree, row.entry, got - ones(mask));
            if mask == 0 {
                break;
            }
            let bits = Bits {
                row: row.number,
                mask,
            };
            booking.announce(persist, bits);
            match row.word.replace(persist, old, old | mask) {
                Ok(()) => {
                    booking.confirm(persist, row.number);
                    return Some(bits);
                }
                // Somebody else has taken or returned frames of this row.
                Err(found) => old = found,
            }
            booking.wipe(persist);
            self.give_counts(row.tree, row.entry, ones(mask));
        }
        None
    }
}

/// Returns the bits of the first free runs, at most so many of them.
fn first_runs(word: u64, order: u8, most: usize) -> u64 {
    let mut mask = 0;
    for _ in 0..most {
        match first_free(word | mask, order) {
            Some(bit) => mask |= run(bit, order),
            None => break,
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_runs_are_aligned_free_and_not_more_than_wanted() {
        assert_eq!(first_runs(0, 0, 3), 0b111);
        assert_eq!(first_runs(0b0001, 1, 2), 0b11_1100);
        assert_eq!(first_runs(u64::MAX << 4, 2, 9), 0b1111);
        assert_eq!(first_runs(0, 6, 1), u64::MAX);
        assert_eq!(first_runs(u64::MAX, 0, 1), 0);
    }
}
