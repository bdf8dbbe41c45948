//! Frames out of service: what others see of them, who may take them there, and what
//! a restart makes of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use frame::{FrameId, Order};
use llfree::{GetError, HugeState, OfflineError, OnlineError, PutError, Recovering, Zone};
use persist::{Batched, Eadr, ModelledAdr, Volatile};

use crate::common::{Oracle, Random, Tables, order};

/// Two trees of four huge frames, the second one incomplete, as is its last huge frame.
const FRAMES: usize = 6 * 512 + 100;

fn with_zone(cpus: usize, test: impl FnOnce(&Zone<'_, Eadr, 8, 4>)) {
    let mut tables = Tables::new::<8, 4>(FRAMES, cpus);
    let zone = Zone::create(FRAMES, cpus, tables.memory(), Eadr).unwrap();
    test(&zone);
    assert_eq!(zone.validate(), Ok(()));
}

#[test]
fn a_huge_frame_that_is_offline_is_neither_free_nor_allocated() {
    with_zone(1, |zone| {
        zone.offline_huge(1).unwrap();
        let stats = zone.stats();
        assert_eq!((stats.free, stats.offline), (FRAMES - 512, 512));
        assert_eq!((stats.huge_free, stats.trees_free), (5, 0));
        assert_eq!(zone.huge_state(1), Some(HugeState::Offline));
        assert!(!zone.is_allocated(FrameId(512)) && !zone.is_free(FrameId(512), Order::FRAME));
        assert_eq!(zone.allocated().count(), 0);
        let mut local = zone.local(0).unwrap();
        let mut taken = 0;
        while let Ok(frame) = local.get(Order::FRAME) {
            assert!(!(512..1024).contains(&frame.0), "{frame} is offline");
            taken += 1;
        }
        assert_eq!(taken, FRAMES - 512);
        zone.online_huge(1).unwrap();
        assert_eq!((zone.stats().free, zone.stats().offline), (512, 0));
        assert_eq!(local.get(Order::HUGE), Ok(FrameId(512)));
    });
}

#[test]
fn what_is_offline_is_refused_by_cause() {
    with_zone(1, |zone| {
        let mut local = zone.local(0).unwrap();
        zone.offline_huge(1).unwrap();
        for exponent in 0..=9 {
            let frame = FrameId(512);
            let got = local.get_at(frame, order(exponent));
            assert_eq!(got, Err(GetError::Offline { frame }));
            let put = local.put(frame, order(exponent));
            assert_eq!(put, Err(PutError::Offline { frame }));
        }
        let frame = FrameId(512);
        let pair = local.get_at(FrameId(0), order(10));
        assert_eq!(pair, Err(GetError::Offline { frame }));
        assert_eq!(
            GetError::Offline { frame }.to_string(),
            PutError::Offline { frame }.to_string()
        );
        local.get_at(FrameId(0), Order::HUGE).unwrap();
        let pair = local.put(FrameId(0), order(10));
        assert_eq!(pair, Err(PutError::Offline { frame }));
        let already = OfflineError::AlreadyOffline { huge: 1 };
        assert_eq!(zone.offline_huge(1), Err(already));
        assert_eq!(already.to_string(), "huge frame 1 is offline already");
        let in_use = OfflineError::InUse {
            huge: 0,
            frames: 512,
        };
        assert_eq!(zone.offline_huge(0), Err(in_use));
        let none = OfflineError::NoHugeFrame {
            huge: 7,
            huge_frames: 7,
        };
        assert_eq!(zone.offline_huge(7), Err(none));
        let (tree, trees) = (2, 2);
        assert_eq!(
            zone.offline_tree(tree),
            Err(OfflineError::NoTree { tree, trees })
        );
        let beyond = |number, len| Err(OnlineError::OutOfRange { number, len });
        assert_eq!(zone.online_huge(7), beyond(7, 7));
        assert_eq!(zone.online_tree(usize::MAX), beyond(usize::MAX, 2));
        assert_eq!(
            zone.online_huge(2),
            Err(OnlineError::NotOffline { huge: 2 })
        );
        assert_eq!(
            zone.online_tree(1),
            Err(OnlineError::NotOffline { huge: 4 })
        );
    });
}

#[test]
fn giant_frames_keep_out_of_a_huge_frame_that_is_offline() {
    // A giant frame of two trees.
    let mut tables = Tables::new::<4, 2>(2 * 1024, 1);
    let zone: Zone<'_, _, 4, 2> = Zone::create(2 * 1024, 1, tables.memory(), Eadr).unwrap();
    let mut local = zone.local(0).unwrap();
    zone.offline_huge(2).unwrap();
    let (giant, frame) = (order(10), FrameId(512));
    assert_eq!(local.get(giant), Ok(FrameId(1024)));
    let offline = GetError::Offline { frame };
    assert_eq!(local.get_at(FrameId(0), giant), Err(offline));
    let offline = PutError::Offline { frame };
    assert_eq!(local.put(FrameId(0), giant), Err(offline));
    let in_use = OfflineError::InUse {
        huge: 5,
        frames: 256,
    };
    assert_eq!(zone.offline_huge(5), Err(in_use));
    assert_eq!(
        zone.allocated_in(FrameId(1500)..FrameId(2000))
            .collect::<Vec<_>>(),
        [(FrameId(1024), giant)]
    );
    zone.online_huge(2).unwrap();
    assert_eq!(local.get(giant), Ok(FrameId(0)));
    drop(local);
    assert_eq!(zone.validate(), Ok(()));
}

#[test]
fn a_tree_goes_offline_entirely_or_not_at_all() {
    with_zone(1, |zone| {
        let mut local = zone.local(0).unwrap();
        let last = FrameId(3 * 512 + 7);
        local.get_at(last, Order::FRAME).unwrap();
        let in_use = OfflineError::InUse { huge: 3, frames: 1 };
        assert_eq!(zone.offline_tree(0), Err(in_use));
        assert_eq!((zone.stats().free, zone.stats().offline), (FRAMES - 1, 0));
        // What was offline before is not undone.
        zone.offline_huge(1).unwrap();
        assert_eq!(zone.offline_tree(0), Err(in_use));
        assert_eq!(zone.stats().offline, 512);
        let listed: Vec<_> = zone.allocated_in(FrameId(0)..FrameId(2048)).collect();
        assert_eq!(listed, [(last, Order::FRAME)]);
        assert_eq!(zone.allocated_in(FrameId(0)..last).count(), 0);
        assert_eq!(zone.allocated_in(last..FrameId(0)).count(), 0);
        local.put(last, Order::FRAME).unwrap();
        local.drain();
        zone.offline_tree(0).unwrap();
        assert_eq!(zone.stats().offline, 2048);
        let already = OfflineError::AlreadyOffline { huge: 0 };
        assert_eq!(zone.offline_tree(0), Err(already));
        // The other one is incomplete.
        zone.offline_tree(1).unwrap();
        assert_eq!((zone.stats().free, zone.stats().offline), (0, FRAMES));
        assert_eq!(zone.validate(), Ok(()));
        let none = GetError::OutOfMemory {
            order: Order::FRAME,
        };
        assert_eq!(local.get(Order::FRAME), Err(none));
        zone.online_huge(6).unwrap();
        assert_eq!(local.get(order(6)), Ok(FrameId(3072)));
        zone.online_tree(0).unwrap();
        zone.online_tree(1).unwrap();
        assert_eq!((zone.stats().free, zone.stats().offline), (FRAMES - 64, 0));
    });
}

#[test]
fn frames_in_a_hand_keep_their_huge_frame_online_until_they_are_given_back() {
    with_zone(2, |zone| {
        let [mut one, two] = [0, 1].map(|cpu| zone.local(cpu).unwrap());
        let frame = one.get(Order::FRAME).unwrap();
        one.put(frame, Order::FRAME).unwrap();
        let held = zone.offline_huge(frame.0 / 512).unwrap_err();
        assert!(
            matches!(held, OfflineError::HeldElsewhere { frames: 64, .. }),
            "{held}"
        );
        // It was asked, and heeds that.
        let elsewhere = FrameId(6 * 512);
        one.get_at(elsewhere, Order::FRAME).unwrap();
        zone.offline_huge(frame.0 / 512).unwrap();
        drop((one, two));
    });
}

/// Also where frees are durable later: their bits may be set on the medium.
#[test]
fn recovery_keeps_offline_what_is() {
    for (share, dirty) in [(1, 0), (3, 0), (1, 0xff)] {
        let mut tables = Tables::new::<8, 4>(FRAMES, 2);
        {
            let zone: Zone<'_, _, 8, 4> =
                Zone::create(FRAMES, 2, tables.memory(), ModelledAdr).unwrap();
            let mut local = zone.local(0).unwrap();
            local.get_at(FrameId(2 * 512), Order::HUGE).unwrap();
            zone.offline_huge(1).unwrap();
            zone.offline_tree(1).unwrap();
        }
        tables.lower[64..128].fill(dirty);
        tables.upper.fill(0x33);
        let recovering: Recovering<'_, _, 8, 4> =
            Recovering::begin(FRAMES, 2, tables.memory(), Volatile).unwrap();
        for part in (0..share).chain(0..share) {
            recovering.part(part, share);
        }
        let (zone, found) = recovering.finish().unwrap();
        let offline = 512 + FRAMES - 2048;
        assert_eq!((found.offline, zone.stats().offline), (offline, offline));
        assert_eq!((found.free, zone.stats().free), (2 * 512, 2 * 512));
        assert_eq!(found.mended > 0, dirty != 0);
        assert_eq!(zone.validate(), Ok(()));
        assert_eq!(
            zone.allocated().collect::<Vec<_>>(),
            [(FrameId(2 * 512), Order::HUGE)]
        );
        zone.online_huge(1).unwrap();
        zone.online_tree(1).unwrap();
        assert_eq!(zone.stats().free, FRAMES - 512);
        assert_eq!(zone.validate(), Ok(()));
    }
}

/// Threads that allocate, and one that takes huge frames and trees in and out.
#[test]
fn nobody_is_ever_given_what_another_took_offline() {
    const CPUS: usize = 3;
    /// Huge frames and trees that have to be taken while others allocate, however late
    /// a busy machine lets a thread run.
    const WANTED: usize = 50;
    const AGAIN: usize = 500;
    let frames = 8 * 256 * 4 + 77;
    let mut tables = Tables::new::<4, 4>(frames, CPUS);
    let zone: Zone<'_, _, 4, 4> = Zone::create(frames, CPUS, tables.memory(), Eadr).unwrap();
    let oracle = Oracle::new(frames);
    let (running, taken) = (AtomicUsize::new(CPUS), AtomicUsize::new(0));
    let has_failed = AtomicBool::new(false);
    thread::scope(|scope| {
        for cpu in 0..CPUS {
            let (zone, oracle, running, taken) = (&zone, &oracle, &running, &taken);
            scope.spawn(move || {
                let rounds = (0..AGAIN).take_while(|&round| {
                    // The number is all that the threads tell each other.
                    round == 0 || taken.load(Ordering::Relaxed) <= WANTED
                });
                rounds.for_each(|_| allocate_and_free(zone, oracle, cpu, 20_000));
                running.fetch_sub(1, Ordering::Release);
            });
        }
        for seed in 0..2 {
            let (zone, oracle) = (&zone, &oracle);
            let (running, taken, has_failed) = (&running, &taken, &has_failed);
            scope.spawn(move || {
                let mut random = Random(77 + seed);
                while running.load(Ordering::Acquire) > 0 {
                    let huge = random.below(zone.huge_frames());
                    let tree = huge / 4;
                    if random.below(8) > 0 {
                        if zone.offline_huge(huge).is_ok() {
                            // What it has, nobody else has: as if it were allocated.
                            let (frame, order) = (FrameId(huge * 256), order(8));
                            if frame.0 + 256 <= frames {
                                has_failed.fetch_or(!oracle.claim(frame, order), Ordering::Relaxed);
                                oracle.release(frame, order);
                            }
                            taken.fetch_add(1, Ordering::Relaxed);
                            // Refused if the other one has put the tree online.
                            let _ = zone.online_huge(huge);
                        }
                    } else if zone.offline_tree(tree).is_ok() {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for tree in 0..zone.stats().trees {
        // Refused where nothing was left offline.
        let _ = zone.online_tree(tree);
    }
    let taken = taken.into_inner();
    println!("taken offline: {taken}");
    assert!(taken > WANTED, "{taken}");
    assert!(!has_failed.into_inner());
    assert_eq!(zone.stats().offline, 0);
    oracle.compare(&zone);
}

pub(crate) fn allocate_and_free(
    zone: &Zone<'_, Eadr, 4, 4>,
    oracle: &Oracle,
    cpu: usize,
    rounds: usize,
) {
    let mut random = Random(cpu as u64);
    let mut local = zone.local(cpu).unwrap();
    let mut held = Vec::new();
    for round in 0..rounds {
        let returns = held.len() > 4 || random.below(2) == 0;
        if returns && let Some((frame, order)) = random.pick(&mut held) {
            oracle.release(frame, order);
            local.put(frame, order).unwrap();
        } else {
            let wanted = random.order(9);
            if let Ok(frame) = local.get(wanted) {
                assert!(oracle.claim(frame, wanted), "{frame:?} has two owners");
                held.push((frame, wanted));
            }
        }
        if round % 8 == 0 {
            local.drain();
        }
    }
    for (frame, order) in held {
        oracle.release(frame, order);
        local.put(frame, order).unwrap();
    }
}

/// Found by the scenario `adr-batched-giants-and-offline`: a row was held, and returned
/// without a sync; its huge frame went offline, which is durable at once. The row's name
/// and bits may be on the medium nevertheless.
#[test]
fn rows_of_a_huge_frame_that_is_offline_are_not_in_doubt() {
    type Lazy = Batched<ModelledAdr>;
    let frames = 8 * 512;
    let mut tables = Tables::new::<8, 4>(frames, 1);
    let zone: Zone<'_, Lazy, 8, 4> =
        Zone::create(frames, 1, tables.memory(), Lazy::default()).unwrap();
    let mut local = zone.local(0).unwrap();
    let huge = local.get(Order::FRAME).unwrap().0 / 512;
    core::mem::forget(local);

    let mut image = tables.lower.clone();
    let recover = |image: &mut Tables| {
        let recovered = Zone::<'_, Lazy, 8, 4>::recover(frames, 1, image.memory(), Lazy::default());
        let (zone, found) = recovered.unwrap();
        assert_eq!(zone.validate(), Ok(()));
        (zone.uncertain().count(), found.offline, zone.stats().free)
    };
    assert_eq!(recover(&mut tables), (64, 0, frames - 64), "held: in doubt");
    let entry = frames / 512 * 64 + huge * 2;
    image[entry..entry + 2].copy_from_slice(&0x8005_u16.to_le_bytes());
    tables.lower = image;
    assert_eq!(recover(&mut tables), (0, 512, frames - 512));
}
