//! The names of the rows that a processor holds, where durability takes flushes.
//!
//! There a processor can't write down each frame that it hands out of a held row:
//! that would cost the flush which holding the row saves. It writes down which
//! rows it holds, and nothing else. So a name never frees anything: after a crash
//! all frames of a named row that are allocated stay so, and are listed as
//! uncertain, because some may be nobody's.
//!
//! ```text
//! claim   name, flush, order ──► row: set bits, flush, fence ──► get, put
//! return  row: clear bits, flush, fence ──► the name is forgotten, some time
//! ```
//!
//! A row is named before its bits change and until they have changed back for good,
//! so a crash at any point finds every held row named; rows that are named and not
//! held only mean a needless question.
//!
//! Both names of a processor and a sequence number are one word, so no crash can
//! tear them apart. The words take turns over four lines of slots, because writing
//! the same line back again and again is slow on persistent memory; the one with
//! the latest number counts.
//!
//! ```text
//! 63       52 51           26 25            0
//! │ sequence │ back: row + 1 │ front: row + 1│     0: none
//! ```

use persist::Persist;

use crate::cell::Cell;
use crate::layout::LINE_CELLS;
use crate::mutant::mutant;
use crate::slot::Side;

/// Lines of slots that a processor's names take turns over.
pub(crate) const TURNS: usize = 4;
/// The word of each line that may hold names.
const WORD: usize = 6;

/// Bits of a row's number.
const ROW_BITS: u32 = 26;
const ROW_MASK: u64 = (1 << ROW_BITS) - 1;
const SEQUENCE_SHIFT: u32 = 2 * ROW_BITS;
const SEQUENCE_MASK: u64 = (1 << (64 - SEQUENCE_SHIFT)) - 1;

/// Rows in the largest zone whose rows have names: 16 TiB.
pub(crate) const MAX_ROWS: usize = (1 << ROW_BITS) - 1;

/// One word: which rows are held.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair(u64);

impl Pair {
    const fn sequence(self) -> u64 {
        self.0 >> SEQUENCE_SHIFT
    }

    const fn row(self, side: Side) -> Option<usize> {
        let row = (self.0 >> shift(side) & ROW_MASK) as usize;
        row.checked_sub(1)
    }

    const fn with(self, side: Side, row: Option<usize>) -> Self {
        let number = match row {
            Some(row) => row as u64 + 1,
            None => 0,
        };
        Self(self.0 & !(ROW_MASK << shift(side)) | (number & ROW_MASK) << shift(side))
    }

    const fn next(self) -> Self {
        let rows = self.0 & !(SEQUENCE_MASK << SEQUENCE_SHIFT);
        Self(rows | ((self.sequence() + 1) & SEQUENCE_MASK) << SEQUENCE_SHIFT)
    }

    /// Whether this was written after the other one, a few turns ago at most.
    const fn is_after(self, other: Self) -> bool {
        let ahead = self.sequence().wrapping_sub(other.sequence()) & SEQUENCE_MASK;
        ahead != 0 && ahead <= SEQUENCE_MASK / 2
    }
}

const fn shift(side: Side) -> u32 {
    match side {
        Side::Front => 0,
        Side::Back => ROW_BITS,
    }
}

/// The names of one processor.
#[derive(Clone, Copy)]
pub(crate) struct Names<'m>(&'m [[Cell; LINE_CELLS]]);

impl<'m> Names<'m> {
    /// Returns nowhere to write names.
    pub(crate) const fn nowhere() -> Self {
        Self(&[])
    }

    /// Returns the names of a processor, if there are lines for them.
    pub(crate) fn of(slots: &'m [[Cell; LINE_CELLS]], cpu: usize) -> Option<Self> {
        Self::all(slots).nth(cpu)
    }

    /// Returns the names of all processors that can have any.
    pub(crate) fn all(slots: &'m [[Cell; LINE_CELLS]]) -> impl Iterator<Item = Self> {
        slots.chunks_exact(TURNS).map(Self)
    }

