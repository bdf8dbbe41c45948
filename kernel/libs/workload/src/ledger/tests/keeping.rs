use super::*;

/// A huge frame, or what stands for one.
const PLACE: core::ops::Range<usize> = 512..1024;

fn frames() -> impl Iterator<Item = FrameId> {
    PLACE.map(FrameId)
}

fn take(zone: &Zone) {
    frames().for_each(|frame| zone.alloc.set(frame, true));
}

/// A zone with owned blocks, none of them in [`PLACE`].
fn zone() -> Zone {
    let zone = Zone::new(2048);
    zone.take(&[0, 3, 8]);
    zone
}

#[test]
fn what_is_kept_from_use_has_not_leaked() {
    let zone = zone();
    zone.ledger().keep(frames());
    let before = zone.judge();
    assert!(before.holds() && before.kept == 0, "{before:?}");
    take(&zone);
    let judgement = zone.judge();
    assert!(judgement.holds(), "{judgement:?}");
    assert_eq!((judgement.kept, judgement.leaked), (512, 0));
    assert_eq!(zone.ledger().kept().count(), 512);
}

/// Positive control: a frame that is not entered counts as leaked.
#[test]
fn what_is_taken_without_an_entry_has_leaked() {
    let zone = zone();
    take(&zone);
    let judgement = zone.judge();
    assert_eq!((kinds(&judgement).as_str(), judgement.leaked), ("x", 512));
}

#[test]
fn a_block_around_a_frame_that_is_kept_is_a_fault() {
    let zone = zone();
    let block = zone.ledger().survivors().nth(2).expect("three blocks");
    zone.ledger()
        .keep([block.frame, FrameId(block.frame.0 + 1)]);
    let judgement = zone.judge();
    assert_eq!(kinds(&judgement), "d");
    let frame = FrameId(block.frame.0 + 1);
    assert_eq!(judgement.doubled.first, Some(Fault::Used { frame, block }));
    assert_eq!(zone.ledger().survivors().nth(2), Some(block), "still owned");
}

#[test]
fn reclaiming_frees_what_was_kept_and_strikes_it_out() {
    let zone = zone();
    zone.ledger().keep(frames());
    take(&zone);
    let allocated = |frame| zone.alloc.is_allocated(frame);
    let freed = reclaim(&zone.ledger(), &allocated, &mut &zone.alloc);
    assert_eq!(freed, Ok(512));
    assert_eq!(zone.ledger().kept().count(), 0);
    assert!(zone.judge().holds());
}

#[test]
fn what_could_not_be_taken_is_struck_out() {
    let zone = zone();
    zone.ledger().keep(frames());
    zone.ledger().let_go((0..2048).map(FrameId));
    assert_eq!(zone.ledger().kept().count(), 0);
    assert_eq!(zone.ledger().survivors().count(), 3);
}
