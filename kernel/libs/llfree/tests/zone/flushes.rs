//! How many lines each operation flushes and how often it fences, exactly, in each
//! mode.
//!
//! A missing flush loses data, a redundant one costs as much as the operation
//! itself. The table in `docs/persistence.md` is this one.

use std::cell::Cell;

use frame::{FrameId, Order};
use llfree::{Local, Zone};
use persist::{
    Batched, Eadr, Event, LINE_BYTES, LazyFree, ModelledAdr, Observed, Persist, Volatile,
};

use crate::common::{Tables, order};

const FRAMES: usize = 16 * 512;

/// Lines flushed and fences so far.
#[derive(Default)]
struct Count(Cell<(usize, usize)>);

impl Count {
    fn note(&self, event: Event) {
        let (lines, fences) = self.0.get();
        match event {
            Event::Flush { start, len_bytes } => {
                let first = start / LINE_BYTES;
                let end = (start + len_bytes).div_ceil(LINE_BYTES);
                self.0.set((lines + end - first, fences));
            }
            Event::Fence => self.0.set((lines, fences + 1)),
            Event::Access { .. } => {}
        }
    }

    /// Returns what `work` takes.
    fn of<R>(&self, work: impl FnOnce() -> R) -> (usize, usize) {
        self.0.set((0, 0));
        work();
        self.0.get()
    }
}

type Handle<'z, 'm, 's, P> = Local<'z, 'm, Observed<P, &'s dyn Fn(Event)>, 8, 2>;

/// Lets `check` use a zone, and count.
fn with_zone<P: Persist>(platform: P, check: impl FnOnce(&Count, &mut Handle<'_, '_, '_, P>)) {
    let count = Count::default();
    let sink = |event: Event| count.note(event);
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let observed = Observed::new(platform, &sink as &dyn Fn(Event));
    let zone = Zone::create(FRAMES, 1, tables.memory(), observed).unwrap();
    check(&count, &mut zone.local(0).unwrap());
}

/// What getting and putting one block of each order takes, and getting it again
/// where it was.
fn of_each_order<P: Persist>(platform: P, check: impl Fn(u8, [(usize, usize); 3])) {
    with_zone(platform, |count, local| {
        for exponent in 0..=10 {
            let order = order(exponent);
            let mut frame = FrameId(0);
            let get = count.of(|| frame = local.get(order).unwrap());
            let put = count.of(|| local.put(frame, order).unwrap());
            local.drain();
            let get_at = count.of(|| local.get_at(frame, order).unwrap());
            check(exponent, [get, put, get_at]);
        }
    });
}

#[test]
fn strict_operations_of_every_order_take_one_flush_and_one_fence() {
    of_each_order(ModelledAdr, |exponent, taken| {
        assert_eq!(taken, [(1, 1); 3], "order {exponent}");
    });
}

/// A giant frame takes what a single one does; its first part takes the rest: twice
/// the 16 lines of entries, the word twice, and the part itself, of which a small one
/// splits its huge frame too. Where frees wait, all its bitfields do, of which a handle
/// remembers 16: the others are written back at once, and waited for later.
#[test]
fn a_giant_frame_takes_one_flush_and_one_fence_too_and_its_first_part_the_rest() {
    fn check<P: Persist>(platform: P, [get, put, huge, single]: [(usize, usize); 4]) {
        let count = Count::default();
        let sink = |event: Event| count.note(event);
        let frames = 2 << 18;
        let mut tables = Tables::new::<8, 32>(frames, 1);
        let observed = Observed::new(platform, &sink as &dyn Fn(Event));
        let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), observed).unwrap();
        let mut local = zone.local(0).unwrap();
        let (one, two) = (FrameId(0), FrameId(1 << 18));
        assert_eq!(count.of(|| assert_eq!(local.get(order(18)), Ok(one))), get);
        assert_eq!(count.of(|| local.put(one, order(18)).unwrap()), put);
        local.sync();
        for giant in [one, two] {
            assert_eq!(count.of(|| local.get_at(giant, order(18)).unwrap()), get);
        }
        assert_eq!(count.of(|| local.put(one, order(9)).unwrap()), huge);
        let next = count.of(|| local.put(FrameId(1024), order(9)).unwrap());
        assert_eq!(next, get, "it is split already");
        let part = FrameId(two.0 + 3 * 512);
        assert_eq!(count.of(|| local.put(part, order(0)).unwrap()), single);
        local.get(order(18)).unwrap_err();
    }
    check(ModelledAdr, [(1, 1), (1, 1), (35, 5), (37, 7)]);
    let lazy = [(1, 1), (1 + 512 - 16, 1), (35, 5), (36, 6)];
    check(LazyFree(ModelledAdr), lazy);
    check(Batched(ModelledAdr), lazy);
    check(Eadr, [(0, 0); 4]);
    check(Volatile, [(0, 0); 4]);
}

