//! Recovery, from what quiet zones leave, from what a power failure under eADR
//! leaves in the middle of concurrent work, and from damage.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use frame::{FrameId, Order};
use llfree::{Fate, HugeState, Local, Recovery, Zone};
use persist::{Eadr, Event, Observed, Persist, Volatile};

use crate::common::{Oracle, Random, Tables, order};

/// What a thread panics with when the power fails.
struct PowerFailure;

/// Runs `work` until it ends or the power fails; true if it did.
fn until_power_fails(work: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(()) => false,
        Err(cause) if cause.is::<PowerFailure>() => true,
        Err(cause) => resume_unwind(cause),
    }
}

/// A processor's work as it would be found in its ledger after a crash.
#[derive(Default)]
struct Ledger {
    held: Vec<(FrameId, Order)>,
    /// Frames of the operation in flight: any part of them may be allocated.
    returning: Option<(FrameId, Order)>,
    taking: usize,
    done: usize,
}

impl Ledger {
    fn work<P: Persist, const WORDS: usize, const TREE: usize>(
        ledger: &RefCell<Self>,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        random: &mut Random,
        max: u8,
    ) {
        let returned = random.below(2) == 0;
        let block = if returned {
            random.pick(&mut ledger.borrow_mut().held)
        } else {
            None
        };
        if let Some((frame, mut order)) = block {
            if order.exponent() > 0 && random.below(3) == 0 {
                // The lower half only; the upper one stays owned whatever happens.
                order = crate::common::order(order.exponent() - 1);
                let upper = FrameId(frame.0 + order.frames());
                ledger.borrow_mut().held.push((upper, order));
            }
            ledger.borrow_mut().returning = Some((frame, order));
            local.put(frame, order).unwrap();
            ledger.borrow_mut().returning = None;
        } else {
            let order = random.order(max);
            ledger.borrow_mut().taking = order.frames();
            if let Ok(frame) = local.get(order) {
                ledger.borrow_mut().held.push((frame, order));
            }
            ledger.borrow_mut().taking = 0;
        }
        ledger.borrow_mut().done += 1;
    }
}

