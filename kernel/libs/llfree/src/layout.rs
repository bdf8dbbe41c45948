//! How much memory a zone needs, and where everything lies in it.
//!
//! The caller owns the memory: lower tables in persistent memory, say, and upper
//! structures in DRAM of the same node. The lower layout is the format on the
//! medium, so it depends on the number of frames and nothing else:
//!
//! ```text
//! lower   bitfields, one line a huge frame · entries, four a word · padding to a line
//!         · slots, one line each · giant frames, one word a whole one · padding to a line
//! upper   two lines a processor · debts of each processor · hints · one word a tree
//!         · padding to a line
//! ```

use crate::cell::{CELL_BYTES, Cell, cells};
use crate::debt;
use crate::entry::QUAD;
use crate::error::ZoneError;
use crate::hint;
use crate::shape::Shape;
use persist::LINE_BYTES;

/// Words in a cache line.
pub(crate) const LINE_CELLS: usize = LINE_BYTES / CELL_BYTES;

/// Huge frames for each of which there is a slot, within the limits below, less the
/// lines of the giant frames' words. This is part of the format on the medium.
const HUGE_PER_SLOT: usize = 32;
/// The fewest slots: small zones have several processors too.
const MIN_SLOTS: usize = 4;
/// The most slots.
const MAX_SLOTS: usize = 256;

/// Returns how many processors can hold rows: those beyond take every frame one
/// by one.
const fn slots(huge: usize, giants: usize) -> usize {
    let slots = (huge / HUGE_PER_SLOT).saturating_sub(giants.div_ceil(LINE_CELLS));
    if slots < MIN_SLOTS {
        MIN_SLOTS
    } else if slots > MAX_SLOTS {
        MAX_SLOTS
    } else {
        slots
    }
}

/// Bytes that a zone needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of lower tables: all that is worth keeping.
    pub lower_bytes: usize,
    /// Bytes of upper structures: rebuilt whenever the zone is opened.
    pub upper_bytes: usize,
}

impl Layout {
    /// Returns what a zone of the default geometry needs for this many frames
    /// and processors.
    pub const fn for_frames(frames: usize, cpus: usize) -> Self {
        Self::of::<8, 32>(frames, cpus)
    }

    /// The same for any geometry.
    pub(crate) const fn of<const WORDS: usize, const TREE: usize>(
        frames: usize,
        cpus: usize,
    ) -> Self {
        let huge = frames.div_ceil(Shape::<WORDS, TREE>::HUGE_FRAMES);
        let entries = huge.div_ceil(QUAD) * CELL_BYTES;
        let tables = (huge * WORDS * CELL_BYTES + entries).next_multiple_of(LINE_BYTES);
        let trees = frames.div_ceil(Shape::<WORDS, TREE>::TREE_FRAMES);
        let cells = cpus * (2 * LINE_CELLS + debt::cells(huge)) + hint::cells(trees) + trees;
        let giants = frames / Shape::<WORDS, TREE>::GIANT_FRAMES;
        let lines = slots(huge, giants) + giants.div_ceil(LINE_CELLS);
        Self {
            lower_bytes: tables + lines * LINE_BYTES,
            upper_bytes: (cells * CELL_BYTES).next_multiple_of(LINE_BYTES),
        }
    }
}

/// The memory that a zone lives in, both parts starting at a multiple of 64 bytes.
#[derive(Debug)]
pub struct Memory<'m> {
    /// At least [`Layout::lower_bytes`].
    pub lower: &'m mut [u8],
    /// At least [`Layout::upper_bytes`]; its content does not matter.
    pub upper: &'m mut [u8],
}

/// The memory of a zone, cut into its tables.
pub(crate) struct Tables<'m, const WORDS: usize> {
    /// One bitfield a huge frame.
    pub(crate) fields: &'m [[Cell; WORDS]],
    /// The entries, four a word.
    pub(crate) quads: &'m [Cell],
    /// One word for each giant frame that is in the zone as a whole.
    pub(crate) giants: &'m [Cell],
    /// What processors hold, a line each.
    pub(crate) slots: &'m [[Cell; LINE_CELLS]],
    /// One line a processor.
    pub(crate) lines: &'m [[Cell; LINE_CELLS]],
    /// The trees that it has reserved, plus one each; 0 for none. One line a processor.
    pub(crate) reserved: &'m [[Cell; LINE_CELLS]],
    /// What the processors owe, the same number of words each.
    pub(crate) debts: &'m [Cell],
    /// Which trees may have what.
    pub(crate) hints: &'m [Cell],
    /// One word a tree.
    pub(crate) trees: &'m [Cell],
}

impl<'m, const WORDS: usize> Tables<'m, WORDS> {
    /// Returns the words that are zero as long as no processor has a handle.
    pub(crate) fn of_processors(&self) -> [&'m [Cell]; 3] {
        let (lines, reserved) = (self.lines.as_flattened(), self.reserved.as_flattened());
        [lines, reserved, self.debts]
    }