    /// Returns the lines.
    pub(crate) const fn lines(self) -> &'m [[Cell; LINE_CELLS]] {
        self.0
    }

    /// Returns the row that is named for this side.
    pub(crate) fn row(self, persist: &impl Persist, side: Side) -> Option<usize> {
        self.latest(persist).1.row(side)
    }

    /// Names a row, or none, for this side, in the next line, and starts to write
    /// that back.
    pub(crate) fn rename(self, persist: &impl Persist, side: Side, row: Option<usize>) {
        let (line, pair) = self.latest(persist);
        if let Some(line) = self.0.get((line + 1) % TURNS) {
            line[WORD].store(persist, pair.next().with(side, row).0);
            if !mutant!("name_skips_flush") {
                persist.flush(&line[WORD]);
            }
        }
    }

    /// Stops naming a row for this side. What it was returned to is durable, so this
    /// need not be.
    pub(crate) fn forget(self, persist: &impl Persist, side: Side) {
        self.change(persist, |pair| pair.with(side, None));
    }

    /// Names the row of the back for the front instead: whichever of both names a
    /// crash finds, the row has one.
    pub(crate) fn bring_forward(self, persist: &impl Persist) {
        self.change(persist, |pair| {
            let row = pair.row(Side::Back);
            pair.with(Side::Front, row).with(Side::Back, None)
        });
    }

    /// Forgets all names but the latest ones; returns whether there were any.
    pub(crate) fn forget_older(self, persist: &impl Persist) -> bool {
        let (latest, _) = self.latest(persist);
        let others = self
            .0
            .iter()
            .enumerate()
            .filter(|&(line, _)| line != latest);
        let stale = others.filter(|(_, line)| line[WORD].load(persist) != 0);
        stale.map(|(_, line)| line[WORD].store(persist, 0)).count() > 0
    }

    /// Forgets all names.
    pub(crate) fn forget_all(self, persist: &impl Persist) {
        for line in self.0 {
            line[WORD].store(persist, 0);
        }
    }

    fn change(self, persist: &impl Persist, step: impl Fn(Pair) -> Pair) {
        let (line, pair) = self.latest(persist);
        if let Some(line) = self.0.get(line) {
            line[WORD].store(persist, step(pair).0);
        }
    }

    /// Returns the names that count, and which line they are in.
    fn latest(self, persist: &impl Persist) -> (usize, Pair) {
        let pairs = self.0.iter().map(|line| Pair(line[WORD].load(persist)));
        let latest = pairs.enumerate().reduce(|latest, other| {
            if other.1.is_after(latest.1) {
                other
            } else {
                latest
            }
        });
        latest.unwrap_or((0, Pair(0)))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use persist::ModelledAdr;

    use super::*;

    fn lines() -> [[Cell; LINE_CELLS]; TURNS] {
        std::array::from_fn(|_| std::array::from_fn(|_| Cell::new(0)))
    }

    #[test]
    fn names_of_both_sides_survive_all_turns_of_the_sequence() {
        let lines = lines();
        let names = Names::of(&lines, 0).unwrap();
        names.rename(&ModelledAdr, Side::Back, Some(MAX_ROWS - 1));
        for row in 0..3 << 12 {
            names.rename(&ModelledAdr, Side::Front, Some(row));
            assert_eq!(names.row(&ModelledAdr, Side::Front), Some(row));
            assert_eq!(names.row(&ModelledAdr, Side::Back), Some(MAX_ROWS - 1));
        }
    }

    #[test]
    fn a_line_that_is_lost_leaves_the_names_before() {
        let lines = lines();
        let names = Names::of(&lines, 0).unwrap();
        for row in 0..10 {
            names.rename(&ModelledAdr, Side::Front, Some(row));
        }
        let (latest, _) = names.latest(&ModelledAdr);
        // The tenth name never reached the medium: its line has the sixth one.
        let old = Pair(0).with(Side::Front, Some(5)).0 | 6 << SEQUENCE_SHIFT;
        lines[latest][WORD].store(&ModelledAdr, old);
        assert_eq!(names.row(&ModelledAdr, Side::Front), Some(8));
    }

    #[test]
    fn a_gathered_row_that_is_brought_forward_keeps_its_name() {
        let lines = lines();
        let names = Names::of(&lines, 0).unwrap();
        names.rename(&ModelledAdr, Side::Front, Some(3));
        names.rename(&ModelledAdr, Side::Back, Some(7));
        names.bring_forward(&ModelledAdr);
        assert_eq!(names.row(&ModelledAdr, Side::Front), Some(7));
        assert_eq!(names.row(&ModelledAdr, Side::Back), None);
        names.forget(&ModelledAdr, Side::Front);
        assert_eq!(names.row(&ModelledAdr, Side::Front), None);
    }

    #[test]
    fn there_are_names_for_a_quarter_of_the_slots() {
        let lines: std::vec::Vec<_> = (0..3).flat_map(|_| lines()).collect();
        assert_eq!(Names::all(&lines).count(), 3);
        assert!(Names::of(&lines, 3).is_none());
        assert!(Names::of(&lines[..3], 0).is_none());
    }
}
