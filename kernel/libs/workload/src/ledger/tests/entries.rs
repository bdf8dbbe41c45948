use core::cell::RefCell;
use core::sync::atomic::Ordering;

use super::*;
use crate::FrameAlloc;
use crate::fakes::{Mistake, Mistaken, NotAllocated};

/// A step of an operation, as the medium or the allocator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Store(usize, u64),
    Get,
    Put,
}

/// A medium and an allocator that record what reaches them.
struct Recorder<'a> {
    annex: &'a [AtomicU64],
    steps: &'a RefCell<Vec<Step>>,
}

impl Medium for Recorder<'_> {
    fn settle(&self, words: &[AtomicU64]) {
        for word in words {
            let index = self.annex.iter().position(|w| core::ptr::eq(w, word));
            let index = index.expect("a word of the ledger");
            let value = word.load(Ordering::Relaxed);
            self.steps.borrow_mut().push(Step::Store(index, value));
        }
    }
}

struct Recorded<'a>(&'a Simple, &'a RefCell<Vec<Step>>);

impl FrameAlloc for Recorded<'_> {
    type Error = NotAllocated;
    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.1.borrow_mut().push(Step::Get);
        self.0.get(order)
    }
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotAllocated> {
        self.1.borrow_mut().push(Step::Put);
        self.0.put(frame, order)
    }
    fn drain(&mut self) {}
}

/// The protocol, store by store, with the encodings that the module documents.
#[test]
fn each_operation_makes_its_entries_in_the_documented_order() {
    let zone = Zone::new(64);
    let steps = RefCell::default();
    let annex = &*zone.annex;
    let steps = &steps;
    let ledger = Ledger::open(annex, Recorder { annex, steps }).expect("a ledger");
    let stamps = zone.stamps();
    let mut worker = ledger.worker(3, &stamps).expect("a settled line");
    let mut alloc = Recorded(&zone.alloc, steps);
    let drain = || core::mem::take(&mut *steps.borrow_mut());

    let (intent, done, owners) = (144 + 3 * 8, 144 + 3 * 8 + 1, 1168);
    let block = worker.get(&mut alloc, order(2)).expect("no breach");
    let block = block.expect("memory");
    let owned = |exponent: u64, seq: u64| 1 | exponent << 2 | 3 << 8 | seq << 16;
    let freeing = |exponent: u64, seq: u64| 2 | exponent << 2 | 3 << 8 | seq << 16;
    assert_eq!(
        drain(),
        [
            Step::Store(intent, 1 | 2 << 2 | 1 << 48),
            Step::Get,
            Step::Store(owners, owned(2, 1)),
            Step::Store(done, 1),
        ]
    );

    let [low, high] = worker.halve::<NotAllocated>(block).expect("no breach");
    assert_eq!(
        drain(),
        [
            Step::Store(intent, 3 | 2 << 2 | 2 << 48),
            Step::Store(owners, freeing(2, 2)),
            Step::Store(owners + 2, owned(1, 2)),
            Step::Store(owners, owned(1, 2)),
            Step::Store(done, 2),
        ]
    );

    worker.put(&mut alloc, high).expect("no breach");
    assert_eq!(
        drain(),
        [
            Step::Store(intent, 2 | 1 << 2 | 2 << 8 | 3 << 48),
            Step::Store(owners + 2, freeing(1, 3)),
            Step::Put,
            Step::Store(done, 3),
        ]
    );
    assert_eq!(zone.ledger().survivors().collect::<Vec<_>>(), [low]);
}

#[test]
fn a_refused_get_is_done_and_counted_but_not_acknowledged() {
    let zone = Zone::new(8);
    zone.ledger().begin();
    let blocks = zone.take(&[3]);
    let (ledger, stamps) = (zone.ledger(), zone.stamps());
    let mut worker = ledger.worker(1, &stamps).expect("a settled line");
    assert_eq!(worker.get(&mut &zone.alloc, order(0)), Ok(None));
    let judgement = zone.judge();
    assert_eq!((judgement.acknowledged, judgement.refused), (1, 1));
    assert_eq!(
        (judgement.in_flight, judgement.owned),
        (0, blocks.len() as u64)
    );
    assert!(judgement.holds(), "{judgement:?}");
}

#[test]
fn numbers_go_on_where_the_last_cycle_ended() {
    let zone = Zone::new(64);
    let first = zone.take(&[0])[0];
    zone.ledger().begin();
    let second = zone.take(&[0])[0];
    assert_eq!(second.generation >> 16, (first.generation >> 16) + 1);
    assert_eq!(zone.judge().acknowledged, 1, "of this cycle only");
}

mod breaches {
    use super::*;