    /// Finds out whether `memory` can hold the tables of a zone.
    pub(crate) fn check<const TREE: usize>(
        frames: usize,
        cpus: usize,
        memory: &Memory<'_>,
    ) -> Result<(), ZoneError> {
        if frames == 0 {
            return Err(ZoneError::NoFrames);
        }
        if cpus == 0 {
            return Err(ZoneError::NoProcessors);
        }
        let needed = Layout::of::<WORDS, TREE>(frames, cpus);
        let (address, given) = (memory.lower.as_ptr().addr(), memory.lower.len());
        if given < needed.lower_bytes {
            let needed = needed.lower_bytes;
            return Err(ZoneError::LowerTooShort { needed, given });
        }
        if !address.is_multiple_of(LINE_BYTES) {
            return Err(ZoneError::LowerMisaligned { address });
        }
        let (address, given) = (memory.upper.as_ptr().addr(), memory.upper.len());
        if given < needed.upper_bytes {
            let needed = needed.upper_bytes;
            return Err(ZoneError::UpperTooShort { needed, given });
        }
        if !address.is_multiple_of(LINE_BYTES) {
            return Err(ZoneError::UpperMisaligned { address });
        }
        Ok(())
    }

    /// Cuts `memory` into the tables of a zone.
    pub(crate) fn cut<const TREE: usize>(
        frames: usize,
        cpus: usize,
        memory: Memory<'m>,
    ) -> Result<Self, ZoneError> {
        Self::check::<TREE>(frames, cpus, &memory)?;
        let address = memory.lower.as_ptr().addr();
        let lower =
            cells(memory.lower, LINE_BYTES).ok_or(ZoneError::LowerMisaligned { address })?;
        let address = memory.upper.as_ptr().addr();
        let upper =
            cells(memory.upper, LINE_BYTES).ok_or(ZoneError::UpperMisaligned { address })?;

        let huge = frames.div_ceil(Shape::<WORDS, TREE>::HUGE_FRAMES);
        // Both lengths were compared with the sum of their parts.
        let (fields, rest) = lower.split_at(huge * WORDS);
        let quads = huge.div_ceil(QUAD);
        // Bitfields of tiny geometries are less than a line.
        let slots_at = (huge * WORDS + quads).next_multiple_of(LINE_CELLS) - huge * WORDS;
        let nr_giants = frames / Shape::<WORDS, TREE>::GIANT_FRAMES;
        let (slots, giants) = rest[slots_at..].split_at(slots(huge, nr_giants) * LINE_CELLS);
        let (lines, upper) = upper.split_at(cpus * LINE_CELLS);
        let (reserved, upper) = upper.split_at(cpus * LINE_CELLS);
        let (debts, upper) = upper.split_at(cpus * debt::cells(huge));
        let nr_trees = frames.div_ceil(Shape::<WORDS, TREE>::TREE_FRAMES);
        let (hints, trees) = upper.split_at(hint::cells(nr_trees));
        Ok(Self {
            fields: fields.as_chunks().0,
            quads: &rest[..quads],
            giants: &giants[..nr_giants],
            slots: slots.as_chunks().0,
            lines: lines.as_chunks().0,
            reserved: reserved.as_chunks().0,
            debts,
            hints,
            trees: &trees[..nr_trees],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: usize = (1 << 30) / frame::FRAME_SIZE;

    #[test]
    fn the_tables_of_a_gibibyte_stay_within_their_budget() {
        let one = Layout::for_frames(GIB, 0);
        assert!(one.lower_bytes <= 34 << 10, "{one:?}");
        assert!(one.upper_bytes <= 1 << 10, "{one:?}");
    }

    #[test]
    fn the_lower_tables_do_not_depend_on_the_processors() {
        assert_eq!(
            Layout::for_frames(GIB, 1).lower_bytes,
            Layout::for_frames(GIB, 256).lower_bytes
        );
    }

    #[test]
    fn a_single_frame_needs_a_bitfield_a_line_of_entries_and_four_slots() {
        assert_eq!(Layout::for_frames(1, 1).lower_bytes, (1 + 1 + 4) * 64);
    }

    #[test]
    fn only_giant_frames_that_are_in_the_zone_as_a_whole_have_a_word() {
        let lower = |frames| Layout::for_frames(frames, 1).lower_bytes;
        // The last frame that is missing is part of a huge frame that is there.
        assert_eq!(lower(64 * GIB + 1) - lower(64 * GIB), 64 + 64);
        assert_eq!(lower(65 * GIB) - lower(65 * GIB - 1), 64);
        assert_eq!(lower(64 * GIB) - lower(64 * GIB - 1), 0);
        // In small zones the line is one that a slot would take.
        assert_eq!(lower(GIB) - lower(GIB - 1), 0);
    }

    #[test]
    fn a_large_zone_has_a_slot_for_each_of_256_processors() {
        assert_eq!([slots(1, 0), slots(511, 0), slots(512, 1)], [4, 15, 15]);
        assert_eq!([slots(1 << 13, 16), slots(1 << 20, 1 << 11)], [254, 256]);
    }
}