#[test]
fn a_lazy_free_takes_nothing_unless_it_is_a_whole_huge_frame() {
    of_each_order(LazyFree(ModelledAdr), |exponent, taken| {
        let put = if exponent < 9 { (0, 0) } else { (1, 1) };
        assert_eq!(taken, [(1, 1), put, (1, 1)], "order {exponent}");
    });
}

#[test]
fn a_batched_get_of_less_than_a_row_takes_one_flush_more_for_the_name() {
    of_each_order(Batched(ModelledAdr), |exponent, taken| {
        let get = if exponent < 6 { (2, 1) } else { (1, 1) };
        let put = if exponent < 9 { (0, 0) } else { (1, 1) };
        assert_eq!(taken, [get, put, (1, 1)], "order {exponent}");
    });
}

#[test]
fn platforms_that_flush_nothing_flush_nothing_in_any_mode() {
    fn check<P: Persist>(platform: P) {
        of_each_order(platform, |exponent, taken| {
            assert_eq!(taken, [(0, 0); 3], "order {exponent}");
        });
    }
    check(Volatile);
    check(Eadr);
    check(LazyFree(Eadr));
    check(Batched(Eadr));
    check(Batched(Volatile));
}

#[test]
fn the_first_part_of_a_huge_frame_takes_two_more_and_the_next_one_none() {
    fn check<P: Persist>(platform: P, own: usize) {
        with_zone(platform, |count, local| {
            let huge = local.get(Order::HUGE).unwrap();
            let first = count.of(|| local.put(huge, order(8)).unwrap());
            assert_eq!(first, (2 + own, 2 + own));
            let rest = FrameId(huge.0 + 256);
            let second = count.of(|| local.put(rest, order(8)).unwrap());
            assert_eq!(second, (own, own));
        });
    }
    check(ModelledAdr, 1);
    check(LazyFree(ModelledAdr), 0);
    check(Batched(ModelledAdr), 0);
}

/// Frees that were late are made durable before recovery is to look at their bits:
/// all bitfields, one fence.
#[test]
fn going_offline_and_coming_back_take_one_flush_and_one_fence_also_for_a_tree() {
    fn check<P: Persist>(platform: P, once: (usize, usize), late: (usize, usize)) {
        let count = Count::default();
        let sink = |event: Event| count.note(event);
        let mut tables = Tables::new::<8, 32>(40 * 512, 1);
        let observed = Observed::new(platform, &sink as &dyn Fn(Event));
        let zone: Zone<'_, _> = Zone::create(40 * 512, 1, tables.memory(), observed).unwrap();
        let plus = |lines| (once.0 + lines * late.0, once.1 + late.1);
        assert_eq!(count.of(|| zone.offline_huge(1).unwrap()), once);
        assert_eq!(count.of(|| zone.online_huge(1).unwrap()), plus(1));
        assert_eq!(count.of(|| zone.offline_tree(0).unwrap()), once);
        assert_eq!(count.of(|| zone.online_tree(0).unwrap()), plus(32));
        zone.local(0)
            .unwrap()
            .get_at(FrameId(0), Order::HUGE)
            .unwrap();
        let failing = count.of(|| {
            zone.offline_huge(0).unwrap_err();
            zone.offline_tree(0).unwrap_err();
        });
        assert_eq!(failing, (0, 0));
    }
    check(ModelledAdr, (1, 1), (0, 0));
    check(LazyFree(ModelledAdr), (1, 1), (1, 1));
    check(Batched(ModelledAdr), (1, 1), (1, 1));
    check(Eadr, (0, 0), (0, 0));
}

#[test]
fn nothing_is_flushed_for_what_fails() {
    fn check<P: Persist>(platform: P) {
        with_zone(platform, |count, local| {
            while local.get(Order::HUGE).is_ok() {}
            let failing = count.of(|| {
                local.get(Order::FRAME).unwrap_err();
                local.get_at(FrameId(0), Order::FRAME).unwrap_err();
                local.put(FrameId(1), Order::HUGE).unwrap_err();
                local.sync();
                local.drain();
            });
            assert_eq!(failing, (0, 0));
        });
    }
    check(ModelledAdr);
    check(LazyFree(ModelledAdr));
    check(Batched(ModelledAdr));
}

#[test]
fn several_blocks_in_one_call_take_what_they_take_one_by_one() {
    fn check<P: Persist>(platform: P, get: (usize, usize), put: (usize, usize)) {
        with_zone(platform, |count, local| {
            let mut frames = [FrameId(0); 64];
            let taken = count.of(|| local.get_many(Order::FRAME, &mut frames).unwrap());
            let returned = count.of(|| local.put_many(Order::FRAME, &frames).unwrap());
            assert_eq!((taken, returned), (get, put));
        });
    }
    check(ModelledAdr, (64, 64), (64, 64));
    check(LazyFree(ModelledAdr), (64, 64), (0, 0));
    // A claim; and the frees into the row that was claimed, which is empty by then:
    // it is held all the same.
    check(Batched(ModelledAdr), (2, 1), (0, 0));
}

