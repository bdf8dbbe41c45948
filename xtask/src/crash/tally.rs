//! What came of many cycles.

use std::collections::BTreeMap;

use record::StageName;
use serde::{Deserialize, Serialize};

/// One cycle: where the machine broke, and what the host found then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cycle {
    /// The stage that it was in; none where the kernel had not come that far.
    pub(crate) stage: Option<StageName>,
    /// What the host found, where somebody kept account.
    pub(crate) found: Option<Found>,
    /// What the emulated cache had done.
    pub(crate) cache: Option<record::Cache>,
    /// The commit that the kernel says it is of, where it said anything.
    pub(crate) commit: Option<String>,
    /// Which break in a row it was that hit the recovery from the one before: 0 for
    /// any other.
    pub(crate) depth: u32,
}

/// What the host found in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Operations acknowledged in the cycle.
    pub(crate) acknowledged: u64,
    /// Operations in flight.
    pub(crate) in_flight: u64,
    /// Blocks owned, all of them checked.
    pub(crate) owned: u64,
    /// Frames leaked.
    pub(crate) leaked: u64,
    /// Frames that could have been.
    pub(crate) bound: u64,
    /// Frames lost, doubled or with lost content.
    pub(crate) violated: u64,
    /// Huge frames that were being split, as the medium says.
    pub(crate) splits: u64,
}

/// Counts over many cycles that held, and how many did not. They only ever add up for
/// one image of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tally {
    /// The commit of the kernel.
    pub(crate) commit: Option<String>,
    /// Times that the machine was broken, and what it left held.
    pub(crate) cycles: u64,
    /// Of these, how many broke new work, with operations acknowledged.
    pub(crate) fruitful: u64,
    /// Of these, how many broke a machine that was still to recover from the last
    /// time, or had not begun to work.
    pub(crate) nested: u64,
    /// Operations acknowledged in fruitful cycles.
    pub(crate) acknowledged: u64,
    /// Blocks found owned and checked.
    pub(crate) owned: u64,
    /// Cycles that failed, for whatever reason.
    pub(crate) failed: u64,
    /// Times that all was returned and every frame was free again.
    pub(crate) settled: u64,
    /// Dirty lines that an emulated cache evicted before the power was cut.
    pub(crate) evicted: u64,
    /// Lines that it wrote back because they were flushed, dirty or not.
    pub(crate) flushed: u64,
    /// Cycles that left a huge frame half split on the medium.
    pub(crate) split: u64,
    /// Cycles by depth: breaks in a row that each hit the recovery from the one
    /// before.
    pub(crate) depths: BTreeMap<u32, u64>,
    /// Times by stage.
    pub(crate) stages: BTreeMap<String, u64>,
    /// Cycles by the order of magnitude of the frames leaked: 0, 1, 2–3, 4–7, …
    pub(crate) leaks: BTreeMap<u32, u64>,
    /// The most frames that one crash leaked.
    pub(crate) most_leaked: u64,
    /// Seconds of all jobs together.
    pub(crate) seconds: u64,
}

impl Tally {
    /// Counts a cycle that held.
    pub(crate) fn add(&mut self, cycle: &Cycle) {
        self.cycles += 1;
        self.commit = cycle.commit.clone().or(self.commit.take());
        *self.stages.entry(stage_name(cycle.stage)).or_default() += 1;
        if cycle.depth > 0 {
            *self.depths.entry(cycle.depth).or_default() += 1;
        }
        if let Some(cache) = &cycle.cache {
            self.evicted += cache.evicted;
            self.flushed += cache.flushed;
        }
        let is_work = matches!(
            cycle.stage,
            Some(StageName::Work | StageName::Settle | StageName::Shutdown)
        );
        match &cycle.found {
            Some(found) if is_work && found.acknowledged > 0 => {
                self.fruitful += 1;
                self.acknowledged += found.acknowledged;
            }
            _ if !is_work => self.nested += 1,
            _ => {}
        }
        if let Some(found) = &cycle.found {
            self.owned += found.owned;
            self.split += u64::from(found.splits > 0);
            *self.leaks.entry(magnitude(found.leaked)).or_default() += 1;
            self.most_leaked = self.most_leaked.max(found.leaked);
        }
    }

