//! Medians, and how far to trust them.
//!
//! Times on a shared machine have a long tail on one side, so that a mean and a
//! standard deviation describe nothing that was ever measured. The median does,
//! and the bootstrap says how much it would move if the same run were repeated:
//! draw as many samples as there are, with replacement, take their median, and
//! do it often; the middle 95 % of those medians are the interval. No
//! distribution is assumed.
//!
//! Source: Efron and Tibshirani, An Introduction to the Bootstrap, section 13.3
//! (percentile intervals).

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde::Serialize;

/// Resamples for one interval; its ends move by less than 1 % with more.
const RESAMPLES: usize = 1000;

/// The draws are the same in every run: the same samples give the same interval.
const SEED: u64 = 0x5eed;

/// A median, and the interval that holds it with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Estimate {
    /// Estimates the median that these samples were drawn around.
    pub(super) fn of(samples: &[f64]) -> Self {
        let mut draw = Draw::new();
        Self::from_medians(median(samples), || draw.median(samples))
    }

    /// Estimates the ratio of two medians, from samples that were taken in
    /// turn.
    pub(super) fn of_ratio(samples: &[f64], others: &[f64]) -> Self {
        let mut draw = Draw::new();
        let ratio = median(samples) / median(others);
        Self::from_medians(ratio, || draw.median(samples) / draw.median(others))
    }

    /// Returns whether the interval reaches beyond `limit` on both sides, so
    /// that neither answer is supported.
    pub(super) fn straddles(&self, limit: f64) -> bool {
        self.low <= limit && limit < self.high
    }

    fn from_medians(median: f64, mut next: impl FnMut() -> f64) -> Self {
        let mut medians: Vec<f64> = (0..RESAMPLES).map(|_| next()).collect();
        medians.sort_unstable_by(f64::total_cmp);
        Self {
            median,
            low: medians[RESAMPLES * 25 / 1000],
            high: medians[RESAMPLES * 975 / 1000 - 1],
        }
    }
}

/// Returns the median, the mean of the middle two for an even number.
///
/// # Panics
///
/// Panics without samples.
pub(super) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// Samples drawn from samples.
struct Draw {
    dice: Xoshiro256PlusPlus,
    drawn: Vec<f64>,
}

impl Draw {
    fn new() -> Self {
        Self {
            dice: Xoshiro256PlusPlus::seed_from_u64(SEED),
            drawn: Vec::new(),
        }
    }

    fn median(&mut self, samples: &[f64]) -> f64 {
        self.drawn.clear();
        for _ in samples {
            let index = below(&mut self.dice, samples.len());
            self.drawn.push(samples[index]);
        }
        median(&self.drawn)
    }
}

/// Returns a random number below `bound`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half of the product is below the bound, which is a usize"
)]
pub(super) fn below(dice: &mut Xoshiro256PlusPlus, bound: usize) -> usize {
    ((u128::from(dice.next_u64()) * bound as u128) >> 64) as usize
}

/// Exchanges the first `len` of `things` for random ones of all of them.
pub(super) fn shuffle_front<T>(dice: &mut Xoshiro256PlusPlus, things: &mut [T], len: usize) {
    for index in 0..len.min(things.len()) {
        let other = index + below(dice, things.len() - index);
        things.swap(index, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_does_not_notice_how_bad_the_worst_sample_is() {
        assert_eq!(median(&[3.0, 1.0, 1e9]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 1e9]), 3.0);
    }

    #[test]
    fn the_interval_holds_the_median_and_widens_with_the_spread() {
        let narrow: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i) * 0.01).collect();
        let wide: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i)).collect();
        let (narrow, wide) = (Estimate::of(&narrow), Estimate::of(&wide));
        for estimate in [narrow, wide] {
            assert!(estimate.low <= estimate.median, "{estimate:?}");
            assert!(estimate.median <= estimate.high, "{estimate:?}");
        }
        assert!(wide.high - wide.low > 10.0 * (narrow.high - narrow.low));
    }

    /// Power: with 200 experiments and a true coverage of 95 %, fewer than 85 %
    /// happen once in 10^8 times.
    #[test]
    fn the_interval_covers_the_true_median_nineteen_times_in_twenty() {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
        let covered = (0..200)
            .filter(|_| {
                let samples: Vec<f64> = (0..30).map(|_| below(&mut dice, 1001) as f64).collect();
                let estimate = Estimate::of(&samples);
                estimate.low <= 500.0 && 500.0 <= estimate.high
            })
            .count();
        assert!((170..=200).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn a_ratio_of_a_series_with_itself_has_one_in_its_interval() {
        let samples: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i)).collect();
        let ratio = Estimate::of_ratio(&samples, &samples);
        assert_eq!(ratio.median, 1.0);
        assert!(ratio.straddles(1.0));
        let doubled: Vec<f64> = samples.iter().map(|sample| sample * 2.0).collect();
        assert!(!Estimate::of_ratio(&doubled, &samples).straddles(1.0));
    }

    #[test]
    fn shuffling_the_front_keeps_everything() {
        let mut things: Vec<usize> = (0..1000).collect();
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(2);
        shuffle_front(&mut dice, &mut things, 100);
        let untouched = (0..100).filter(|&i| things[i] == i).count();
        assert!(untouched < 10, "{untouched}");
        things.sort_unstable();
        assert!(things.iter().enumerate().all(|(i, &thing)| i == thing));
    }
}
