use core::sync::atomic::Ordering;

use super::*;

#[test]
fn what_was_formatted_is_found_again() {
    let words = zeroed(Ledger::bytes(1000) / 8);
    Ledger::format(&words, &config(1000), Ordered).expect("enough memory");
    let ledger = Ledger::open(&words, Ordered).expect("a ledger");
    assert_eq!(ledger.config(), config(1000));
    let (phase, cycle) = (Phase::Idle, 0);
    assert_eq!(ledger.progress(), Progress { phase, cycle });
}

#[test]
fn formatting_erases_every_owner_of_before() {
    let zone = Zone::new(64);
    zone.take(&[0, 1, 2, 3]);
    assert_eq!(zone.ledger().survivors().count(), 4);
    Ledger::format(&zone.annex, &config(64), Ordered).expect("enough memory");
    assert_eq!(zone.ledger().survivors().count(), 0);
}

/// A medium that records at which stores the ledger could be opened.
#[test]
fn a_format_cut_short_is_no_ledger() {
    struct Openable<'a>(&'a [AtomicU64], core::cell::RefCell<Vec<bool>>);
    impl Medium for Openable<'_> {
        fn settle(&self, _: &[AtomicU64]) {
            let open = Ledger::open(self.0, Ordered).is_ok();
            self.1.borrow_mut().push(open);
        }
    }
    let words = zeroed(Ledger::bytes(64) / 8);
    for _ in 0..2 {
        let medium = Openable(&words, Default::default());
        Ledger::format(&words, &config(64), &medium).expect("enough memory");
        let open = medium.1.into_inner();
        let (last, before) = open.split_last().expect("it settles");
        assert!(*last && before.iter().all(|open| !open), "{open:?}");
    }
}

#[test]
fn each_changed_word_of_the_header_is_noticed() {
    for word in 0..8 {
        for bit in 0..64 {
            let words = zeroed(Ledger::bytes(64) / 8);
            Ledger::format(&words, &config(64), Ordered).expect("enough memory");
            words[word].fetch_xor(1 << bit, Ordering::Relaxed);
            let error = Ledger::open(&words, Ordered).err();
            let expected = matches!(
                (word, error),
                (0, Some(LedgerError::NotFormatted { .. }))
                    | (1, Some(LedgerError::UnknownVersion { .. }))
                    | (2.., Some(LedgerError::Checksum { .. }))
            );
            assert!(expected, "word {word} bit {bit}: {error:?}");
        }
    }
}

#[test]
fn memory_that_is_too_short_is_an_error_at_every_length() {
    let words = zeroed(Ledger::bytes(64) / 8);
    Ledger::format(&words, &config(64), Ordered).expect("enough memory");
    for len in 0..words.len() {
        let short = &words[..len];
        let error = Ledger::open(short, Ordered).err();
        let too_short =
            matches!(error, Some(LedgerError::TooShort { given, .. }) if given == len as u64 * 8);
        assert!(too_short, "{len}: {error:?}");
    }
    let huge = config(usize::MAX);
    let error = Ledger::format(&words, &huge, Ordered).err();
    let frames = usize::MAX as u64;
    assert_eq!(error, Some(LedgerError::TooManyFrames { frames }));
}

#[test]
fn the_last_results_are_kept_in_order() {
    let zone = Zone::new(8);
    let ledger = zone.ledger();
    for _ in 0..20 {
        let cycle = u64::from(ledger.begin());
        let result = CycleResult {
            cycle,
            acknowledged: 100 * cycle,
            ..CycleResult::default()
        };
        ledger.record(&result);
        ledger.settle(Phase::Idle);
    }
    let kept: Vec<_> = ledger
        .results()
        .map(|r| (r.cycle, r.acknowledged))
        .collect();
    let expected: Vec<_> = (5..=20).map(|cycle| (cycle, 100 * cycle)).collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_cycle_that_was_begun_is_running_until_it_is_settled() {
    let zone = Zone::new(8);
    assert_eq!(zone.ledger().begin(), 1);
    let (phase, cycle) = (Phase::Running, 1);
    assert_eq!(zone.ledger().progress(), Progress { phase, cycle });
    zone.ledger().settle(Phase::Complete);
    let phase = Phase::Complete;
    assert_eq!(zone.ledger().progress(), Progress { phase, cycle });
}
