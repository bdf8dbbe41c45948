use core::sync::atomic::Ordering;

use super::*;

const OWNERS: usize = 1168;

/// Puts an operation of processor 1 in flight.
fn in_flight(zone: &Zone, op: u64, frame: usize, exponent: u8) {
    let intent = op | u64::from(exponent) << 2 | (frame as u64) << 8 | 1 << 48;
    zone.annex[144 + 8].store(intent, Ordering::Relaxed);
}

/// A zone in which processor 0 owns a block of each order 0 to 5: frame 0,
/// frames 2.., 4.., 8.., 16.. and 32... Frame 1 is free.
fn zone() -> Zone {
    let zone = Zone::new(128);
    let blocks = zone.take(&[0, 1, 2, 3, 4, 5]);
    let starts: Vec<_> = blocks.iter().map(|block| block.frame.0).collect();
    assert_eq!(starts, [0, 2, 4, 8, 16, 32]);
    zone
}

#[test]
fn an_account_that_agrees_holds() {
    let judgement = zone().judge();
    assert!(judgement.holds(), "{judgement:?}");
    let expected = Judgement {
        frames: 128,
        free: 65,
        acknowledged: 6,
        owned: 6,
        owned_frames: 63,
        ..Judgement::default()
    };
    assert_eq!(judgement, expected);
}

#[test]
fn a_judgement_of_nothing_does_not_hold() {
    assert!(!Judgement::default().holds());
}

/// Positive controls: each kind of violation, made by hand, and nothing else.
mod violations {
    use super::*;

    #[test]
    fn an_owned_frame_that_is_free_is_lost() {
        let zone = zone();
        zone.alloc.set(FrameId(21), false);
        let judgement = zone.judge();
        assert_eq!(kinds(&judgement), "l");
        assert_eq!(judgement.lost.count, 1);
        let Some(Fault::Lost { frame, block }) = judgement.lost.first else {
            panic!("{judgement:?}");
        };
        assert_eq!((frame, block.frame), (FrameId(21), FrameId(16)));
    }

    #[test]
    fn a_stamp_that_changed_at_either_end_is_found() {
        for frame in [8, 15] {
            let zone = zone();
            zone.content[frame * 512 + 3].fetch_xor(1, Ordering::Relaxed);
            let judgement = zone.judge();
            assert_eq!(kinds(&judgement), "s", "frame {frame}");
            assert_eq!(judgement.defaced.count, 1);
        }
    }

    #[test]
    fn a_block_owned_within_another_is_doubled() {
        let zone = zone();
        let claim = Claim {
            order: order(1),
            cpu: 0,
            seq: 1,
        };
        let block = Block::new(FrameId(36), claim);
        zone.annex[OWNERS + 36].store(block.generation, Ordering::Relaxed);
        zone.stamps()
            .stamp(block.frame, block.order, block.generation);
        let judgement = zone.judge();
        assert_eq!(kinds(&judgement), "d");
        assert_eq!(judgement.doubled.count, 2, "frames");
        let Some(Fault::Doubled { outer, .. }) = judgement.doubled.first else {
            panic!("{judgement:?}");
        };
        assert_eq!(outer.frame, FrameId(32));
    }

    #[test]
    fn a_frame_that_is_allocated_and_nobodys_is_a_leak_too_many() {
        let zone = zone();
        zone.alloc.set(FrameId(1), true);
        let judgement = zone.judge();
        assert_eq!(kinds(&judgement), "x");
        assert_eq!((judgement.leaked, judgement.bound), (1, 0));
    }

