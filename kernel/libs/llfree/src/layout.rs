//! How much memory a zone needs, and where everything lies in it.
//!
//! The caller owns the memory: lower tables in persistent memory, say, and upper
//! structures in DRAM of the same node. The lower layout is the format on the
//! medium, so it depends on the number of frames and nothing else:
//!
//! ```text
//! lower   bitfields, one line a huge frame · entries, four a word · padding to a line
//! upper   one line a processor · one word a tree · padding to a line
//! ```

use crate::cell::{CELL_BYTES, Cell, cells};
use crate::entry::QUAD;
use crate::error::ZoneError;
use crate::shape::Shape;
use persist::LINE_BYTES;

/// Words in a cache line.
pub(crate) const LINE_CELLS: usize = LINE_BYTES / CELL_BYTES;

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
        let trees = frames.div_ceil(Shape::<WORDS, TREE>::TREE_FRAMES) * CELL_BYTES;
        Self {
            lower_bytes: (huge * WORDS * CELL_BYTES + entries).next_multiple_of(LINE_BYTES),
            upper_bytes: (cpus * LINE_BYTES + trees).next_multiple_of(LINE_BYTES),
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
    /// One line a processor.
    pub(crate) slots: &'m [[Cell; LINE_CELLS]],
    /// One word a tree.
    pub(crate) trees: &'m [Cell],
}

impl<'m, const WORDS: usize> Tables<'m, WORDS> {
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
        let (fields, entries) = lower.split_at(huge * WORDS);
        let (slots, trees) = upper.split_at(cpus * LINE_CELLS);
        Ok(Self {
            fields: fields.as_chunks().0,
            quads: &entries[..huge.div_ceil(QUAD)],
            slots: slots.as_chunks().0,
            trees: &trees[..frames.div_ceil(Shape::<WORDS, TREE>::TREE_FRAMES)],
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
    fn a_single_frame_needs_one_bitfield_and_one_line_of_entries() {
        assert_eq!(Layout::for_frames(1, 1).lower_bytes, 128);
    }
}
