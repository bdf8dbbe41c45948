use super::*;
use crate::crash::Held;
use crate::fakes::NotAllocated;

#[test]
fn reclaiming_frees_what_leaked_and_nothing_else() {
    let zone = Zone::new(2048);
    zone.take(&[0, 3, 9]);
    let owned = 1 + 8 + 512;
    for frame in (3..8).chain(100..300).chain(1024..2048) {
        zone.alloc.set(FrameId(frame), true);
    }
    let allocated = |frame| zone.alloc.is_allocated(frame);
    let freed = reclaim(&zone.ledger(), &allocated, &mut &zone.alloc);
    assert_eq!(freed, Ok(5 + 200 + 1024));
    assert_eq!(zone.alloc.free(), 2048 - owned);
    assert!(zone.judge().holds());
}

/// An allocator that takes blocks back only as it handed them out.
#[test]
fn what_is_refused_as_a_whole_is_offered_in_halves() {
    struct AtMost(u8, Vec<(FrameId, Order)>);
    impl crate::FrameAlloc for AtMost {
        type Error = NotAllocated;
        fn get(&mut self, _: Order) -> Option<FrameId> {
            None
        }
        fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotAllocated> {
            if order.exponent() > self.0 {
                return Err(NotAllocated(frame));
            }
            self.1.push((frame, order));
            Ok(())
        }
        fn drain(&mut self) {}
    }
    let zone = Zone::new(64);
    let leaked = |frame: FrameId| (8..20).contains(&frame.0);
    let mut alloc = AtMost(2, Vec::new());
    assert_eq!(reclaim(&zone.ledger(), &leaked, &mut alloc), Ok(12));
    let quarters = [8, 12, 16].map(|frame| (FrameId(frame), order(2)));
    assert_eq!(alloc.1, quarters);
}

#[test]
fn a_frame_that_cannot_be_reclaimed_is_named() {
    let zone = Zone::new(64);
    let leaked = |frame: FrameId| frame.0 == 9;
    let error = NotAllocated(FrameId(9));
    let frame = FrameId(9);
    assert_eq!(
        reclaim(&zone.ledger(), &leaked, &mut &zone.alloc),
        Err(Unreclaimed { frame, error })
    );
}

#[test]
fn survivors_are_shared_out_completely_and_once() {
    let zone = Zone::new(256);
    let blocks = zone.take(&[0, 1, 2, 3, 4, 5, 0, 1, 2]);
    zone.ledger().begin();
    let mut adopted = Vec::new();
    for cpu in 0..4 {
        let mut buffer = [Held::VACANT; 8];
        let mut held = Held::new(&mut buffer);
        assert_eq!(held.adopt(&zone.ledger(), cpu, 4), 0);
        adopted.extend_from_slice(held.blocks());
    }
    adopted.sort_by_key(|block| block.frame);
    let mut expected = blocks;
    expected.sort_by_key(|block| block.frame);
    assert_eq!(adopted, expected);
}

#[test]
fn survivors_that_do_not_fit_are_counted() {
    let zone = Zone::new(64);
    zone.take(&[0; 10]);
    zone.ledger().begin();
    let mut buffer = [Held::VACANT; 4];
    let mut held = Held::new(&mut buffer);
    assert_eq!(held.adopt(&zone.ledger(), 0, 1), 6);
    assert_eq!((held.blocks().len(), held.frames()), (4, 4));
}

#[test]
fn what_another_processor_has_just_taken_is_not_adopted() {
    let zone = Zone::new(64);
    let old = zone.take(&[0, 0])[0];
    zone.ledger().begin();
    let new = zone.take(&[0])[0];
    let mut buffer = [Held::VACANT; 8];
    let mut held = Held::new(&mut buffer);
    held.adopt(&zone.ledger(), 0, 1);
    assert!(held.blocks().contains(&old) && !held.blocks().contains(&new));
}
