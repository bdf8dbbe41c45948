//! Real threads against an oracle that knows each frame's owner.
//!
//! What this can show depends on the machine's mood, so it counts what it did;
//! `interleavings` is the systematic counterpart.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use frame::{FrameId, Order};
use llfree::{GetError, Zone};
use persist::{Eadr, ModelledAdr, Persist};

use crate::common::{Oracle, Random, Tables, order};

/// Lets threads take and return random blocks up to `max`; half of those larger
/// than a frame go back in parts. Returns how many blocks were taken.
fn churn<P: Persist + Sync, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    oracle: &Oracle,
    rounds: usize,
    max: u8,
) -> usize {
    let taken = AtomicUsize::new(0);
    let start = Barrier::new(zone.cpus());
    thread::scope(|scope| {
        for cpu in 0..zone.cpus() {
            let (taken, start) = (&taken, &start);
            scope.spawn(move || {
                let mut local = zone.local(cpu).unwrap();
                let mut random = Random(cpu as u64 + 1);
                let mut held = Vec::new();
                start.wait();
                for _ in 0..rounds {
                    if random.below(20) < 11 {
                        let order = random.order(max);
                        match local.get(order) {
                            Ok(frame) => {
                                assert!(oracle.claim(frame, order), "{frame:?} {order:?} twice");
                                taken.fetch_add(1, Ordering::Relaxed);
                                held.push((frame, order));
                            }
                            Err(GetError::HeldElsewhere { order: of, .. }) => assert_eq!(of, order),
                            Err(error) => assert_eq!(error, GetError::OutOfMemory { order }),
                        }
                    } else if let Some((frame, order)) = random.pick(&mut held) {
                        for (frame, order) in parts(frame, order, random.below(2)) {
                            oracle.release(frame, order);
                            local.put(frame, order).unwrap();
                        }
                    }
                }
                for (frame, order) in held {
                    oracle.release(frame, order);
                    local.put(frame, order).unwrap();
                }
            });
        }
    });
    taken.into_inner()
}

/// Returns a block as it is, or cut in four.
fn parts(frame: FrameId, whole: Order, cut: usize) -> Vec<(FrameId, Order)> {
    if cut == 0 || whole.exponent() < 2 {
        return vec![(frame, whole)];
    }
    let part = order(whole.exponent() - 2);
    let starts = (0..4).map(|index| FrameId(frame.0 + index * part.frames()));
    starts.map(|start| (start, part)).collect()
}

fn all_comes_back<const WORDS: usize, const TREE: usize>(frames: usize, cpus: usize, max: u8) {
    let mut tables = Tables::new::<WORDS, TREE>(frames, cpus);
    let zone = Zone::<'_, _, WORDS, TREE>::create(frames, cpus, tables.memory(), Eadr).unwrap();
    let before = zone.stats();
    let oracle = Oracle::new(frames);
    let taken = churn(&zone, &oracle, 30_000, max);
    assert!(taken > 1000, "{taken} blocks taken");
    oracle.compare(&zone);
    assert_eq!(zone.stats(), before);
}

#[test]
fn no_frame_is_handed_out_twice_in_many_trees() {
    all_comes_back::<8, 4>(40 * 512 + 77, 4, 10);
}

#[test]
fn no_frame_is_handed_out_twice_when_all_share_one_tree() {
    all_comes_back::<8, 4>(3 * 512 + 100, 3, 10);
}

#[test]
fn no_frame_is_handed_out_twice_in_the_smallest_geometry() {
    all_comes_back::<2, 2>(4 * 128 + 3, 4, 8);
}

#[test]
fn the_protocol_for_the_weaker_domain_hands_no_frame_out_twice_either() {
    let (frames, cpus) = (6 * 512 + 9, 3);
    let mut tables = Tables::new::<8, 2>(frames, cpus);
    let zone = Zone::<'_, _, 8, 2>::create(frames, cpus, tables.memory(), ModelledAdr).unwrap();
    let oracle = Oracle::new(frames);
    assert!(churn(&zone, &oracle, 30_000, 10) > 1000);
    oracle.compare(&zone);
}