    /// Returns how many cycles broke in the stage of this name.
    pub(crate) fn broken_in(&self, stage: &str) -> u64 {
        self.stages.get(stage).copied().unwrap_or(0)
    }

    /// Adds the counts of another tally of the same image.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.cycles += other.cycles;
        self.commit = other.commit.clone().or(self.commit.take());
        self.fruitful += other.fruitful;
        self.nested += other.nested;
        self.acknowledged += other.acknowledged;
        self.owned += other.owned;
        self.failed += other.failed;
        self.settled += other.settled;
        self.evicted += other.evicted;
        self.flushed += other.flushed;
        self.seconds += other.seconds;
        self.most_leaked = self.most_leaked.max(other.most_leaked);
        self.split += other.split;
        merge_histogram(&mut self.stages, &other.stages);
        merge_histogram(&mut self.depths, &other.depths);
        merge_histogram(&mut self.leaks, &other.leaks);
    }
}

fn merge_histogram<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *counts.entry(key.clone()).or_default() += count;
    }
}

/// The name of a stage in tables.
fn stage_name(stage: Option<StageName>) -> String {
    stage.map_or("boot".into(), |stage| format!("{stage:?}").to_lowercase())
}

/// The order of magnitude of a count: 0, 1, 2–3, 4–7, …
pub(crate) fn magnitude(count: u64) -> u32 {
    count.checked_ilog2().map_or(0, |log| log + 1)
}

/// An order of magnitude, as a person writes it.
pub(crate) fn magnitude_in_words(magnitude: u32) -> String {
    match magnitude {
        0 => "0".into(),
        1 => "1".into(),
        _ => format!("{}–{}", 1_u64 << (magnitude - 1), (1_u64 << magnitude) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(stage: StageName, acknowledged: u64, leaked: u64) -> Cycle {
        Cycle {
            stage: Some(stage),
            found: Some(Found {
                acknowledged,
                in_flight: 1,
                owned: 3,
                leaked,
                bound: leaked,
                violated: 0,
                splits: 0,
            }),
            cache: None,
            commit: Some("0123abc".into()),
            depth: 0,
        }
    }

    #[test]
    fn a_cycle_that_acknowledged_nothing_is_not_fruitful() {
        let mut tally = Tally::default();
        tally.add(&cycle(StageName::Work, 0, 0));
        tally.add(&cycle(StageName::Work, 10, 0));
        assert_eq!((tally.cycles, tally.fruitful), (2, 1));
    }

    #[test]
    fn operations_of_a_cycle_that_broke_twice_are_counted_once() {
        let mut tally = Tally::default();
        tally.add(&cycle(StageName::Work, 10, 5));
        tally.add(&cycle(StageName::Recovery, 10, 5));
        assert_eq!((tally.acknowledged, tally.nested), (10, 1));
        assert_eq!(tally.leaks[&3], 2);
    }

    #[test]
    fn merged_tallies_count_what_both_counted() {
        let mut both = Tally::default();
        both.add(&cycle(StageName::Work, 10, 1));
        let mut one = both.clone();
        both.add(&cycle(StageName::Judge, 20, 600));
        let mut other = Tally::default();
        other.add(&cycle(StageName::Judge, 20, 600));
        one.merge(&other);
        assert_eq!(one, both);
        assert_eq!(one.most_leaked, 600);
    }

    #[test]
    fn magnitudes_are_written_as_ranges() {
        let words: Vec<_> = (0..4).map(magnitude_in_words).collect();
        assert_eq!(words, ["0", "1", "2–3", "4–7"]);
    }
}