#[test]
fn draining_a_strict_handle_takes_nothing() {
    with_zone(ModelledAdr, |count, local| {
        let frame = local.get(Order::FRAME).unwrap();
        local.put(frame, Order::FRAME).unwrap();
        let ending = count.of(|| {
            local.sync();
            local.drain();
        });
        assert_eq!(ending, (0, 0));
    });
}

#[test]
fn a_sync_of_lazy_frees_takes_a_flush_for_each_bitfield_and_one_fence() {
    with_zone(LazyFree(ModelledAdr), |count, local| {
        for huge in [1, 5, 9] {
            for frame in 0..3 {
                let frame = FrameId(huge * 512 + frame * 70);
                local.get_at(frame, Order::FRAME).unwrap();
                local.put(frame, Order::FRAME).unwrap();
            }
        }
        assert_eq!(count.of(|| local.sync()), (3, 1));
        assert_eq!(count.of(|| local.sync()), (0, 0));
        let pair = local.get(order(10)).unwrap();
        local.put(pair, order(10)).unwrap();
        assert_eq!(count.of(|| local.drain()), (2, 1));
    });
}

#[test]
fn a_bitfield_that_loses_its_place_is_flushed_then_and_fenced_with_the_rest() {
    let frames = 40 * 512;
    let count = Count::default();
    let sink = |event: Event| count.note(event);
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let observed = Observed::new(LazyFree(ModelledAdr), &sink as &dyn Fn(Event));
    let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 1, tables.memory(), observed).unwrap();
    let mut local = zone.local(0).unwrap();
    let one_each = || (0..40).map(|huge| FrameId(huge * 512));
    for frame in one_each() {
        local.get_at(frame, Order::FRAME).unwrap();
    }
    let puts = count.of(|| one_each().for_each(|frame| local.put(frame, Order::FRAME).unwrap()));
    assert_eq!(puts, (24, 0), "there are sixteen places");
    assert_eq!(count.of(|| local.sync()), (16, 1));
}

#[test]
fn a_claim_takes_two_flushes_and_one_fence_for_64_frames() {
    with_zone(Batched(ModelledAdr), |count, local| {
        for _ in 0..4 {
            let mut get = || count.of(|| assert!(local.get(Order::FRAME).is_ok()));
            assert_eq!(get(), (2, 1));
            assert!((1..64).all(|_| get() == (0, 0)));
        }
    });
}

#[test]
fn gathered_frees_take_two_flushes_and_two_fences_a_row() {
    with_zone(Batched(ModelledAdr), |count, local| {
        let mut frames = [FrameId(0); 256];
        local.get_many(Order::FRAME, &mut frames).unwrap();
        let mut put = |at: usize| count.of(|| local.put(frames[at], Order::FRAME).unwrap());
        // By itself, then the second of the row: from now on its name is known.
        assert_eq!([put(0), put(1)], [(0, 0), (1, 1)]);
        assert!((2..64).all(|at| put(at) == (0, 0)));
        // The next row: this one goes back, that one is named.
        assert_eq!(put(64), (2, 2));
        assert!((65..128).all(|at| put(at) == (0, 0)));
        // The gathered row, and the bitfield of the first free. The front, which was
        // the last claim, is empty.
        assert_eq!(count.of(|| local.sync()), (2, 2));
        assert_eq!(count.of(|| local.sync()), (0, 0));
    });
}

#[test]
fn draining_a_held_row_takes_one_flush_and_one_fence() {
    with_zone(Batched(ModelledAdr), |count, local| {
        local.get(Order::FRAME).unwrap();
        assert_eq!(count.of(|| local.drain()), (1, 1));
        assert_eq!(count.of(|| local.drain()), (0, 0));
    });
}

#[test]
fn a_reservation_is_written_down_without_a_fence_and_published_with_one() {
    fn check<P: Persist>(platform: P) {
        with_zone(platform, |count, local| {
            let mut blocks = [FrameId(0); 256];
            count.0.take();
            let reservation = local.reserve(Order::FRAME, &mut blocks).unwrap();
            assert_eq!(count.0.take(), (8, 0), "two for each row of 64 frames");
            reservation.publish();
            let published = count.0.take();
            assert_eq!(published, (1 + 2, 1), "a bitfield, two lines of slots");
            let reservation = local.reserve(Order::FRAME, &mut blocks[..65]).unwrap();
            count.0.take();
            drop(reservation);
            let cancelled = count.0.take();
            assert_eq!(cancelled, (1 + 2, 1 + 2), "a line of slots, two rows");
        });
    }
    check(ModelledAdr);
    check(LazyFree(ModelledAdr));
    check(Batched(ModelledAdr));
}