    /// Processor 1 gets `exponent` at the place that `forget` has freed behind
    /// the owner's back.
    fn overlap(
        taken: &[u8],
        forget: core::ops::Range<usize>,
        exponent: u8,
    ) -> Breach<NotAllocated> {
        let zone = Zone::new(64);
        zone.take(taken);
        forget.for_each(|frame| zone.alloc.set(FrameId(frame), false));
        let (ledger, stamps) = (zone.ledger(), zone.stamps());
        let mut worker = ledger.worker(1, &stamps).expect("a settled line");
        let mut next = || worker.get(&mut &zone.alloc, order(exponent));
        let breach = (0..64).find_map(|_| next().err());
        breach.expect("the overlap is noticed")
    }

    #[test]
    fn a_block_that_is_owned_is_not_taken_again() {
        let breach = overlap(&[3], 0..8, 3);
        let Breach::Doubled {
            block,
            owned,
            owner,
        } = breach
        else {
            panic!("{breach:?}");
        };
        assert_eq!((block.frame, owned, owner.cpu), (FrameId(0), FrameId(0), 0));
    }

    #[test]
    fn a_block_within_an_owned_one_is_not_taken() {
        let breach = overlap(&[3], 5..6, 0);
        let Breach::Doubled { block, owned, .. } = breach else {
            panic!("{breach:?}");
        };
        assert_eq!((block.frame, owned), (FrameId(5), FrameId(0)));
    }

    #[test]
    fn a_block_around_an_owned_one_is_not_taken() {
        // Single frames 0..3 are owned; the allocator forgets the one in the
        // middle of the next block of four.
        let breach = overlap(&[1, 1, 1], 4..6, 2);
        let Breach::Doubled { block, owned, .. } = breach else {
            panic!("{breach:?}");
        };
        assert_eq!((block.frame, owned), (FrameId(4), FrameId(4)));
        let breach = overlap(&[2, 0, 0], 5..6, 0);
        assert!(matches!(breach, Breach::Doubled { .. }), "{breach:?}");
    }

    #[test]
    fn a_frame_handed_out_twice_is_noticed_at_once() {
        let zone = Zone::new(64);
        let (ledger, stamps) = (zone.ledger(), zone.stamps());
        let mut worker = ledger.worker(0, &stamps).expect("a settled line");
        let mut alloc = Mistaken::new(&zone.alloc, Mistake::GetTwice(3));
        let mut get = || worker.get(&mut alloc, Order::FRAME);
        assert!(get().is_ok() && get().is_ok());
        assert!(matches!(get(), Err(Breach::Doubled { .. })));
    }

    #[test]
    fn a_block_outside_the_zone_is_foreign() {
        struct Outside;
        impl FrameAlloc for Outside {
            type Error = ();
            fn get(&mut self, _: Order) -> Option<FrameId> {
                Some(FrameId(63))
            }
            fn put(&mut self, _: FrameId, _: Order) -> Result<(), ()> {
                Ok(())
            }
            fn drain(&mut self) {}
        }
        let zone = Zone::new(64);
        let (ledger, stamps) = (zone.ledger(), zone.stamps());
        let mut worker = ledger.worker(0, &stamps).expect("a settled line");
        let breach = worker.get(&mut Outside, order(1));
        assert!(matches!(breach, Err(Breach::Foreign { .. })), "{breach:?}");
    }

    #[test]
    fn a_block_whose_content_or_owner_changed_is_not_given_back() {
        let zone = Zone::new(64);
        let blocks = zone.take(&[0, 0]);
        let (ledger, stamps) = (zone.ledger(), zone.stamps());
        let mut worker = ledger.worker(0, &stamps).expect("a settled line");
        zone.content[0].fetch_add(1, Ordering::Relaxed);
        let block = blocks[0];
        assert_eq!(
            worker.put(&mut &zone.alloc, block),
            Err(Breach::Defaced { block })
        );
        zone.annex[1168 + 1].store(77, Ordering::Relaxed);
        let (block, found) = (blocks[1], 77);
        assert_eq!(
            worker.put(&mut &zone.alloc, block),
            Err(Breach::Usurped { block, found })
        );
        assert_eq!(zone.alloc.free(), 62);
    }

    #[test]
    fn a_refused_put_names_the_reason_and_stays_in_flight() {
        let zone = Zone::new(64);
        let block = zone.take(&[0])[0];
        zone.alloc.set(block.frame, false);
        let (ledger, stamps) = (zone.ledger(), zone.stamps());
        let mut worker = ledger.worker(0, &stamps).expect("a settled line");
        let error = NotAllocated(block.frame);
        assert_eq!(
            worker.put(&mut &zone.alloc, block),
            Err(Breach::Refused { block, error })
        );
        let unsettled = ledger.worker(0, &stamps).err();
        assert!(matches!(
            unsettled,
            Some(LedgerError::Unsettled { cpu: 0, .. })
        ));
    }
}