    #[test]
    fn an_acknowledged_free_that_was_forgotten_is_found() {
        let zone = zone();
        let (ledger, stamps) = (zone.ledger(), zone.stamps());
        let block = ledger.survivors().nth(2).expect("six blocks");
        let mut worker = ledger.worker(0, &stamps).expect("a settled line");
        worker.put(&mut &zone.alloc, block).expect("no breach");
        assert!(zone.judge().holds());
        (4..8).for_each(|frame| zone.alloc.set(FrameId(frame), true));
        let judgement = zone.judge();
        assert_eq!(
            (kinds(&judgement).as_str(), judgement.excess.count),
            ("x", 4)
        );
        let Some(Fault::Leaked { last, .. }) = judgement.excess.first else {
            panic!("{judgement:?}");
        };
        assert!(
            matches!(last, Owner::Freeing(claim) if claim.seq == 7),
            "{last:?}"
        );
    }

    #[test]
    fn owner_words_that_nobody_writes_are_malformed() {
        let owned = |order: u64, cpu: u64, seq: u64| 1 | order << 2 | cpu << 8 | seq << 16;
        for (what, frame, word) in [
            ("no such state", 100, 3 | 1 << 16),
            ("misaligned", 101, owned(1, 0, 1)),
            ("beyond the end", 64, owned(7, 0, 1)),
            ("not announced", 100, owned(0, 0, 7)),
            ("no such processor", 100, owned(0, 200, 1)),
        ] {
            let zone = zone();
            zone.annex[OWNERS + frame].store(word, Ordering::Relaxed);
            let judgement = zone.judge();
            assert!(judgement.malformed.count == 1, "{what}: {judgement:?}");
        }
    }

    #[test]
    fn an_intent_that_nobody_writes_is_malformed() {
        let zone = zone();
        zone.annex[144 + 8].store(5 << 48, Ordering::Relaxed);
        let judgement = zone.judge();
        assert_eq!(kinds(&judgement), "m");
        assert!(matches!(judgement.malformed.first, Some(Fault::BadLine(_))));
    }
}

mod bounds {
    use super::*;

    fn leak(zone: &Zone, frames: core::ops::Range<usize>) -> Judgement {
        frames.for_each(|frame| zone.alloc.set(FrameId(frame), true));
        zone.judge()
    }

    #[test]
    fn a_get_in_flight_accounts_for_its_frames_anywhere_and_not_one_more() {
        let zone = zone();
        in_flight(&zone, 1, 0, 3);
        let judgement = leak(&zone, 80..88);
        assert!(judgement.holds(), "{judgement:?}");
        assert_eq!((judgement.leaked, judgement.bound), (8, 8));
        let judgement = leak(&zone, 96..97);
        assert_eq!((kinds(&judgement).as_str(), judgement.leaked), ("x", 9));
        assert_eq!(judgement.excess.count, 1);
    }

    #[test]
    fn a_put_in_flight_accounts_for_the_frames_it_names_and_no_other() {
        let owner = 2 | 3 << 2 | 1 << 8 | 1 << 16;
        let zone = zone();
        in_flight(&zone, 2, 80, 3);
        zone.annex[OWNERS + 80].store(owner, Ordering::Relaxed);
        let judgement = leak(&zone, 80..88);
        assert!(judgement.holds(), "{judgement:?}");
        assert_eq!((judgement.leaked, judgement.bound), (8, 8));

        let zone = self::zone();
        in_flight(&zone, 2, 80, 3);
        let judgement = leak(&zone, 96..97);
        assert_eq!(kinds(&judgement), "x", "within the bound, elsewhere");
    }

    #[test]
    fn a_get_that_entered_its_block_accounts_for_nothing_more() {
        let zone = zone();
        in_flight(&zone, 1, 0, 3);
        let claim = Claim {
            order: order(3),
            cpu: 1,
            seq: 1,
        };
        let block = Block::new(FrameId(80), claim);
        zone.annex[OWNERS + 80].store(block.generation, Ordering::Relaxed);
        zone.stamps()
            .stamp(block.frame, block.order, block.generation);
        let judgement = leak(&zone, 80..88);
        assert!(judgement.holds(), "{judgement:?}");
        assert_eq!((judgement.in_flight, judgement.bound), (1, 0));
        assert_eq!(kinds(&leak(&zone, 96..97)), "x");
    }
}
