//! How much work an operation is: atomic accesses, counted.
//!
//! Counts don't depend on the machine's mood. Time does, and is measured elsewhere.

use std::cell::Cell;

use frame::{FrameId, Order};
use llfree::{Claims, GetError, Zone};
use persist::{Access, Event, Observed, Volatile};

use crate::common::{Random, Tables, order};

/// Atomic accesses so far, and those of them to the upper structures.
#[derive(Default)]
struct Work {
    all: Cell<usize>,
    updates: Cell<usize>,
    misaligned: Cell<usize>,
}

impl Work {
    fn note(&self, event: Event) {
        if let Event::Access { access, address } = event {
            self.all.set(self.all.get() + 1);
            self.updates
                .set(self.updates.get() + usize::from(access == Access::Update));
            self.misaligned
                .set(self.misaligned.get() + usize::from(address % 8 != 0));
        }
    }
}

/// Returns the accesses a pair of put and get takes at this fill.
fn accesses_per_pair(frames: usize, percent: usize) -> usize {
    let work = Work::default();
    let mut tables = Tables::new::<8, 32>(frames, 1);
    let observed = Observed::new(Volatile, |event| work.note(event));
    let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), observed).unwrap();
    let mut local = zone.local(0).unwrap();
    let mut random = Random(7);
    let mut held: Vec<_> = std::iter::from_fn(|| local.get(Order::FRAME).ok()).collect();
    for _ in 0..frames * (100 - percent) / 100 {
        let frame = random.pick(&mut held).expect("not empty");
        local.put(frame, Order::FRAME).unwrap();
    }
    let before = work.all.get();
    let pairs = 20_000;
    for _ in 0..pairs {
        let frame = random.pick(&mut held).expect("not empty");
        local.put(frame, Order::FRAME).unwrap();
        held.push(local.get(Order::FRAME).unwrap());
    }
    assert_eq!(work.misaligned.get(), 0, "words are accessed whole");
    (work.all.get() - before) / pairs
}

/// Trap 8: near-full zones reserved and searched again every few gets.
#[test]
fn random_frees_and_gets_cost_no_more_in_a_larger_zone() {
    for percent in [50, 75, 90, 99] {
        let small = accesses_per_pair(1 << 18, percent);
        let large = accesses_per_pair(1 << 20, percent);
        println!("{percent} % full: {small} accesses at 1 GiB, {large} at 4 GiB");
        assert!(
            small <= 28 && large <= 28,
            "at {percent} %: {small} and {large}"
        );
    }
}

/// Trap 9: a get that had to fail searched everything, down to the entries. Here
/// the first one does, once; the next ones look at nothing but what other
/// processors might hold.
#[test]
fn a_second_get_that_must_fail_costs_the_same_in_a_zone_of_any_size() {
    for trees in [4, 64, 300] {
        let frames = trees * 32 * 512;
        let work = Work::default();
        let mut tables = Tables::new::<8, 32>(frames, 1);
        let observed = Observed::new(Volatile, |event| work.note(event));
        let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), observed).unwrap();
        let mut local = zone.local(0).unwrap();
        let cost = |local: &mut llfree::Local<'_, '_, _>, order: Order| {
            let (all, updates) = (work.all.get(), work.updates.get());
            assert_eq!(local.get(order), Err(GetError::OutOfMemory { order }));
            (work.all.get() - all, work.updates.get() - updates)
        };
        // Fragmented: every second frame is free.
        while local.get(Order::HUGE).is_ok() {}
        for frame in (0..frames).step_by(2).map(FrameId) {
            local.put(frame, Order::FRAME).unwrap();
        }
        local.drain();
        for exponent in (1..=10).rev() {
            let (first, _) = cost(&mut local, order(exponent));
            let (all, updates) = cost(&mut local, order(exponent));
            println!("{trees} trees, order {exponent}: {first} accesses, then {all}");
            assert!(all <= 13 && updates == 0, "{all}, {updates}");
        }
        while local.get(Order::FRAME).is_ok() {}
        for exponent in 0..=10 {
            cost(&mut local, order(exponent));
            let (all, updates) = cost(&mut local, order(exponent));
            assert!(all <= 13 && updates == 0, "full: {all}, {updates}");
        }
        // A single free is found at once, wherever it is.
        let freed = FrameId(frames - 3);
        local.put(freed, Order::FRAME).unwrap();
        assert_eq!(local.get(Order::FRAME), Ok(freed));
    }
}

/// Without claims, three locked operations, and two for whole huge frames.
#[test]
fn the_shared_tables_take_as_many_locked_operations_as_documented() {
    let frames = 64 * 512;
    let work = Work::default();
    let mut tables = Tables::new::<8, 32>(frames, 1);
    let observed = Observed::new(Volatile, |event| work.note(event));
    let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), observed).unwrap();
    let zone = zone.with_claims(Claims::Off);
    let mut local = zone.local(0).unwrap();
    // Neither the first block of a huge frame nor the first of a handle.
    local.get(Order::FRAME).unwrap();
    local.get(Order::HUGE).unwrap();
    for (exponent, expected) in [(0, 3), (3, 3), (6, 3), (7, 4), (8, 6), (9, 2), (10, 2)] {
        let order = order(exponent);
        let (frame, get) = loop {
            let (before, whole) = (work.updates.get(), zone.stats().huge_free);
            let frame = local.get(order).unwrap();
            let get = work.updates.get() - before;
            // Not the first block of a huge frame, nor one that took a search.
            if exponent >= 9 || (zone.stats().huge_free == whole && !frame.is_aligned(Order::HUGE))
            {
                break (frame, get);
            }
        };
        let before = work.updates.get();
        local.put(frame, order).unwrap();
        let put = work.updates.get() - before;
        println!("order {exponent}: get {get}, put {put} locked operations");
        assert_eq!(put, expected, "put of order {exponent}");
        assert_eq!(get, expected, "get of order {exponent}");
    }
}

/// With claims, none at all, but for three a row to take it and three to return it.
#[test]
fn held_rows_take_no_locked_operation() {
    let frames = 64 * 512;
    let work = Work::default();
    let mut tables = Tables::new::<8, 32>(frames, 1);
    let observed = Observed::new(Volatile, |event| work.note(event));
    let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), observed).unwrap();
    let mut local = zone.local(0).unwrap();
    let first = local.get(Order::FRAME).unwrap();
    let (all, updates) = (work.all.get(), work.updates.get());
    for _ in 0..1000 {
        let frame = local.get(Order::FRAME).unwrap();
        local.put(frame, Order::FRAME).unwrap();
    }
    assert_eq!(work.updates.get(), updates, "repeated");
    assert_eq!(work.all.get() - all, 1000 * (2 + 3), "loads and stores");

    let updates = work.updates.get();
    let blocks: Vec<_> = (0..4096)
        .map(|_| local.get(Order::FRAME).unwrap())
        .collect();
    let get = work.updates.get() - updates;
    let updates = work.updates.get();
    for frame in blocks {
        local.put(frame, Order::FRAME).unwrap();
    }
    let put = work.updates.get() - updates;
    println!("64 rows: {get} locked operations to take them, {put} to return them");
    assert!(get <= 64 * 3 + 8 && put <= 64 * 3 + 8, "{get} and {put}");
    local.put(first, Order::FRAME).unwrap();
}
