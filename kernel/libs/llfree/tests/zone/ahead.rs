//! Counts that a processor takes in advance, or owes, are in nobody's way.

use frame::{FrameId, Order};
use llfree::{PutError, Zone};
use persist::Volatile;

use crate::common::{Tables, order};

/// Huge frames in a tree.
const TREE: usize = 32;

fn with_trees(trees: usize, cpus: usize, check: impl Fn(&Zone<'_, Volatile>)) {
    let frames = trees * TREE * Order::HUGE.frames();
    let mut tables = Tables::new::<8, TREE>(frames, cpus);
    let zone = Zone::create(frames, cpus, tables.memory(), Volatile).unwrap();
    check(&zone);
    assert_eq!(zone.validate(), Ok(()));
}

/// Who takes breaks huge frames, who returns makes them whole: two processors' debts
/// have opposite signs, and must not grow for ever.
#[test]
fn the_number_of_whole_huge_frames_does_not_drift_between_two_processors() {
    for exponent in [6, 7, 8] {
        with_trees(1, 2, |zone| {
            let mut taker = zone.local(0).unwrap();
            let mut returner = zone.local(1).unwrap();
            for _ in 0..40_000 {
                let block = taker.get(order(exponent)).unwrap();
                returner.put(block, order(exponent)).unwrap();
            }
            let huge_free = zone.stats().huge_free;
            assert!(huge_free <= TREE, "{huge_free} of {TREE}");
            let mut held = (0..TREE - 4).map(|_| returner.get(Order::HUGE));
            assert!(held.all(|block| block.is_ok()), "order {exponent}");
        });
    }
}

#[test]
fn whoever_takes_a_huge_frame_leaves_the_rest_of_a_scarce_tree_in_reach() {
    with_trees(1, 2, |zone| {
        let (mut taker, mut other) = (zone.local(0).unwrap(), zone.local(1).unwrap());
        for _ in 0..24 {
            other.get(Order::HUGE).unwrap();
        }
        other.drain();
        taker.get(Order::HUGE).unwrap();
        other.get(Order::FRAME).unwrap();
        for _ in 0..3 {
            other.get(Order::HUGE).unwrap();
        }
    });
}

#[test]
fn a_refused_free_of_rows_moves_nobody() {
    for exponent in [6, 7, 8] {
        with_trees(8, 1, |zone| {
            let mut local = zone.local(0).unwrap();
            let home = local.get(order(exponent)).unwrap().0 / Zone::<Volatile>::TREE_FRAMES;
            let elsewhere = FrameId((home + 5) * Zone::<Volatile>::TREE_FRAMES);
            for _ in 0..8 {
                let refused = local.put(elsewhere, order(exponent));
                let expected = Err(PutError::NotAllocated { frame: elsewhere });
                assert_eq!(refused, expected, "order {exponent}");
            }
            let next = local.get(order(exponent)).unwrap();
            assert_eq!(next.0 / Zone::<Volatile>::TREE_FRAMES, home);
        });
    }
}
