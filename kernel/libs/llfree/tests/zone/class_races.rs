//! Classes of content where several compete: for a row, for a tree, for all there is.

use std::sync::Barrier;
use std::thread;

use frame::{FrameId, Order};
use llfree::{Class, Zone};
use persist::{Eadr, Event, Observed};

use crate::classes::{Few, ROW, TREE, fill, with_zones};
use crate::common::{Oracle, Random, Tables};
use crate::interleavings::{overtake, step};

/// Gathered frees of a row that another class then steals from: were it held twice, a
/// second free would look like the first.
#[test]
fn a_frame_that_is_gathered_can_not_be_freed_again_after_its_row_was_stolen() {
    with_zones(1, |zone| {
        let mut local = zone.local(0).unwrap();
        fill(&mut local, Class::LongLived, TREE);
        let [first, elsewhere, second, gathered] = [3, 900, 5, 7].map(FrameId);
        for frame in [first, elsewhere, second, gathered] {
            local.put(frame, Order::FRAME).unwrap();
        }
        local.get_as(Order::FRAME, Class::Movable).unwrap();
        let twice = local.put(gathered, Order::FRAME);
        let is_free = zone.is_free(gathered, Order::FRAME);
        assert_eq!(twice.is_err(), is_free, "{twice:?}");
    });
}

/// The bounded exception: two processors that find the same free tree at once.
#[test]
fn two_who_take_from_one_free_tree_share_at_most_a_row_of_it() {
    let mut shared = 0;
    for at in 1.. {
        let mut tables = Tables::new::<8, 4>(4 * TREE, 3);
        let platform = Observed::new(Eadr, step as fn(Event));
        let zone: Few<'_, _> = Zone::create(4 * TREE, 3, tables.memory(), platform).unwrap();
        let [mut first, mut second] = [0, 1].map(|cpu| zone.local(cpu).unwrap());
        // One tree is free, and not where the two begin.
        let mut third = zone.local(2).unwrap();
        let others = [0, 1, 2].into_iter();
        let others =
            others.flat_map(|tree| (0..4).map(move |huge| FrameId(tree * TREE + huge * 512)));
        for frame in others.clone() {
            third.get_at(frame, Order::HUGE).unwrap();
        }
        let (mut movable, mut immovable) = (Vec::new(), Vec::new());
        let overtaken = overtake(
            at,
            || movable = fill(&mut first, Class::Movable, 1),
            || immovable = fill(&mut second, Class::Immovable, 1),
        );
        for frame in others {
            third.put(frame, Order::HUGE).unwrap();
        }
        drop(third);
        movable.extend(fill(&mut first, Class::Movable, TREE / 2));
        immovable.extend(fill(&mut second, Class::Immovable, TREE / 2));
        let fewer = (0..4).map(|tree| {
            let of_tree = |frames: &[FrameId]| {
                let here = frames.iter().filter(|frame| frame.0 / TREE == tree);
                here.count()
            };
            of_tree(&movable).min(of_tree(&immovable))
        });
        let most = fewer.max().unwrap();
        assert!(most <= ROW, "{most} frames, overtaken at {at}");
        shared += usize::from(most > 0);
        drop((first, second));
        assert_eq!(zone.validate(), Ok(()));
        if !overtaken {
            println!("{} places; at {shared}, two classes shared a tree", at - 1);
            assert!(at > 10 && shared > 0, "{at} {shared}");
            return;
        }
    }
}

#[test]
fn classes_compete_without_losing_anything() {
    const CPUS: usize = 4;
    let frames = 9 * TREE + 700;
    let mut tables = Tables::new::<8, 4>(frames, CPUS);
    let zone: Few<'_, _> = Zone::create(frames, CPUS, tables.memory(), Eadr).unwrap();
    let (oracle, start) = (Oracle::new(frames), Barrier::new(CPUS));
    thread::scope(|scope| {
        for cpu in 0..CPUS {
            let (zone, oracle, start) = (&zone, &oracle, &start);
            scope.spawn(move || {
                let mut local = zone.local(cpu).unwrap();
                let (mut random, mut held) = (Random(cpu as u64 + 1), Vec::new());
                start.wait();
                for _ in 0..20_000 {
                    let (class, order) = (Class::ALL[random.below(4)], random.order(10));
                    if random.below(20) < 11 {
                        if let Ok(frame) = local.get_as(order, class) {
                            assert!(oracle.claim(frame, order), "{frame:?} {order:?} twice");
                            held.push((frame, order));
                        }
                    } else if let Some((frame, order)) = random.pick(&mut held) {
                        oracle.release(frame, order);
                        local.put(frame, order).unwrap();
                    }
                }
                for (frame, order) in held {
                    oracle.release(frame, order);
                    local.put(frame, order).unwrap();
                }
            });
        }
    });
    oracle.compare(&zone);
    assert_eq!(zone.stats().free, frames);
    assert_eq!(zone.stats().trees, 10);
    assert!((0..10).all(|tree| zone.class_of(tree).is_none()));
}
