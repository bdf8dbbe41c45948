//! How many flushes and fences each operation takes, exactly.
//!
//! A missing one loses data, a redundant one costs as much as the operation
//! itself. Where caches are flushed by the platform, none is made.

use std::cell::Cell;

use frame::FrameId;
use llfree::{Local, Zone};
use persist::{Eadr, Event, ModelledAdr, Observed, Persist};

use crate::common::{Tables, order};

const FRAMES: usize = 16 * 512;

/// Flushes and fences so far.
#[derive(Default)]
struct Count(Cell<(usize, usize)>);

impl Count {
    fn note(&self, event: Event) {
        let (flushes, fences) = self.0.get();
        match event {
            Event::Flush { .. } => self.0.set((flushes + 1, fences)),
            Event::Fence => self.0.set((flushes, fences + 1)),
            Event::Access { .. } => {}
        }
    }

    /// Returns what `work` takes.
    fn of(&self, work: impl FnOnce()) -> (usize, usize) {
        self.0.set((0, 0));
        work();
        self.0.get()
    }
}

/// Lets `check` use a zone, and count.
fn with_zone<P: Persist>(
    platform: P,
    check: impl FnOnce(&Count, &mut Local<'_, '_, Observed<P, &dyn Fn(Event)>, 8, 2>),
) {
    let count = Count::default();
    let sink = |event: Event| count.note(event);
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let observed = Observed::new(platform, &sink as &dyn Fn(Event));
    let zone = Zone::create(FRAMES, 1, tables.memory(), observed).unwrap();
    check(&count, &mut zone.local(0).unwrap());
}

#[test]
fn every_operation_takes_one_flush_and_one_fence_in_the_weaker_domain() {
    with_zone(ModelledAdr, |count, local| {
        for exponent in 0..=10 {
            let mut frame = FrameId(0);
            let get = count.of(|| frame = local.get(order(exponent)).unwrap());
            let put = count.of(|| local.put(frame, order(exponent)).unwrap());
            assert_eq!((get, put), ((1, 1), (1, 1)), "order {exponent}");
            let get_at = count.of(|| local.get_at(frame, order(exponent)).unwrap());
            assert_eq!(get_at, (1, 1), "order {exponent}");
        }
    });
}

#[test]
fn the_first_part_of_a_huge_frame_takes_three_and_the_next_one_takes_one() {
    with_zone(ModelledAdr, |count, local| {
        let huge = local.get(order(9)).unwrap();
        assert_eq!(count.of(|| local.put(huge, order(8)).unwrap()), (3, 3));
        let rest = FrameId(huge.0 + 256);
        assert_eq!(count.of(|| local.put(rest, order(8)).unwrap()), (1, 1));
    });
}

#[test]
fn nothing_is_flushed_for_what_fails() {
    with_zone(ModelledAdr, |count, local| {
        while local.get(order(9)).is_ok() {}
        let failing = count.of(|| {
            local.get(order(0)).unwrap_err();
            local.get_at(FrameId(0), order(0)).unwrap_err();
            local.put(FrameId(1), order(9)).unwrap_err();
        });
        assert_eq!(failing, (0, 0));
    });
}

#[test]
fn flushed_caches_need_no_instruction() {
    with_zone(Eadr, |count, local| {
        for exponent in 0..=10 {
            let all = count.of(|| {
                let frame = local.get(order(exponent)).unwrap();
                local.put(frame, order(exponent)).unwrap();
            });
            assert_eq!(all, (0, 0), "order {exponent}");
        }
    });
}
