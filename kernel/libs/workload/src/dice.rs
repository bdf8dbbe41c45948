//! Everything random, from a seed that the records carry.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A generator whose whole future follows from its seed.
pub(crate) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Returns a generator of one processor, different from those of the others.
    pub(crate) fn of_cpu(seed: u64, cpu: usize) -> Self {
        Self::new(seed ^ (cpu as u64 + 1).wrapping_mul(ODD))
    }

    /// Returns a number below `bound`, or 0 if that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        scale(self.0.next_u64(), bound)
    }

    /// Returns true once in `n` on average, never if `n` is 0.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// Calls `swap` with the pairs whose exchange shuffles `len` things.
    pub(crate) fn shuffle(&mut self, len: usize, mut swap: impl FnMut(usize, usize)) {
        for last in (1..len).rev() {
            swap(last, self.below(last + 1));
        }
    }
}

/// Maps a number to one below `bound`, or to 0 if that is 0: always to the same,
/// and neighbours to different ones.
pub(crate) fn spread(number: u64, bound: usize) -> usize {
    scale(number.wrapping_mul(ODD), bound)
}

/// Odd, and spreads neighbouring numbers over all bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scales a number below 2⁶⁴ to one below `bound`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half of the product is below the bound, which is a usize"
)]
fn scale(number: u64, bound: usize) -> usize {
    ((u128::from(number) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_numbers() {
        let throw = |mut dice: Dice| (0..100).map(|_| dice.below(1000)).collect::<Vec<_>>();
        assert_eq!(throw(Dice::new(7)), throw(Dice::new(7)));
        assert_ne!(throw(Dice::of_cpu(7, 0)), throw(Dice::of_cpu(7, 1)));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 5];
        (0..1000).for_each(|_| seen[dice.below(5)] += 1);
        assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn neighbouring_numbers_are_spread_evenly() {
        let mut seen = [0; 3];
        // Sequence numbers, as they lie in a generation.
        (0..3000).for_each(|seq| seen[spread(seq << 16 | 1, 3)] += 1);
        assert!(seen.iter().all(|&count| count > 900), "{seen:?}");
    }

    #[test]
    fn a_shuffle_keeps_everything_and_moves_nearly_all() {
        let mut things: Vec<usize> = (0..1000).collect();
        Dice::new(3).shuffle(1000, |a, b| things.swap(a, b));
        let stayed = things.iter().enumerate().filter(|(i, t)| i == *t).count();
        assert!(stayed < 20, "{stayed}");
        things.sort_unstable();
        assert!(things.iter().enumerate().all(|(i, &t)| i == t));
    }
}
