//! The geometry as constants: words a huge frame, huge frames a tree.
//!
//! Model checkers need instances so small that they can visit every state, and
//! real ones must not pay for that. So the geometry is a pair of const
//! parameters; all sizes are powers of two, and what reads as a division here
//! compiles to a shift.

use crate::entry;

/// Frames that one word of a bitfield stands for.
pub(crate) const WORD_FRAMES: usize = 64;

/// What follows from the two parameters.
pub(crate) struct Shape<const WORDS: usize, const TREE: usize>;

impl<const WORDS: usize, const TREE: usize> Shape<WORDS, TREE> {
    /// Frames in a huge frame.
    pub(crate) const HUGE_FRAMES: usize = WORDS * WORD_FRAMES;
    /// Frames in a tree.
    pub(crate) const TREE_FRAMES: usize = Self::HUGE_FRAMES * TREE;
    /// Exponent of the order that is one huge frame.
    pub(crate) const HUGE_ORDER: u8 = exponent(Self::HUGE_FRAMES);
    /// Exponent of the largest order below giant frames: two huge frames, whose
    /// entries share a word.
    pub(crate) const MAX_ORDER: u8 = Self::HUGE_ORDER + 1;
    /// Huge frames in a giant frame: as many as the hardware has it, whole trees of
    /// them, and only two of those in tiny instances.
    pub(crate) const GIANT_HUGE: usize = if WORDS == 8 { 512 } else { 2 * TREE };
    /// Frames in a giant frame.
    pub(crate) const GIANT_FRAMES: usize = Self::HUGE_FRAMES * Self::GIANT_HUGE;
    /// Trees in a giant frame.
    pub(crate) const GIANT_TREES: usize = Self::GIANT_HUGE / TREE;
    /// Exponent of the order that is one giant frame.
    pub(crate) const GIANT_ORDER: u8 = exponent(Self::GIANT_FRAMES);

    /// Holds the parameters against what the code relies on.
    pub(crate) const CHECK: () = {
        assert!(
            WORDS.is_power_of_two() && WORDS >= 2,
            "orders up to 6 need a word, half a huge frame must be whole words"
        );
        assert!(
            TREE.is_power_of_two() && TREE >= 2,
            "a pair of huge frames lies in one tree"
        );
        assert!(
            Self::HUGE_FRAMES <= entry::MAX_COUNT as usize,
            "a count must not look like a state"
        );
        assert!(
            Self::GIANT_TREES >= 1 && Self::GIANT_HUGE >= entry::QUAD,
            "a giant frame is whole trees, and whole words of entries"
        );
    };
}

/// Returns the exponent of a power of two.
#[expect(clippy::cast_possible_truncation, reason = "at most 63")]
const fn exponent(power: usize) -> u8 {
    power.trailing_zeros() as u8
}

#[cfg(test)]
mod tests {
    use frame::Order;

    use super::*;

    #[test]
    fn the_default_geometry_is_that_of_the_hardware() {
        assert_eq!(Shape::<8, 32>::HUGE_ORDER, Order::HUGE.exponent());
        assert_eq!(Shape::<8, 32>::HUGE_FRAMES, Order::HUGE.frames());
        assert_eq!(Shape::<8, 32>::GIANT_ORDER, Order::GIANT.exponent());
    }
}