/// Lets threads work, cuts the power after `events` accesses, recovers and judges.
/// Returns operations done and what recovery found.
fn crash_while_working<const WORDS: usize, const TREE: usize>(
    frames: usize,
    cpus: usize,
    max: u8,
    events: usize,
) -> (usize, Recovery) {
    let mut tables = Tables::new::<WORDS, TREE>(frames, cpus);
    let count = AtomicUsize::new(0);
    let armed = AtomicBool::new(false);
    let cut = |_: Event| {
        let off = armed.load(Ordering::Relaxed) && count.fetch_add(1, Ordering::Relaxed) >= events;
        if off && !thread::panicking() {
            resume_unwind(Box::new(PowerFailure));
        }
    };
    let observed = Observed::new(Eadr, cut);
    let zone = Zone::<'_, _, WORDS, TREE>::create(frames, cpus, tables.memory(), observed);
    let zone = zone.unwrap();
    armed.store(true, Ordering::SeqCst);

    let ledgers: Vec<Ledger> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cpus)
            .map(|cpu| {
                let zone = &zone;
                scope.spawn(move || {
                    let ledger = RefCell::default();
                    let mut random = Random((events * 8 + cpu) as u64);
                    let failed = until_power_fails(|| {
                        // Nobody gives anything back once the power is off.
                        let mut local = ManuallyDrop::new(zone.local(cpu).unwrap());
                        loop {
                            Ledger::work(&ledger, &mut local, &mut random, max);
                        }
                    });
                    assert!(failed);
                    ledger.into_inner()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });

    let mut recover = |judged: &dyn Fn(&Zone<'_, Eadr, WORDS, TREE>)| {
        let recovered = Zone::recover(frames, cpus, tables.memory(), Eadr);
        let (zone, recovery) = recovered.unwrap();
        judged(&zone);
        recovery
    };
    let first = recover(&|zone| assert_eq!(zone.validate(), Ok(())));
    let second = recover(&|zone| judge(zone, frames, &ledgers));
    assert_eq!(
        (second.mended, second.split_in_flight, second.held),
        (0, 0, 0),
        "recovery is idempotent"
    );
    assert_eq!(
        (second.free, second.free_huge, second.uncertain),
        (first.free, first.free_huge, first.uncertain)
    );
    (ledgers.iter().map(|ledger| ledger.done).sum(), first)
}

/// No acknowledged frame is free, none has two owners, every free counts, and no
/// more leaked than was in flight.
fn judge<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    frames: usize,
    ledgers: &[Ledger],
) {
    assert_eq!(zone.validate(), Ok(()));
    let oracle = Oracle::new(frames);
    let mut in_flight = 0;
    for ledger in ledgers {
        for &(frame, order) in &ledger.held {
            assert!(
                oracle.claim(frame, order),
                "{frame:?} {order:?} has two owners"
            );
            for frame in frame.0..frame.0 + order.frames() {
                assert!(zone.is_allocated(FrameId(frame)), "{frame:#x} was lost");
            }
        }
        in_flight += ledger.taking + ledger.returning.map_or(0, |(_, order)| order.frames());
    }
    let allocated = frames - zone.stats().free;
    let uncertain = (zone.uncertain())
        .filter(|&frame| !oracle.owns(frame))
        .count();
    assert!(uncertain <= ledgers.len() * 64, "a row each");
    let leaked = allocated
        .checked_sub(oracle.owned() + uncertain)
        .expect("owned frames are allocated");
    assert!(
        leaked <= in_flight,
        "{leaked} frames leaked, {in_flight} were in flight"
    );
    // All that was acknowledged can be returned.
    let mut local = zone.local(0).unwrap();
    for &(frame, order) in ledgers.iter().flat_map(|ledger| &ledger.held) {
        local.put(frame, order).unwrap();
    }
    // What nobody owned is still uncertain, what was owned is no longer.
    assert_eq!(zone.uncertain().count(), uncertain);
    for frame in zone.uncertain().collect::<Vec<_>>() {
        zone.resolve(frame, Fate::Free).unwrap();
    }
    assert_eq!(zone.stats().free, frames - leaked);
    assert_eq!(zone.validate(), Ok(()));
}

#[test]
fn a_power_failure_in_the_middle_of_work_loses_nothing() {
    let (mut operations, mut mended, mut splits, mut crashes) = (0, 0, 0, 0);
    let (mut held, mut uncertain) = (0, 0);
    for round in 0..400 {
        let (done, found) = match round % 3 {
            0 => crash_while_working::<8, 2>(9 * 512 + 31, 3, 10, 500 + round * 97),
            1 => crash_while_working::<2, 2>(11 * 128 + 5, 4, 8, 50 + round * 13),
            _ => crash_while_working::<4, 4>(3 * 256, 2, 8, 20 + round * 7),
        };
        operations += done;
        mended += found.mended;
        splits += found.split_in_flight;
        held += found.held;
        uncertain += found.uncertain;
        crashes += 1;
    }
    println!(
        "{crashes} crashes, {operations} operations, {mended} entries mended, {splits} splits in flight"
    );
    println!("{held} frames held, {uncertain} uncertain");
    assert!(held > 1000, "the crashes hit held rows");
    assert!(
        operations > 100_000 && mended > 50,
        "the crashes hit operations"
    );
}

/// One processor, a crash before each of its accesses in turn: the in-flight
/// operation is there or not, or it is a part of a block of several words.
#[test]
fn a_crash_before_any_access_of_an_operation_is_recovered() {
    let (mut points, mut in_window) = (0, 0);
    for exponent in 0..=10 {
        for operation in ["get", "get anew", "put", "put a part", "drain"] {
            for at in 0.. {
                let (failed, uncertain) = crash_at(exponent, operation, at);
                if !failed {
                    break;
                }
                points += 1;
                in_window += usize::from(uncertain > 0);
            }
        }
    }
    println!("crash points: {points}, of which {in_window} leave uncertain frames");
    assert!(points > 100 && in_window >= 6);
}