/// Blocks of several words under contention: a search that is overtaken half way
/// must not report success.
#[test]
fn blocks_of_several_words_survive_contention() {
    let frames = 2 * 512;
    let mut tables = Tables::new::<8, 2>(frames, 3);
    let zone = Zone::<'_, _, 8, 2>::create(frames, 3, tables.memory(), Eadr).unwrap();
    let oracle = Oracle::new(frames);
    thread::scope(|scope| {
        for (cpu, exponent) in [7, 8, 5].into_iter().enumerate() {
            let (zone, oracle, order) = (&zone, &oracle, order(exponent));
            scope.spawn(move || {
                let mut local = zone.local(cpu).unwrap();
                for _ in 0..60_000 {
                    if let Ok(frame) = local.get(order) {
                        assert!(oracle.claim(frame, order), "{frame:?} {order:?} twice");
                        oracle.release(frame, order);
                        local.put(frame, order).unwrap();
                    }
                }
            });
        }
    });
    oracle.compare(&zone);
}

/// Several processors return parts of one huge frame at the same time: one of
/// them splits it, the others wait, all succeed.
#[test]
fn a_storm_of_splits_loses_nothing() {
    const CPUS: usize = 4;
    let frames = 2 * 512;
    let mut tables = Tables::new::<8, 2>(frames, CPUS);
    let zone = Zone::<'_, _, 8, 2>::create(frames, CPUS, tables.memory(), Eadr).unwrap();
    let start = Barrier::new(CPUS);
    let block = AtomicUsize::new(0);
    let rounds = 3000;
    thread::scope(|scope| {
        for cpu in 0..CPUS {
            let (zone, start, block) = (&zone, &start, &block);
            scope.spawn(move || {
                let mut local = zone.local(cpu).unwrap();
                for _ in 0..rounds {
                    if start.wait().is_leader() {
                        let whole = local.get(Order::HUGE).expect("all of it is free");
                        block.store(whole.0, Ordering::SeqCst);
                    }
                    start.wait();
                    let quarter = order(7);
                    let first = block.load(Ordering::SeqCst) + cpu * quarter.frames();
                    for (part, order) in parts(FrameId(first), quarter, 1) {
                        local.put(part, order).expect("each part is returned once");
                    }
                }
            });
        }
    });
    assert_eq!(zone.stats().free, frames);
    assert_eq!(zone.validate(), Ok(()));
    println!("splits: {rounds}, each by {CPUS} at once");
}

/// As long as there is a frame for each of them, single frames never run out.
#[test]
fn whoever_needs_one_frame_of_enough_gets_one_in_the_end() {
    let (frames, cpus) = (2 * 128 + 64, 4);
    let mut tables = Tables::new::<2, 2>(frames, cpus);
    let zone = Zone::<'_, _, 2, 2>::create(frames, cpus, tables.memory(), Eadr).unwrap();
    let quota = frames / cpus;
    let missed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for cpu in 0..cpus {
            let (zone, missed) = (&zone, &missed);
            scope.spawn(move || {
                let mut local = zone.local(cpu).unwrap();
                let mut random = Random(cpu as u64);
                let mut held = Vec::new();
                for _ in 0..20_000 {
                    if held.len() < quota && random.below(3) != 0 {
                        // A search may miss a frame that moves behind it.
                        held.push(loop {
                            match local.get(Order::FRAME) {
                                Ok(frame) => break frame,
                                Err(_) => missed.fetch_add(1, Ordering::Relaxed),
                            };
                        });
                    } else if let Some(frame) = random.pick(&mut held) {
                        local.put(frame, Order::FRAME).unwrap();
                    }
                }
                for frame in held {
                    local.put(frame, Order::FRAME).unwrap();
                }
            });
        }
    });
    println!("searches that were overtaken: {}", missed.into_inner());
    assert_eq!(zone.stats().free, frames);
    assert_eq!(zone.validate(), Ok(()));
}

/// Positive control: the oracle notices two owners.
#[test]
fn the_oracle_notices_a_second_owner() {
    let oracle = Oracle::new(16);
    assert!(oracle.claim(FrameId(4), order(2)));
    assert!(!oracle.claim(FrameId(6), order(0)));
}
