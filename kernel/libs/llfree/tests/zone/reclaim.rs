//! Huge frames that a hypervisor takes, empties and returns, while the guest allocates.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use frame::{FrameId, Order};
use llfree::{Backing, HugeState, Reclaim, ReclaimError, ReturnError, Zone};
use persist::{Eadr, Volatile};

use crate::common::{Bytes, Oracle, Random, Tables, order};

/// Six huge frames and a bit.
const FRAMES: usize = 6 * 512 + 100;

fn with_reclaim(
    backing: Backing,
    test: impl FnOnce(&Zone<'_, Volatile, 8, 4>, &Reclaim<'_, '_, Volatile, 8, 4>),
) {
    let mut tables = Tables::new::<8, 4>(FRAMES, 1);
    let zone = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut bits = Bytes::filled(Reclaim::bytes_for(&zone), 0x77);
    test(&zone, &Reclaim::new(&zone, &mut bits, backing).unwrap());
    assert_eq!(zone.validate(), Ok(()));
}

#[test]
fn what_is_hard_reclaimed_is_out_of_the_guests_hands_until_it_returns() {
    with_reclaim(Backing::Installed, |zone, reclaim| {
        let mut local = zone.local(0).unwrap();
        local.get_at(FrameId(512), Order::FRAME).unwrap();
        let taken = [512, 512, 5 * 512].map(|start| reclaim.reclaim_hard(FrameId(start)));
        assert_eq!(taken, [1024, 1536, 2560].map(|frame| Some(FrameId(frame))));
        assert_eq!(zone.stats().offline, 3 * 512);
        assert_eq!(zone.stats().free, FRAMES - 3 * 512 - 1);
        // The incomplete one is no huge frame.
        let rest = std::iter::from_fn(|| reclaim.reclaim_hard(FrameId(usize::MAX)));
        assert_eq!(rest.collect::<Vec<_>>(), [FrameId(0), FrameId(2048)]);
        assert!(local.get(Order::HUGE).is_err());

        reclaim.return_hard(FrameId(1024)).unwrap();
        assert!(reclaim.is_evicted(FrameId(1030)) && !reclaim.is_hard(FrameId(1030)));
        assert_eq!(local.get(Order::HUGE), Ok(FrameId(1024)));
        let mut asked = Vec::new();
        let installed = reclaim.install(FrameId(1024), Order::HUGE, |frame| asked.push(frame));
        assert_eq!((installed, asked), (1, vec![FrameId(1024)]));
        assert!(!reclaim.is_evicted(FrameId(1024)));
        let again = reclaim.install(FrameId(1024), Order::HUGE, |_| panic!("it is there"));
        assert_eq!(again, 0);
    });
}

#[test]
fn only_what_is_hard_reclaimed_can_be_returned_and_once() {
    with_reclaim(Backing::Installed, |zone, reclaim| {
        for frame in [0, 1, 512, FRAMES, usize::MAX].map(FrameId) {
            let refused = ReturnError::NotReclaimed { frame };
            assert_eq!(reclaim.return_hard(frame), Err(refused));
        }
        // Offline for another reason.
        zone.offline_huge(0).unwrap();
        let frame = FrameId(0);
        let refused = Err(ReturnError::NotReclaimed { frame });
        assert_eq!(reclaim.return_hard(frame), refused);
        let frame = reclaim.reclaim_hard(frame).unwrap();
        let inside = FrameId(frame.0 + 1);
        assert!(reclaim.return_hard(inside).is_err());
        assert_eq!(reclaim.return_hard(frame), Ok(()));
        assert!(reclaim.return_hard(frame).is_err());
        // The guest was faster.
        let frame = reclaim.reclaim_hard(frame).unwrap();
        zone.online_huge(frame.0 / 512).unwrap();
        let online = ReturnError::Online { frame };
        assert_eq!(reclaim.return_hard(frame), Err(online));
        assert!(reclaim.is_evicted(frame));
    });
}

#[test]
fn what_is_soft_reclaimed_is_free_and_says_that_it_needs_backing() {
    with_reclaim(Backing::Installed, |zone, reclaim| {
        for huge in 0..6 {
            let taken = reclaim.reclaim_soft(FrameId(0), |frame| {
                assert_eq!(zone.huge_state(frame.0 / 512), Some(HugeState::Offline));
            });
            assert_eq!(taken, Some(FrameId(huge * 512)));
        }
        assert_eq!(reclaim.reclaim_soft(FrameId(0), |_| panic!("twice")), None);
        assert_eq!((zone.stats().free, zone.stats().offline), (FRAMES, 0));
        let mut local = zone.local(0).unwrap();
        let pair = local.get(order(10)).unwrap();
        assert_eq!(reclaim.install(pair, order(10), |_| {}), 2);
        let row = local.get(order(3)).unwrap();
        assert_eq!(reclaim.install(row, order(3), |_| {}), 1);
        let frame = local.get_at(FrameId(row.0 + 100), Order::FRAME);
        frame.unwrap();
        assert_eq!(
            reclaim.install(FrameId(row.0 + 100), Order::FRAME, |_| {}),
            0
        );
    });
}

#[test]
fn a_guest_may_begin_with_nothing() {
    with_reclaim(Backing::Evicted, |_, reclaim| {
        assert!(reclaim.is_evicted(FrameId(FRAMES - 1)));
        assert!(!reclaim.is_evicted(FrameId(7 * 512)));
        assert_eq!(reclaim.reclaim_soft(FrameId(0), |_| ()), None);
        assert_eq!(reclaim.install(FrameId(6 * 512), order(10), |_| {}), 1);
        assert_eq!(reclaim.reclaim_hard(FrameId(0)), Some(FrameId(0)));
    });
}

#[test]
fn bits_that_do_not_fit_are_refused() {
    let mut tables = Tables::new::<8, 4>(FRAMES, 1);
    let zone: Zone<'_, _, 8, 4> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut bits = Bytes::filled(32, 0);
    let (needed, given) = (16, 15);
    let short = Reclaim::new(&zone, &mut bits[..15], Backing::Installed).err();
    assert_eq!(short, Some(ReclaimError::TooShort { needed, given }));
    let address = bits.as_ptr().addr() + 4;
    let odd = Reclaim::new(&zone, &mut bits[4..], Backing::Installed).err();
    assert_eq!(odd, Some(ReclaimError::Misaligned { address }));
}

/// A host that evicts and returns at random, and guests that check the backing of each
/// block as long as they have it.
fn race(install_first: bool) -> (usize, usize) {
    const GUESTS: usize = 3;
    let frames = 16 * 256 + 77;
    let mut tables = Tables::new::<4, 4>(frames, GUESTS);
    let zone: Zone<'_, _, 4, 4> = Zone::create(frames, GUESTS, tables.memory(), Eadr).unwrap();
    let mut bits = Bytes::filled(Reclaim::bytes_for(&zone), 0);
    let reclaim = Reclaim::new(&zone, &mut bits, Backing::Installed).unwrap();
    let backed: Vec<_> = (0..17).map(|_| AtomicBool::new(true)).collect();
    let set = |frame: FrameId, is: bool| backed[frame.0 / 256].store(is, Ordering::Release);
    let is_backed = |frame: FrameId| backed[frame.0 / 256].load(Ordering::Acquire);
    let (running, reclaimed) = (AtomicUsize::new(GUESTS), AtomicUsize::new(0));
    let missing = AtomicUsize::new(0);
    let oracle = Oracle::new(frames);
    thread::scope(|scope| {
        for cpu in 0..GUESTS {
            let (zone, reclaim, oracle) = (&zone, &reclaim, &oracle);
            let (running, missing, reclaimed) = (&running, &missing, &reclaimed);
            scope.spawn(move || {
                let mut random = Random(cpu as u64);
                let mut local = zone.local(cpu).unwrap();
                let mut held: Vec<(FrameId, Order)> = Vec::new();
                for round in 0..3_000_000 {
                    // Until the host has had its turns, however late it began.
                    if round > 15_000 && reclaimed.load(Ordering::Relaxed) > 200 {
                        break;
                    }
                    for &(frame, _) in &held {
                        missing.fetch_add(usize::from(!is_backed(frame)), Ordering::Relaxed);
                    }
                    let wanted = random.order(9);
                    if held.len() > 3 || round % 2 == 0 {
                        if let Some((frame, order)) = random.pick(&mut held) {
                            oracle.release(frame, order);
                            local.put(frame, order).unwrap();
                            local.drain();
                        }
                    } else if let Ok(frame) = local.get(wanted) {
                        assert!(oracle.claim(frame, wanted), "{frame:?} has two owners");
                        if install_first {
                            reclaim.install(frame, wanted, |frame| set(frame, true));
                        }
                        held.push((frame, wanted));
                    }
                }
                for (frame, order) in held {
                    oracle.release(frame, order);
                    local.put(frame, order).unwrap();
                }
                drop(local);
                running.fetch_sub(1, Ordering::Release);
            });
        }
        scope.spawn(|| {
            let mut random = Random(99);
            let mut hard = Vec::new();
            while running.load(Ordering::Acquire) > 0 {
                let start = FrameId(random.below(frames));
                if random.below(2) == 0 {
                    let soft = reclaim.reclaim_soft(start, |frame| set(frame, false));
                    reclaimed.fetch_add(usize::from(soft.is_some()), Ordering::Relaxed);
                } else if hard.len() < 4
                    && let Some(frame) = reclaim.reclaim_hard(start)
                {
                    set(frame, false);
                    hard.push(frame);
                } else if let Some(frame) = random.pick(&mut hard) {
                    reclaim.return_hard(frame).unwrap();
                }
            }
            for frame in hard {
                reclaim.return_hard(frame).unwrap();
            }
        });
    });
    oracle.compare(&zone);
    (missing.into_inner(), reclaimed.into_inner())
}

#[test]
fn a_guest_that_asks_first_never_uses_what_has_no_backing() {
    let (missing, reclaimed) = race(true);
    println!("soft reclaims: {reclaimed}");
    assert_eq!(missing, 0);
    assert!(reclaimed > 50, "{reclaimed}");
}

/// Positive control.
#[test]
fn a_guest_that_does_not_ask_is_caught() {
    assert!(race(false).0 > 0);
}