/// Returns whether the operation took `at` accesses, and how many frames are
/// uncertain if it was cut off there.
fn crash_at(exponent: u8, operation: &str, at: usize) -> (bool, usize) {
    let frames = 4 * 512 + 70;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let left = AtomicUsize::new(usize::MAX);
    let cut = |_: Event| {
        if left.fetch_sub(1, Ordering::Relaxed) == 0 && !thread::panicking() {
            resume_unwind(Box::new(PowerFailure));
        }
    };
    let zone: Zone<'_, _, 8, 2> =
        Zone::create(frames, 1, tables.memory(), Observed::new(Eadr, cut)).unwrap();
    let order = order(exponent);
    let mut local = ManuallyDrop::new(zone.local(0).unwrap());
    let kept = local.get(Order::FRAME).unwrap();
    let block = operation
        .starts_with("put")
        .then(|| local.get(order).unwrap());
    if operation == "get anew" {
        local.drain();
    }
    let returned = match operation {
        "put a part" if exponent == 0 => return (false, 0),
        "put a part" => crate::common::order(exponent - 1),
        _ => order,
    };
    let failed = until_power_fails(|| {
        left.store(at, Ordering::Relaxed);
        match block {
            None if operation == "drain" => local.drain(),
            None => local.get(order).map(drop).unwrap(),
            Some(frame) => local.put(frame, returned).unwrap(),
        }
        left.store(usize::MAX, Ordering::Relaxed);
    });
    let (zone, found) = Zone::<'_, _, 8, 2>::recover(frames, 1, tables.memory(), Eadr).unwrap();
    assert_eq!(zone.validate(), Ok(()));
    assert!(zone.is_allocated(kept), "{operation} {order:?} at {at}");
    assert_eq!(found.unreadable, 0);
    let (before, after) = match operation {
        "get" | "get anew" => (0, order.frames()),
        "drain" => (0, 0),
        "put" => (order.frames(), 0),
        _ => (order.frames(), order.frames() - returned.frames()),
    };
    let allocated = frames - found.free - found.uncertain - 1;
    assert!(found.uncertain <= 64 && found.unlisted == 0);
    let all_or_nothing = !matches!(returned.exponent(), 7 | 8);
    let (least, most) = (before.min(after), before.max(after));
    if all_or_nothing {
        assert!(
            [least, most].contains(&allocated),
            "{operation} {order:?} at {at}: {allocated}"
        );
    } else {
        assert!(
            (least..=most).contains(&allocated),
            "{operation} {order:?} at {at}: {allocated}"
        );
    }
    (failed, found.uncertain)
}

/// Both had announced a claim, and one of them would have failed.
#[test]
fn frames_that_two_processors_were_about_to_take_are_listed_once() {
    let frames = 1024;
    let mut tables = Tables::new::<8, 2>(frames, 2);
    let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 2, tables.memory(), Eadr).unwrap();
    let mut local = zone.local(0).unwrap();
    local.get_at(FrameId(0), order(4)).unwrap();
    drop(local);
    // The slots are last, four lines; state 1 announces row 0.
    let slots = tables.lower.len() - 4 * 64;
    for (slot, mask) in [(0, 0x00ff_u64), (1, 0x0ff0)] {
        let record = &mut tables.lower[slots + slot * 64..][..16];
        record[..8].copy_from_slice(&1_u64.to_le_bytes());
        record[8..].copy_from_slice(&mask.to_le_bytes());
    }
    let (zone, found) = Zone::<'_, _, 8, 2>::recover(frames, 2, tables.memory(), Eadr).unwrap();
    let listed: Vec<_> = zone.uncertain().map(|frame| frame.0).collect();
    assert_eq!(listed, (0..12).collect::<Vec<_>>());
    assert_eq!(found.uncertain, 12);
    for frame in listed {
        zone.resolve(FrameId(frame), Fate::Free).unwrap();
    }
    assert_eq!(zone.stats().free, frames - 4);
    assert_eq!(zone.validate(), Ok(()));
}

