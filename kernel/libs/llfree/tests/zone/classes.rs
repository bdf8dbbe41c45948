//! Classes of content: kept apart while there is room, and in nobody's way when there
//! is none.

use std::cell;
use std::collections::HashMap;

use frame::{FrameId, Order};
use llfree::{Claims, Class, GetError, Local, Occupied, Policy, Verdict, Zone, gives_way};
use persist::{Access, Eadr, Event, Observed, Persist, Volatile};

use crate::common::{Random, Tables};

/// Frames of a tree of four huge frames.
pub(crate) const TREE: usize = 4 * 512;
/// The most frames that a class gets of a tree that is another one's.
pub(crate) const ROW: usize = 64;

pub(crate) type Few<'m, P> = Zone<'m, P, 8, 4>;

/// Makes a zone of so many trees, with rows held and without.
pub(crate) fn with_zones(trees: usize, check: impl Fn(&Few<'_, Eadr>)) {
    with_policy(trees, gives_way, check);
}

fn with_policy(trees: usize, policy: Policy, check: impl Fn(&Few<'_, Eadr>)) {
    for claims in [Claims::On, Claims::Off] {
        let frames = trees * TREE;
        let mut tables = Tables::new::<8, 4>(frames, 2);
        let zone = Zone::create(frames, 2, tables.memory(), Eadr).unwrap();
        let zone = zone.with_claims(claims).with_policy(policy);
        check(&zone);
        assert_eq!(zone.validate(), Ok(()));
    }
}

/// Takes single frames of a class until there are so many.
pub(crate) fn fill<P: Persist>(
    local: &mut Local<'_, '_, P, 8, 4>,
    class: Class,
    frames: usize,
) -> Vec<FrameId> {
    let mut blocks = vec![FrameId(0); frames];
    local.get_many_as(Order::FRAME, class, &mut blocks).unwrap();
    blocks
}

/// Takes and returns blocks for content of all classes, as blocks of the class that
/// `ask` says, in a zone with room; returns how many trees had content of several
/// classes, of how many that had any.
fn mixed_trees(zone: &Few<'_, Eadr>, ask: impl Fn(Class) -> Class) -> (usize, usize) {
    let mut locals = [zone.local(0).unwrap(), zone.local(1).unwrap()];
    let (mut random, mut held) = (Random(11), Vec::new());
    let (mut mixed, mut used) = (0, 0);
    for _ in 0..3000 {
        let local = &mut locals[random.below(2)];
        // Half of the zone at most.
        if random.below(3) != 0 && zone.stats().free > zone.frames() / 2 {
            let (class, order) = (Class::ALL[random.below(4)], random.order(9));
            held.push((local.get_as(order, ask(class)).unwrap(), order, class));
        } else if let Some((frame, order, _)) = random.pick(&mut held) {
            local.put(frame, order).unwrap();
        }
        let mut of_trees: HashMap<usize, Vec<Class>> = HashMap::new();
        for &(frame, _, class) in &held {
            let classes = of_trees.entry(frame.0 / TREE).or_default();
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        mixed += of_trees
            .values()
            .filter(|classes| classes.len() > 1)
            .count();
        used += of_trees.len();
    }
    (mixed, used)
}

#[test]
fn trees_keep_one_class_while_there_is_room() {
    with_zones(48, |zone| {
        let (mixed, used) = mixed_trees(zone, |class| class);
        println!("{mixed} of {used} trees had content of several classes");
        assert!(used > 10_000);
        assert_eq!(mixed, 0);
    });
}

/// Positive control: the same content, and nobody says what it is.
#[test]
fn trees_of_those_who_name_no_class_are_mixed() {
    with_zones(48, |zone| {
        let (mixed, used) = mixed_trees(zone, |_| Class::default());
        println!("{mixed} of {used} trees had content of several classes");
        assert!(mixed > used / 4);
    });
}

/// Fills three quarters of a zone with what comes and goes, and some that stays; lets
/// all the former go. Returns the huge frames that are whole then, in percent.
fn whole_after_work(zone: &Few<'_, Eadr>, ask: impl Fn(Class) -> Class) -> usize {
    let mut local = zone.local(0).unwrap();
    let (mut random, mut movable, mut rest) = (Random(5), Vec::new(), Vec::new());
    for _ in 0..100_000 {
        // One in 64 stays.
        match random.below(64) {
            0 => {
                let class = [Class::Immovable, Class::LongLived][random.below(2)];
                rest.push(local.get_as(Order::FRAME, ask(class)).unwrap());
            }
            1..40 if zone.stats().free > zone.frames() / 4 => {
                movable.push(local.get_as(Order::FRAME, ask(Class::Movable)).unwrap());
            }
            _ => {
                if let Some(frame) = random.pick(&mut movable) {
                    local.put(frame, Order::FRAME).unwrap();
                }
            }
        }
    }
    assert!(rest.len() > 1000 && movable.len() > 5000);
    for frame in movable {
        local.put(frame, Order::FRAME).unwrap();
    }
    local.drain();
    let stats = zone.stats();
    assert_eq!(stats.free, stats.frames - rest.len());
    stats.huge_free * 100 / zone.huge_frames()
}

/// Of 64 huge frames, what stays needs three.
const WHOLE_ENOUGH: usize = 85;

#[test]
fn what_comes_and_goes_leaves_huge_frames_behind() {
    with_zones(16, |zone| {
        let whole = whole_after_work(zone, |class| class);
        println!("{whole} % of all huge frames are whole");
        assert!(whole >= WHOLE_ENOUGH, "{whole} %");
    });
}

/// Positive control: the bound is out of reach where nobody names a class.
#[test]
fn without_classes_what_stays_breaks_most_huge_frames() {
    with_zones(16, |zone| {
        let whole = whole_after_work(zone, |_| Class::default());
        println!("{whole} % of all huge frames are whole");
        assert!(whole < WHOLE_ENOUGH / 2, "{whole} %");
    });
}

#[test]
fn a_tree_has_the_class_of_the_first_who_takes_from_it_and_loses_it_with_the_last_block() {
    with_zones(6, |zone| {
        let mut local = zone.local(1).unwrap();
        for class in Class::ALL {
            let frame = local.get_as(Order::FRAME, class).unwrap();
            let huge = local.get_as(Order::HUGE, class).unwrap();
            for block in [frame, huge] {
                assert_eq!(zone.class_of(block.0 / TREE), Some(class));
            }
            // What it holds is in nobody's statistics of classes.
            local.drain();
            let stats = zone.class_stats(class);
            assert!(
                (1..=2).contains(&stats.trees) && stats.huge_free > 0,
                "{stats:?}"
            );
            local.put(frame, Order::FRAME).unwrap();
            local.put(huge, Order::HUGE).unwrap();
            local.drain();
            assert_eq!(zone.class_of(frame.0 / TREE), None);
            assert_eq!(zone.class_stats(class), Default::default());
        }
        // Nor does anybody remember.
        for class in Class::ALL {
            local.get_as(Order::FRAME, class).unwrap();
            assert_eq!(zone.class_stats(class).trees, 1);
        }
        assert_eq!(zone.class_of(6), None, "there is none");
    });
}

#[test]
fn opening_a_handle_changes_no_class() {
    let frames = 4 * TREE;
    let mut tables = Tables::new::<8, 4>(frames, 4);
    let zone: Few<'_, _> = Zone::create(frames, 4, tables.memory(), Eadr).unwrap();
    let mut local = zone.local(0).unwrap();
    for _ in 0..frames / 2 {
        local.get_as(Order::FRAME, Class::LongLived).unwrap();
    }
    local.drain();
    let classes = || (0..4).map(|tree| zone.class_of(tree)).collect::<Vec<_>>();
    let before = classes();
    let _others = [1, 2, 3].map(|cpu| zone.local(cpu).unwrap());
    assert_eq!(classes(), before);
}

#[test]
fn a_class_that_came_and_went_does_not_keep_its_tree() {
    with_zones(2, |zone| {
        let mut local = zone.local(0).unwrap();
        for _ in 0..TREE - 100 {
            local.get(Order::FRAME).unwrap();
        }
        let block = local
            .get_as(crate::common::order(8), Class::Movable)
            .unwrap();
        local.put(block, crate::common::order(8)).unwrap();
        for _ in 0..1000 {
            local.get(Order::FRAME).unwrap();
        }
        local.drain();
        assert_eq!(zone.class_stats(Class::Movable).trees, 0);
        assert_eq!(zone.class_stats(Class::Mixed).trees, 2);
    });
}

#[test]
fn what_stays_turns_a_movable_tree_into_its_own_and_goes_there_again() {
    with_zones(3, |zone| {
        let mut local = zone.local(0).unwrap();
        let movable = fill(&mut local, Class::Movable, 3 * TREE);
        // Most of the second tree is free, and some of the others.
        for frame in movable.into_iter().filter(|frame| {
            let part = if frame.0 / TREE == 1 { 3 } else { 5 };
            frame.0 % 8 < part
        }) {
            local.put(frame, Order::FRAME).unwrap();
        }
        local.drain();
        let demoted = fill(&mut local, Class::Immovable, 500);
        let tree = demoted[0].0 / TREE;
        assert!(demoted.iter().all(|frame| frame.0 / TREE == tree));
        assert_eq!(zone.class_of(tree), Some(Class::Immovable));
        assert_eq!(zone.class_stats(Class::Movable).trees, 2);
        // Movable blocks have room in their own trees.
        let others = fill(&mut local, Class::Movable, 500);
        assert!(others.iter().all(|frame| frame.0 / TREE != tree));
    });
}

#[test]
fn what_is_movable_takes_from_any_tree_without_changing_it() {
    with_zones(2, |zone| {
        let mut local = zone.local(0).unwrap();
        let stays = fill(&mut local, Class::LongLived, 2 * TREE);
        for &frame in stays.iter().filter(|frame| frame.0 % 2 == 0) {
            local.put(frame, Order::FRAME).unwrap();
        }
        local.drain();
        fill(&mut local, Class::Movable, TREE / 2);
        assert_eq!(zone.class_stats(Class::LongLived).trees, 2);
        assert_eq!(zone.class_stats(Class::Movable).trees, 0);
    });
}

/// Takes all that is left, with each class in turn; returns how much that was.
fn take_the_rest(zone: &Few<'_, Eadr>) -> usize {
    let mut local = zone.local(0).unwrap();
    let mut random = Random(3);
    // Fragmented by all classes, in all sizes.
    let mut held = Vec::new();
    loop {
        let (class, order) = (Class::ALL[random.below(4)], random.order(8));
        match local.get_as(order, class) {
            Ok(frame) => held.push((frame, order)),
            Err(_) => break,
        }
    }
    for (frame, order) in held.into_iter().filter(|(frame, _)| frame.0 % 3 != 0) {
        local.put(frame, order).unwrap();
    }
    let mut taken = 0;
    loop {
        // Each class in turn has to get the very last one.
        let class = Class::ALL[taken % 4];
        match local.get_as(Order::FRAME, class) {
            Ok(_) => taken += 1,
            Err(error) => {
                let order = Order::FRAME;
                assert_eq!(error, GetError::OutOfMemory { order });
                return taken;
            }
        }
    }
}

#[test]
fn no_class_is_out_of_memory_while_a_frame_is_free() {
    with_zones(5, |zone| {
        let taken = take_the_rest(zone);
        assert!(taken > TREE, "{taken}");
        assert_eq!(zone.stats().free, 0);
    });
}

/// Positive control: a policy that refuses is heard.
#[test]
fn a_policy_that_refuses_keeps_memory_out_of_reach() {
    const fn refuses(_: Class, _: Occupied) -> Verdict {
        Verdict::Refuse
    }
    with_policy(5, refuses, |zone| {
        take_the_rest(zone);
        assert!(zone.stats().free > 0);
    });
}

#[test]
fn a_policy_may_let_two_classes_share_their_trees() {
    const fn stays_together(asked: Class, tree: Occupied) -> Verdict {
        match (asked, tree.class) {
            (Class::Immovable, Class::LongLived) | (Class::LongLived, Class::Immovable) => {
                Verdict::Match
            }
            _ => gives_way(asked, tree),
        }
    }
    with_policy(4, stays_together, |zone| {
        let mut local = zone.local(0).unwrap();
        fill(&mut local, Class::Immovable, TREE / 2);
        // While a processor uses the tree, an unused one is better.
        local.drain();
        fill(&mut local, Class::LongLived, TREE / 4);
        assert_eq!(zone.class_stats(Class::Immovable).trees, 1);
        assert_eq!(zone.class_stats(Class::LongLived).trees, 0);
    });
}

#[test]
fn recovery_knows_of_no_class() {
    let mut tables = Tables::new::<8, 4>(4 * TREE, 1);
    let zone: Few<'_, _> = Zone::create(4 * TREE, 1, tables.memory(), Eadr).unwrap();
    let mut local = zone.local(0).unwrap();
    fill(&mut local, Class::LongLived, TREE + 1);
    assert_eq!(zone.class_stats(Class::LongLived).trees, 2);
    std::mem::forget(local);
    let (zone, _) = Few::recover(4 * TREE, 1, tables.memory(), Eadr).unwrap();
    assert_eq!(zone.class_stats(Class::LongLived).trees, 0);
    assert_eq!(zone.class_stats(Class::Mixed).trees, 2);
    // What is found is stolen from last.
    let mut local = zone.local(0).unwrap();
    let frame = local.get_as(Order::FRAME, Class::LongLived).unwrap();
    assert_eq!(zone.class_of(frame.0 / TREE), Some(Class::LongLived));
    assert_eq!(zone.class_stats(Class::Mixed).trees, 2);
}

/// Atomic accesses, and locked ones, of a thousand pairs of get and put, with the
/// classes in turn.
fn work_of_pairs(classes: &[Class], keep: usize) -> (usize, usize) {
    let (all, locked) = (cell::Cell::new(0), cell::Cell::new(0));
    let count = |event| {
        if let Event::Access { access, .. } = event {
            all.set(all.get() + 1);
            locked.set(locked.get() + usize::from(access == Access::Update));
        }
    };
    let mut tables = Tables::new::<8, 4>(16 * TREE, 1);
    let observed = Observed::new(Volatile, count);
    let zone: Few<'_, _> = Zone::create(16 * TREE, 1, tables.memory(), observed).unwrap();
    let mut local = zone.local(0).unwrap();
    let pair = |local: &mut Local<'_, '_, _, 8, 4>, class| {
        let frame = local.get_as(Order::FRAME, class).unwrap();
        local.put(frame, Order::FRAME).unwrap();
    };
    for &class in classes.iter().cycle().take(keep) {
        pair(&mut local, class);
    }
    let before = (all.get(), locked.get());
    for &class in classes.iter().cycle().take(1000) {
        pair(&mut local, class);
    }
    (all.get() - before.0, locked.get() - before.1)
}

#[test]
fn a_class_costs_what_none_costs_and_changing_it_no_more_than_the_shared_tables() {
    for class in Class::ALL {
        assert_eq!(
            work_of_pairs(&[class], 20),
            (1000 * (2 + 3), 0),
            "{class:?}"
        );
    }
    for number in 2..=4 {
        let (all, locked) = work_of_pairs(&Class::ALL[..number], 20);
        println!("{number} in turn: {all} accesses, {locked} of them locked, for 1000 pairs");
        // A get of the shared tables and a put there are three locked accesses each.
        assert!(locked <= 1000 * 6, "{locked}");
    }
}
