//! Blocks that are reserved first and published later.

use frame::{FrameId, Order};
use llfree::{GetError, ReserveError, Zone};
use persist::{Eadr, LazyFree, ModelledAdr, Persist, Volatile};

use crate::common::{Oracle, Tables, order};

const FRAMES: usize = 16 * 512 + 40;

fn with_zone<P: Persist>(platform: P, check: impl FnOnce(&Zone<'_, P, 8, 2>)) {
    let mut tables = Tables::new::<8, 2>(FRAMES, 2);
    check(&Zone::create(FRAMES, 2, tables.memory(), platform).unwrap());
}

#[test]
fn published_blocks_are_the_callers_and_can_be_returned() {
    fn check<P: Persist>(platform: P, cpu: usize) {
        with_zone(platform, |zone| {
            let mut local = zone.local(cpu).unwrap();
            let oracle = Oracle::new(FRAMES);
            for exponent in 0..=6 {
                let order = order(exponent);
                let mut blocks = vec![FrameId(0); 300 >> exponent];
                let reservation = local.reserve(order, &mut blocks).unwrap();
                let published = reservation.publish();
                let mut published = published.iter();
                assert!(published.all(|&block| oracle.claim(block, order)));
                local.drain();
                oracle.compare(zone);
                if exponent % 2 == 0 {
                    local.put_many(order, &blocks).unwrap();
                    let returned = blocks.iter();
                    returned.for_each(|&block| oracle.release(block, order));
                }
            }
        });
    }
    check(ModelledAdr, 0);
    check(LazyFree(ModelledAdr), 0);
    check(Volatile, 0);
    // No room to write reservations down.
    check(ModelledAdr, 1);
}

#[test]
fn blocks_that_are_not_published_are_free_again() {
    fn check<P: Persist>(platform: P, cpu: usize) {
        with_zone(platform, |zone| {
            let mut local = zone.local(cpu).unwrap();
            let mut blocks = [FrameId(0); 100];
            let reservation = local.reserve(order(1), &mut blocks).unwrap();
            assert_eq!(reservation.blocks().len(), 100);
            let reserved = reservation.blocks()[99];
            assert!(zone.is_allocated(reserved));
            drop(reservation);
            local.drain();
            assert!(zone.is_free(reserved, order(1)));
            assert_eq!(zone.stats().free, FRAMES);
            assert_eq!(zone.validate(), Ok(()));
        });
    }
    check(ModelledAdr, 0);
    check(ModelledAdr, 1);
    check(Eadr, 0);
}

#[test]
fn a_reservation_that_can_not_be_had_reserves_nothing() {
    with_zone(ModelledAdr, |zone| {
        let mut local = zone.local(0).unwrap();
        let order = order(7);
        let too_large = local.reserve(order, &mut [FrameId(0)]).err();
        assert_eq!(too_large, Some(ReserveError::TooLarge { order }));
        let too_many = local.reserve(Order::FRAME, &mut [FrameId(0); 1000]).err();
        assert_eq!(too_many, Some(ReserveError::TooMany { done: 512 }));
        assert_eq!(zone.stats().free, FRAMES);
        while local.get(Order::HUGE).is_ok() {}
        let order = Order::FRAME;
        let refused = local.reserve(order, &mut [FrameId(0); 41]).err();
        let cause = GetError::OutOfMemory { order };
        assert_eq!(refused, Some(ReserveError::Refused(cause)));
        assert_eq!(zone.stats().free, 40);
        assert_eq!(zone.validate(), Ok(()));
    });
}

#[test]
fn an_empty_reservation_is_published_for_nothing() {
    with_zone(ModelledAdr, |zone| {
        let mut local = zone.local(0).unwrap();
        let reservation = local.reserve(Order::FRAME, &mut []).unwrap();
        assert!(reservation.publish().is_empty());
    });
}