/// Trap 6, the half that concerns tables: counts are not believed.
#[test]
fn counts_are_counted_and_not_believed() {
    let frames = 6 * 512;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let taken: Vec<_> = (0..700).map(|_| local.get(Order::FRAME).unwrap()).collect();
    drop(local);
    // Whatever the medium says about how many frames are free.
    let entries = frames / 512 * 64;
    let mut random = Random(3);
    for entry in 0..6 {
        let count = u16::try_from(random.below(513)).unwrap();
        tables.lower[entries + entry * 2..][..2].copy_from_slice(&count.to_le_bytes());
    }
    let (zone, found) = Zone::<'_, _, 8, 2>::recover(frames, 1, tables.memory(), Volatile).unwrap();
    assert_eq!(found.free, frames - taken.len());
    assert!(found.mended > 0);
    assert_eq!(zone.validate(), Ok(()));
}

/// Every value that an entry could have, over clear, mixed and full bits, inside
/// the zone and at its end: recovery ends, and frees nothing that it must keep.
#[test]
fn whatever_an_entry_says_recovery_ends_in_a_consistent_zone() {
    let frames = 2 * 512 + 300;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let entries = 3 * 64;
    let mut checked = 0;
    for bits in [0x00, 0x0f, 0xff] {
        for value in 0..=u16::MAX {
            tables.lower[..entries].fill(bits);
            tables.lower[entries..].fill(0);
            for entry in 0..4 {
                tables.lower[entries + entry * 2..][..2].copy_from_slice(&value.to_le_bytes());
            }
            let recovered = Zone::<'_, _, 8, 2>::recover(frames, 1, tables.memory(), Volatile);
            let (zone, found) = recovered.unwrap();
            assert_eq!(zone.validate(), Ok(()), "entry {value:#x}, bits {bits:#x}");
            // The last huge frame is incomplete: it can't be allocated as a whole.
            let unreadable = match value {
                0..=512 | 0x8001 | 0x8003 | 0x8005 => 0,
                0x8000 | 0x8002 => 1,
                _ => 3,
            };
            assert_eq!(found.unreadable, unreadable, "entry {value:#x}");
            if value > 512 && bits == 0 && !matches!(value, 0x8001 | 0x8003) {
                assert_eq!(
                    found.free, 0,
                    "entry {value:#x} may have been an allocation"
                );
                let state = if value == 0x8005 {
                    HugeState::Offline
                } else {
                    HugeState::Huge
                };
                assert_eq!(zone.huge_state(0), Some(state));
            }
            checked += 1;
        }
    }
    println!("entries: {checked}");
}

#[test]
fn a_whole_huge_frame_stays_allocated_and_can_still_be_split() {
    let frames = 4 * 512;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 1, tables.memory(), Volatile).unwrap();
    let huge = zone.local(0).unwrap().get(Order::HUGE).unwrap();
    let (zone, found) = Zone::<'_, _, 8, 2>::recover(frames, 1, tables.memory(), Volatile).unwrap();
    assert_eq!((found.free, found.free_huge, found.mended), (3 * 512, 3, 0));
    let mut local = zone.local(0).unwrap();
    local.put(FrameId(huge.0 + 64), order(6)).unwrap();
    assert_eq!(zone.stats().free, 3 * 512 + 64);
    assert_eq!(zone.validate(), Ok(()));
}

/// Positive control: the judge notices a frame that was acknowledged and is free.
#[test]
#[should_panic(expected = "was lost")]
fn the_judge_notices_a_lost_frame() {
    let mut tables = Tables::new::<8, 2>(1024, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(1024, 1, tables.memory(), Volatile).unwrap();
    let held = vec![(FrameId(5), Order::FRAME)];
    judge(
        &zone,
        1024,
        &[Ledger {
            held,
            ..Ledger::default()
        }],
    );
}

/// Positive control: the judge notices a frame that nobody owns.
#[test]
#[should_panic(expected = "1 frames leaked, 0 were in flight")]
fn the_judge_notices_a_leaked_frame() {
    let mut tables = Tables::new::<8, 2>(1024, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(1024, 1, tables.memory(), Volatile).unwrap();
    zone.local(0).unwrap().get(Order::FRAME).unwrap();
    judge(&zone, 1024, &[Ledger::default()]);
}
