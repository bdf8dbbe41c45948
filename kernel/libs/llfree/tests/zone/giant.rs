//! Giant frames: 1 GiB as one block, by itself and among others.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use frame::{FrameId, Order};
use llfree::{GetError, HugeState, Local, PutError, Zone};
use persist::{Eadr, Event, ModelledAdr, Observed, Persist, Volatile};

use crate::common::{Oracle, Random, Tables, order};
use crate::interleavings::{overtake, step};

const GIB: usize = Order::GIANT.frames();
/// Three giant frames and a rest that is no multiple of anything.
const FRAMES: usize = 3 * GIB + 5000;

/// Runs `test` on a zone of the hardware's geometry.
fn with_zone(cpus: usize, test: impl FnOnce(&Zone<'_, Volatile>)) {
    let mut tables = Tables::new::<8, 32>(FRAMES, cpus);
    test(&Zone::create(FRAMES, cpus, tables.memory(), Volatile).unwrap());
}

#[test]
fn as_many_giant_frames_as_fit_are_handed_out_and_returned() {
    with_zone(1, |zone| {
        let mut local = zone.local(0).unwrap();
        assert_eq!((zone.giant_frames(), zone.stats().giant_free), (3, 3));
        let mut giants: Vec<_> = (0..3).map(|_| local.get(Order::GIANT).unwrap()).collect();
        giants.sort();
        assert_eq!(giants, [FrameId(0), FrameId(GIB), FrameId(2 * GIB)]);
        let none = GetError::OutOfMemory {
            order: Order::GIANT,
        };
        assert_eq!(local.get(Order::GIANT), Err(none));
        assert_eq!((zone.stats().free, zone.stats().giant_free), (5000, 0));
        assert_eq!(zone.huge_state(512), Some(HugeState::Giant));
        assert_eq!(zone.validate(), Ok(()));
        let listed: Vec<_> = zone.allocated().collect();
        assert_eq!(
            listed,
            giants
                .iter()
                .map(|&giant| (giant, Order::GIANT))
                .collect::<Vec<_>>()
        );
        for giant in giants {
            local.put(giant, Order::GIANT).unwrap();
        }
        drop(local);
        assert_eq!(
            (zone.stats().free, zone.stats().huge_free),
            (FRAMES, 3 * 512 + 9)
        );
        assert_eq!(zone.validate(), Ok(()));
    });
}

/// Blocks in parts of every size, the first of which splits the giant frame.
#[test]
fn parts_of_a_giant_frame_can_be_returned() {
    with_zone(1, |zone| {
        let mut local = zone.local(0).unwrap();
        for exponent in 0..=10 {
            let block = order(exponent);
            local.get_at(FrameId(GIB), Order::GIANT).unwrap();
            let part = FrameId(GIB + 77 * 1024);
            local.put(part, block).unwrap();
            assert_eq!(zone.stats().free, FRAMES - GIB + block.frames());
            assert!(zone.is_free(part, block) && !zone.is_free(FrameId(GIB), block));
            assert_eq!(zone.huge_state(512), Some(HugeState::Huge));
            let not_giant = PutError::NotGiant {
                frame: FrameId(GIB),
            };
            assert_eq!(local.put(FrameId(GIB), Order::GIANT), Err(not_giant));
            local.drain();
            assert_eq!(zone.validate(), Ok(()));
            local.get_at(part, block).unwrap();
            let rest: Vec<_> = zone.allocated().collect();
            for (frame, order) in rest {
                local.put(frame, order).unwrap();
            }
            local.drain();
            assert_eq!(zone.stats().giant_free, 3, "order {exponent}");
        }
    });
}

#[test]
fn wrong_orders_in_and_around_a_giant_frame_are_refused_by_cause() {
    with_zone(1, |zone| {
        let mut local = zone.local(0).unwrap();
        let first = FrameId(0);
        let free = PutError::NotAllocated { frame: first };
        assert_eq!(local.put(first, Order::GIANT), Err(free));
        let one = local.get(Order::FRAME).unwrap();
        assert_eq!(one, first);
        let in_parts = PutError::NotGiant { frame: first };
        assert_eq!(local.put(first, Order::GIANT), Err(in_parts));
        for (max, giant) in (11..18).map(|_| (order(10), Order::GIANT)) {
            let order = order(11);
            let refused = GetError::BadOrder { order, max, giant };
            assert_eq!(local.get(order), Err(refused));
            assert_eq!(
                refused.to_string(),
                "order 11: up to 10 is served, and 18, a giant frame"
            );
            let refused = PutError::BadOrder { order, max, giant };
            assert_eq!(local.put(first, order), Err(refused));
        }
        let (frame, order, frames) = (FrameId(3 * GIB), Order::GIANT, FRAMES);
        let beyond = GetError::OutOfRange {
            frame,
            order,
            frames,
        };
        assert_eq!(local.get_at(frame, order), Err(beyond));
        assert_eq!(
            local.get_at(FrameId(512), order),
            Err(GetError::Misaligned {
                frame: FrameId(512),
                order
            })
        );
        local.put(one, Order::FRAME).unwrap();
        local.drain();
        assert_eq!(zone.validate(), Ok(()));
    });
}

#[test]
fn a_zone_that_the_hardware_could_not_map_serves_no_giant_frame() {
    let mut tables = Tables::new::<8, 32>(FRAMES, 1);
    let zone: Zone<'_, _> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let zone = zone.with_alignment(order(17));
    let mut local = zone.local(0).unwrap();
    let (order, alignment) = (Order::GIANT, order(17));
    let refused = GetError::Unaligned { order, alignment };
    assert_eq!(local.get(order), Err(refused));
    assert_eq!(local.get_at(FrameId(0), order), Err(refused));
    assert!(local.get(Order::HUGE).is_ok());
}

/// What is missing may be in the own hand, and may be in another's.
#[test]
fn free_frames_in_a_hand_do_not_hide_a_giant_frame() {
    with_zone(2, |zone| {
        let [mut one, mut two] = [0, 1].map(|cpu| zone.local(cpu).unwrap());
        for giant in [0, 2 * GIB] {
            one.get_at(FrameId(giant), Order::GIANT).unwrap();
        }
        for exponent in 0..=10 {
            let block = one.get(order(exponent)).unwrap();
            one.put(block, order(exponent)).unwrap();
        }
        let giant = one.get(Order::GIANT).unwrap();
        one.put(giant, Order::GIANT).unwrap();
        let blocks = [0, 3, 9].map(|exponent| (two.get(order(exponent)).unwrap(), order(exponent)));
        for (block, order) in blocks {
            two.put(block, order).unwrap();
        }
        let held = one.get(Order::GIANT).unwrap_err();
        assert!(matches!(held, GetError::HeldElsewhere { .. }), "{held}");
        // It has been asked, and heeds that with its next call that is not answered
        // from a held row.
        let huge = two.get_at(FrameId(3 * GIB), Order::HUGE);
        huge.unwrap();
        assert_eq!(one.get(Order::GIANT), Ok(FrameId(GIB)));
        one.drain();
        two.drain();
        assert_eq!(zone.validate(), Ok(()));
    });
}

/// Threads that take, split and return whole and partial blocks of all orders.
#[test]
fn threads_never_share_a_frame_of_a_giant_frame() {
    let giants = AtomicUsize::new(0);
    stress::<4, 4>(4 * 2048 + 300, 3, 6_000, &giants);
    stress::<2, 2>(5 * 512 + 30, 4, 6_000, &giants);
    let giants = giants.into_inner();
    println!("giant frames taken: {giants}");
    assert!(giants > 100, "{giants}");
}

fn stress<const WORDS: usize, const TREE: usize>(
    frames: usize,
    cpus: usize,
    rounds: usize,
    giants: &AtomicUsize,
) {
    let mut tables = Tables::new::<WORDS, TREE>(frames, cpus);
    let zone = Zone::<'_, _, WORDS, TREE>::create(frames, cpus, tables.memory(), Eadr).unwrap();
    let oracle = Oracle::new(frames);
    let giant = Zone::<'_, Eadr, WORDS, TREE>::GIANT_ORDER;
    thread::scope(|scope| {
        for cpu in 0..cpus {
            let (zone, oracle) = (&zone, &oracle);
            scope.spawn(move || {
                let mut random = Random(cpu as u64);
                let mut local = zone.local(cpu).unwrap();
                let mut held: Vec<(FrameId, Order)> = Vec::new();
                for round in 0..rounds {
                    let returns = held.len() > 6 || random.below(2) == 0;
                    if returns && let Some((frame, whole)) = random.pick(&mut held) {
                        // A huge frame of a giant one, or half of anything else.
                        let is_part = whole.exponent() > 0 && random.below(3) > 0;
                        let part = order(whole.exponent() - u8::from(is_part));
                        let part = if whole == giant && is_part {
                            Zone::<'_, Eadr, WORDS, TREE>::MAX_ORDER
                        } else {
                            part
                        };
                        for start in (frame.0 + part.frames()..frame.0 + whole.frames())
                            .step_by(part.frames())
                        {
                            held.push((FrameId(start), part));
                        }
                        oracle.release(frame, part);
                        local.put(frame, part).unwrap();
                    } else {
                        let wanted = if round % 3 == 0 {
                            giant
                        } else {
                            random.order(9)
                        };
                        if let Ok(frame) = local.get(wanted) {
                            assert!(oracle.claim(frame, wanted), "{frame:?} has two owners");
                            giants.fetch_add(usize::from(wanted == giant), Ordering::Relaxed);
                            held.push((frame, wanted));
                        }
                        if round % 16 == 0 {
                            local.drain();
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
    oracle.compare(&zone);
}

/// Two trees of two huge frames: the smallest giant frame.
type Watched<'m, P> = Zone<'m, Observed<P, fn(Event)>, 4, 2>;
type Handle<'z, 'm, P> = Local<'z, 'm, Observed<P, fn(Event)>, 4, 2>;
type Act<P> = fn(&mut Actor<'_, '_, P>);

struct Actor<'z, 'm, P: Persist> {
    local: Handle<'z, 'm, P>,
    oracle: &'z Oracle,
}

impl<P: Persist> Actor<'_, '_, P> {
    fn get(&mut self, exponent: u8) {
        if let Ok(frame) = self.local.get(order(exponent)) {
            let alone = self.oracle.claim(frame, order(exponent));
            assert!(alone, "{frame:?} has two owners");
        }
    }

    fn put(&mut self, frame: usize, exponent: u8) {
        self.oracle.release(FrameId(frame), order(exponent));
        self.local.put(FrameId(frame), order(exponent)).unwrap();
    }
}

/// The order of a giant frame of this geometry.
const GIANT: u8 = 10;

/// Plays `second` before each access of `first` in turn, on one giant frame and a
/// bit more, after `before`; returns in how many ways.
fn all_ways<P: Persist + Copy + Sync>(
    platform: P,
    before: Act<P>,
    first: Act<P>,
    second: Act<P>,
) -> usize {
    let frames = 4 * 256 + 70;
    for at in 1.. {
        let mut tables = Tables::new::<4, 2>(frames, 2);
        let observed = Observed::new(platform, step as fn(Event));
        let zone: Watched<'_, P> = Zone::create(frames, 2, tables.memory(), observed).unwrap();
        let oracle = Oracle::new(frames);
        let oracle = &oracle;
        let mut actors = [0, 1].map(|cpu| Actor {
            local: zone.local(cpu).unwrap(),
            oracle,
        });
        before(&mut actors[0]);
        actors[0].local.drain();
        let [one, two] = &mut actors;
        let overtaken = overtake(at, || first(one), || second(two));
        drop(actors);
        oracle.compare(&zone);
        if !overtaken {
            return at;
        }
    }
    unreachable!("an operation ends")
}

fn cases<P: Persist>() -> Vec<(Act<P>, Act<P>, Act<P>)> {
    let nothing: Act<P> = |_| {};
    let giant: Act<P> = |all| all.get(GIANT);
    vec![
        (nothing, |a| a.get(GIANT), |b| b.get(GIANT)),
        (nothing, |a| a.get(GIANT), |b| b.get(0)),
        (nothing, |a| a.get(GIANT), |b| b.get(8)),
        (giant, |a| a.put(0, GIANT), |b| b.get(9)),
        (giant, |a| a.put(0, GIANT), |b| b.get(3)),
        (giant, |a| a.put(0, GIANT), |b| b.get(GIANT)),
        (giant, |a| a.put(0, 0), |b| b.put(1, 0)),
        (giant, |a| a.put(0, 8), |b| b.put(256, 8)),
        (giant, |a| a.put(0, 9), |b| b.put(512, 8)),
        (giant, |a| a.put(0, 9), |b| b.put(1023, 0)),
        (giant, |a| a.put(0, 7), |b| b.put(128, 7)),
        (
            |all| {
                all.get(GIANT);
                all.put(0, 9);
            },
            |a| a.put(512, 9),
            |b| b.get(GIANT),
        ),
        (
            giant,
            |a| {
                a.put(0, 9);
                a.put(512, 9);
                a.get(GIANT);
            },
            |b| b.get(GIANT),
        ),
    ]
}

fn play_all<P: Persist + Copy + Sync>(platform: P) -> usize {
    let ways = cases::<P>().into_iter().map(|(before, first, second)| {
        all_ways(platform, before, first, second) + all_ways(platform, before, second, first)
    });
    ways.sum()
}

#[test]
fn operations_on_one_giant_frame_overtake_each_other_without_harm() {
    let ways = [play_all(Eadr), play_all(ModelledAdr)];
    println!("giant frames: {ways:?} ways");
    assert!(ways.iter().all(|&ways| ways > 300), "{ways:?}");
}

/// The parts that one processor returns while another is in the middle of the split
/// don't wait for it.
#[test]
fn a_split_that_never_ends_keeps_nobody_waiting() {
    let frames = 4 * 256;
    let mut finished = 0;
    for at in 1..60 {
        let mut tables = Tables::new::<4, 2>(frames, 2);
        let left = AtomicUsize::new(usize::MAX);
        let stop = |event: Event| {
            if matches!(event, Event::Access { .. })
                && left.load(Ordering::Relaxed) != usize::MAX
                && left.fetch_sub(1, Ordering::Relaxed) == 1
            {
                left.store(usize::MAX, Ordering::Relaxed);
                std::panic::resume_unwind(Box::new("stopped for good"));
            }
        };
        let zone: Zone<'_, _, 4, 2> =
            Zone::create(frames, 2, tables.memory(), Observed::new(Eadr, stop)).unwrap();
        let [one, mut two] = [0, 1].map(|cpu| zone.local(cpu).unwrap());
        let mut one = ManuallyDrop::new(one);
        one.get(order(GIANT)).unwrap();
        left.store(at, Ordering::Relaxed);
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            one.put(FrameId(0), order(9)).unwrap();
        }));
        left.store(usize::MAX, Ordering::Relaxed);
        finished += usize::from(stopped.is_ok());
        two.put(FrameId(512), order(8)).unwrap();
        two.put(FrameId(768), order(8)).unwrap();
    }
    assert!(finished > 1 && finished < 50, "{finished}");
}
