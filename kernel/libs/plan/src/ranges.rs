//! A set of physical memory as sorted ranges that neither overlap nor touch.
//!
//! Memory maps come unsorted, with overlaps, and in as many pieces as the
//! firmware likes. Everything after this sees them in one order.

use arrayvec::ArrayVec;
use frame::PhysRange;

/// Most ranges; memory maps of large machines have some hundred entries.
const CAPACITY: usize = 512;

/// A set of physical memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges(ArrayVec<PhysRange, CAPACITY>);

impl Ranges {
    /// Returns the ranges in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = PhysRange> + '_ {
        self.0.iter().copied()
    }

    /// Returns whether every byte of a range is in the set.
    pub(crate) fn contains(&self, range: PhysRange) -> bool {
        self.iter().any(|known| known.contains(range))
    }

    /// Adds a range. Returns what the set has lost for want of room, if anything:
    /// the smallest range.
    pub(crate) fn add(&mut self, added: PhysRange) -> Option<PhysRange> {
        if added.is_empty() {
            return None;
        }
        let first = self.0.partition_point(|known| known.end() < added.start());
        let last = self.0.partition_point(|known| known.start() <= added.end());
        let touching = &self.0[first..last];
        let start = touching
            .first()
            .map_or(added.start(), |range| range.start());
        let end = touching.last().map_or(added.end(), |range| range.end());
        let merged = PhysRange::between(start.min(added.start()), end.max(added.end()));
        self.0.drain(first..last);
        let lost = if self.0.is_full() {
            self.drop_smallest(merged)
        } else {
            None
        };
        if lost != Some(merged) {
            let at = self
                .0
                .partition_point(|known| known.start() < merged.start());
            self.0.insert(at, merged);
        }
        lost
    }

    /// Removes a range. Returns what the set has lost for want of room.
    pub(crate) fn remove(&mut self, removed: PhysRange) -> Option<PhysRange> {
        if removed.is_empty() {
            return None;
        }
        let first = self
            .0
            .partition_point(|known| known.end() <= removed.start());
        let last = self
            .0
            .partition_point(|known| known.start() < removed.end());
        let before = self.0[first..last]
            .first()
            .map(|range| PhysRange::between(range.start(), removed.start()));
        let after = self.0[first..last]
            .last()
            .map(|range| PhysRange::between(removed.end(), range.end()));
        self.0.drain(first..last);
        // One range at most becomes two, so at most one is lost.
        let lost = before.and_then(|before| self.add(before));
        lost.or(after.and_then(|after| self.add(after)))
    }

    /// Makes room for a range by giving up the smallest, which may be itself.
    fn drop_smallest(&mut self, added: PhysRange) -> Option<PhysRange> {
        let sizes = self.0.iter().map(|range| range.len_bytes()).enumerate();
        match sizes.min_by_key(|(_, len_bytes)| *len_bytes) {
            Some((at, len_bytes)) if len_bytes < added.len_bytes() => Some(self.0.remove(at)),
            _ => Some(added),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use frame::PhysAddr;
    use proptest::prelude::*;
    use std::{collections::BTreeSet, vec::Vec};

    use super::*;

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::between(PhysAddr(start), PhysAddr(end))
    }

    #[test]
    fn neighbours_become_one_range() {
        let mut set = Ranges::default();
        for (start, end) in [(4, 6), (0, 2), (2, 4)] {
            assert_eq!(set.add(range(start, end)), None);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [range(0, 6)]);
    }

    #[test]
    fn a_full_set_gives_up_its_smallest_range() {
        let mut set = Ranges::default();
        for at in 0..CAPACITY as u64 {
            let len = if at == 7 { 1 } else { 3 };
            assert_eq!(set.add(range(at * 10, at * 10 + len)), None);
        }
        assert_eq!(set.add(range(90_000, 90_002)), Some(range(70, 71)));
        assert_eq!(set.add(range(91_000, 91_001)), Some(range(91_000, 91_001)));
        assert_eq!(set.iter().count(), CAPACITY);
    }

    proptest! {
        #[test]
        fn adding_and_removing_is_what_it_is_for_sets_of_bytes(
            steps in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..20), 0..30)
        ) {
            let (mut set, mut model) = (Ranges::default(), BTreeSet::new());
            for (adds, start, len) in steps {
                let bytes = start..start + len;
                if adds {
                    set.add(range(start, start + len));
                    model.extend(bytes);
                } else {
                    set.remove(range(start, start + len));
                    model.retain(|byte| !bytes.contains(byte));
                }
                let bytes = set.iter().flat_map(|range| range.start().0..range.end().0);
                prop_assert!(bytes.eq(model.iter().copied()));
                let ranges: Vec<_> = set.iter().collect();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].start()));
            }
        }
    }
}
