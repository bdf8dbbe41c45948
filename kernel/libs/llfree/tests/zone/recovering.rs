//! Recovery in parts: the same as in one go, whoever does which part how often.

use std::thread;

use llfree::{Incomplete, Recovering, Recovery, Zone};
use persist::{ModelledAdr, Persist, Volatile};
use proptest::prelude::*;

use crate::common::{Bytes, Random, Tables};

const GIB: usize = (1 << 30) / frame::FRAME_SIZE;

/// Lower tables as no crash would leave them: worse.
fn noise(random: &mut Random, lower: &mut Bytes) {
    for word in lower.as_chunks_mut().0 {
        // The values of entries, four times, are bits as good as any.
        let entry = [0, 1, 64, 512, 513, 0x8000, 0x8001, 0x8002, 0x8003, 0xffff];
        let mut entries = || entry[random.below(entry.len())] << 16;
        let some_entries = (0..4).fold(0, |word, _| (word | entries()) >> 16 | word << 48);
        *word = match random.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => random.next() & random.next() & random.next(),
            3 => some_entries,
            4 => 0x0200_0200_0200_0200, // four huge frames that are free
            _ => random.next(),
        }
        .to_le_bytes();
    }
}

/// What a recovery leaves.
#[derive(Debug, PartialEq)]
struct Outcome {
    found: Recovery,
    lower: Vec<u8>,
    stats: llfree::Stats,
}

fn at_once<const WORDS: usize, const TREE: usize>(frames: usize, lower: &Bytes) -> Outcome {
    let mut tables = Tables::new::<WORDS, TREE>(frames, 2);
    tables.lower.copy_from_slice(lower);
    let recovered = Zone::<'_, _, WORDS, TREE>::recover(frames, 2, tables.memory(), Volatile);
    let (zone, found) = recovered.unwrap();
    assert_eq!(zone.validate(), Ok(()));
    let stats = zone.stats();
    let lower = tables.lower.to_vec();
    Outcome {
        found,
        lower,
        stats,
    }
}

/// Does `work` instead, which sees to all parts.
fn in_parts<P: Persist, const WORDS: usize, const TREE: usize>(
    frames: usize,
    lower: &Bytes,
    persist: P,
    work: impl FnOnce(&Recovering<'_, P, WORDS, TREE>),
) -> Outcome {
    let mut tables = Tables::new::<WORDS, TREE>(frames, 2);
    tables.lower.copy_from_slice(lower);
    let begun = Recovering::begin(frames, 2, tables.memory(), persist);
    let recovering = begun.unwrap();
    work(&recovering);
    let (zone, found) = recovering.finish().unwrap();
    assert_eq!(zone.validate(), Ok(()));
    let stats = zone.stats();
    let lower = tables.lower.to_vec();
    Outcome {
        found,
        lower,
        stats,
    }
}

fn compare<const WORDS: usize, const TREE: usize>(frames: usize, parts: usize, seed: u64) {
    let mut random = Random(seed);
    let mut lower = Tables::new::<WORDS, TREE>(frames, 2).lower;
    noise(&mut random, &mut lower);
    let expected = at_once::<WORDS, TREE>(frames, &lower);

    let mut left: Vec<_> = (0..parts).collect();
    let mut shuffled: Vec<_> = (0..parts).filter_map(|_| random.pick(&mut left)).collect();
    // One of them twice.
    shuffled.push(random.below(parts));
    let one_by_one = |recovering: &Recovering<'_, Volatile, WORDS, TREE>| {
        for &part in &shuffled {
            recovering.part(part, parts);
        }
    };
    assert_eq!(in_parts(frames, &lower, Volatile, one_by_one), expected);

    // Neighbours share words, and one part is done by two threads.
    let by_threads = |recovering: &Recovering<'_, ModelledAdr, WORDS, TREE>| {
        thread::scope(|scope| {
            for &part in &shuffled {
                scope.spawn(move || recovering.part(part, parts));
            }
        });
    };
    let outcome = in_parts(frames, &lower, ModelledAdr, by_threads);
    assert_eq!(
        (outcome.lower, outcome.stats),
        (expected.lower, expected.stats)
    );
    // A huge frame that two threads have mended at once counts twice.
    assert_eq!(outcome.found.free, expected.found.free);
    assert_eq!(outcome.found.free_huge, expected.found.free_huge);
    assert!(outcome.found.mended >= expected.found.mended);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_in_any_order_find_what_one_recovery_finds(
        frames in 1..(9 * 512_usize),
        parts in 1..6_usize,
        seed: u64,
    ) {
        compare::<8, 2>(frames, parts, seed);
        compare::<2, 2>(frames, parts, seed);
    }
}

/// Large enough for the processor to be asked for its instruction.
#[test]
fn a_zone_of_gibibytes_is_recovered_in_parts_like_in_one_go() {
    for seed in 0..2 {
        compare::<8, 32>(2 * GIB + 77, 3, seed);
    }
}

#[test]
fn a_zone_is_refused_as_long_as_any_part_is_missing() {
    let frames = 13 * 512;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    Zone::<'_, _, 8, 2>::create(frames, 1, tables.memory(), Volatile).unwrap();
    // 7 trees in 4 parts: the last one has a single tree.
    for (absent, missing) in [(0, 2), (1, 2), (2, 2), (3, 1)] {
        let begun = Recovering::<'_, _, 8, 2>::begin(frames, 1, tables.memory(), Volatile);
        let recovering = begun.unwrap();
        for part in (0..4).filter(|&part| part != absent) {
            recovering.part(part, 4);
        }
        let refused = recovering.finish().map(drop);
        assert_eq!(refused, Err(Incomplete { missing, trees: 7 }));
    }
    // None of that has done any harm.
    let (zone, found) = Zone::<'_, _, 8, 2>::recover(frames, 1, tables.memory(), Volatile).unwrap();
    assert_eq!((found.free, found.mended), (frames, 0));
    assert_eq!(zone.validate(), Ok(()));
}

#[test]
fn parts_that_do_not_exist_are_empty() {
    let frames = 3 * 1024;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    Zone::<'_, _, 8, 2>::create(frames, 1, tables.memory(), Volatile).unwrap();
    let begun = Recovering::<'_, _, 8, 2>::begin(frames, 1, tables.memory(), Volatile);
    let recovering = begun.unwrap();
    for (part, parts) in [(3, 3), (7, 100), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        assert_eq!(recovering.part(part, parts), Recovery::default());
    }
    assert_eq!(recovering.missing(), 3);
    assert_eq!(recovering.part(0, 0).free, frames, "no parts are one part");
    assert_eq!(recovering.missing(), 0);
}
