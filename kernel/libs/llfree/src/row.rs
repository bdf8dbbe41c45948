//! Aligned runs of bits in one word of a bitfield.
//!
//! A set bit is an allocated frame. Blocks of up to 64 frames are aligned runs
//! inside one word, so finding, taking and returning one is arithmetic on a
//! word, pure and testable without any allocator around it.

use frame::{FrameId, Order};

use crate::shape::WORD_FRAMES;

/// The largest order that fits in a word.
pub(crate) const WORD_ORDER: u8 = 6;

/// First bits of the aligned runs of each order; the last slot is never asked for.
const STARTS: [u64; 8] = [
    !0,
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    1,
    0,
];

/// Returns the first bit of the lowest aligned run of `1 << order` clear bits.
#[inline(always)]
pub(crate) fn first_free(word: u64, order: u8) -> Option<u32> {
    let mut free = !word;
    // After each step, a set bit starts a free run of twice the length.
    for step in 0..order {
        free &= free >> (1_u32 << step);
    }
    free &= STARTS[usize::from(order & 7)];
    (free != 0).then(|| free.trailing_zeros())
}

/// Returns the bits of the run of `1 << order` frames that starts at `bit`.
#[inline(always)]
pub(crate) fn run(bit: u32, order: u8) -> u64 {
    (u64::MAX >> (64 - (1_u32 << order.min(WORD_ORDER)))) << (bit & 63)
}

/// Returns the bits of a block in each row that it touches.
pub(crate) fn bits_of(frame: FrameId, order: Order) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
    run((frame.0 % WORD_FRAMES) as u32, order.exponent())
}

/// Returns the number of set bits.
#[inline(always)]
pub(crate) fn ones(word: u64) -> u32 {
    // Without an instruction for it, counting takes a dozen steps; most words of
    // a zone that is not fragmented need none.
    if word == u64::MAX {
        64
    } else {
        word.count_ones()
    }
}

/// Returns the lowest `count` of the set bits.
pub(crate) fn lowest(word: u64, count: u32) -> u64 {
    let mut rest = word;
    for _ in 0..count {
        rest &= rest.wrapping_sub(1);
    }
    word & !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by trying every position.
    fn first_free_by_search(word: u64, order: u8) -> Option<u32> {
        (0..64)
            .step_by(1 << order)
            .find(|&bit| word & run(bit, order) == 0)
    }

    #[test]
    fn a_run_has_its_length_at_its_place() {
        assert_eq!(run(0, 0), 1);
        assert_eq!(run(63, 0), 1 << 63);
        assert_eq!(run(8, 3), 0xff00);
        assert_eq!(run(0, 6), u64::MAX);
    }

    #[test]
    fn the_lowest_bits_are_as_many_as_there_are() {
        assert_eq!(lowest(0b1011_0100, 2), 0b0001_0100);
        assert_eq!(lowest(0b1011_0100, 0), 0);
        assert_eq!(lowest(u64::MAX, 64), u64::MAX);
        assert_eq!(lowest(0b11, 5), 0b11);
        assert_eq!([ones(0), ones(u64::MAX), ones(0b1011)], [0, 64, 3]);
    }

    #[test]
    fn the_first_free_run_is_the_one_that_a_search_finds() {
        let mut word = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000_u64 {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(round);
            // Sparse and dense words in turn: a random word has no long run.
            let sparse = word & word.rotate_left(17) & word.rotate_left(31);
            for candidate in [word, sparse, !sparse, sparse & (word >> 32)] {
                for order in 0..=WORD_ORDER {
                    assert_eq!(
                        first_free(candidate, order),
                        first_free_by_search(candidate, order),
                        "word {candidate:#x}, order {order}"
                    );
                }
            }
        }
    }
}
