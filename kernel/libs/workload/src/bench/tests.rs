use core::sync::atomic::AtomicU64;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::fakes::{Clock, Counting, Mistake, Mistaken, NotAllocated, Simple, on_threads};
use crate::oracle::conserved;
use crate::{FrameAlloc, Machine};

const FRAMES: usize = 1 << 12;

fn words(len: usize) -> Vec<AtomicU64> {
    (0..len).map(|_| AtomicU64::new(0)).collect()
}

type Outcome = Result<Times, Failure<NotAllocated>>;

/// The four workloads, each with `blocks` blocks or rounds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bulk,
    Repeat,
    Random,
    Churn,
}

const KINDS: [Kind; 4] = [Kind::Bulk, Kind::Repeat, Kind::Random, Kind::Churn];

impl Kind {
    fn run<M, A>(self, bench: &mut Bench<'_, M, A>, blocks: usize, pool: &Pool<'_>) -> Outcome
    where
        M: Machine,
        A: FrameAlloc<Error = NotAllocated>,
    {
        let mut buffer = vec![FrameId(0); blocks];
        match self {
            Self::Bulk => bench.bulk(&mut buffer),
            Self::Repeat => bench.repeat(blocks),
            Self::Random => bench.random(&mut buffer, pool, 42),
            Self::Churn => bench.churn(&mut buffer, blocks / 2, 3, 42),
        }
    }
}

/// Runs a workload on one processor whose clock shows the number of calls.
fn on_clock(kind: Kind, blocks: usize, mistake: Option<Mistake>) -> (Outcome, u64) {
    let (simple, clock) = (Simple::new(FRAMES), Clock::default());
    let mistake = mistake.unwrap_or(Mistake::GetTwice(0));
    let mut alloc = Counting {
        alloc: Mistaken::new(&simple, mistake),
        clock: &clock,
    };
    let (bitmap, pool) = (words(Ownership::words(FRAMES)), words(blocks));
    let mut bench = Bench {
        machine: &clock,
        alloc: &mut alloc,
        oracle: &Ownership::new(&bitmap, FRAMES),
        order: Order::FRAME,
    };
    let outcome = kind.run(&mut bench, blocks, &Pool::new(&pool));
    (outcome, simple.free())
}

fn on_cpus(kind: Kind, cpus: usize, blocks: usize, order: Order) -> (Vec<Outcome>, u64) {
    let simple = Simple::new(FRAMES);
    let (bitmap, pool) = (words(Ownership::words(FRAMES)), words(cpus * blocks));
    let oracle = Ownership::new(&bitmap, FRAMES);
    let outcomes = on_threads(cpus, |machine| {
        let mut bench = Bench {
            machine: &machine,
            alloc: &mut &simple,
            oracle: &oracle,
            order,
        };
        kind.run(&mut bench, blocks, &Pool::new(&pool))
    });
    assert_eq!(oracle.owned(), 0, "marks remain after {kind:?}");
    (outcomes, simple.free())
}

mod timing {
    use super::*;

    /// Every call of the allocator takes a tick and a barrier an age, so equality
    /// says that all calls and no barrier lie within the timed parts.
    #[test]
    fn the_clock_counts_every_call_and_no_barrier() {
        let times = |ops, get_ticks, put_ticks| {
            Ok(Times {
                ops,
                get_ticks,
                put_ticks,
            })
        };
        assert_eq!(on_clock(Kind::Bulk, 100, None).0, times(100, 100, 100));
        assert_eq!(on_clock(Kind::Repeat, 100, None).0, times(100, 200, 0));
        assert_eq!(on_clock(Kind::Random, 100, None).0, times(100, 100, 100));
        assert_eq!(on_clock(Kind::Churn, 100, None).0, times(150, 300, 0));
    }

    /// Positive control: the clock does notice a barrier.
    #[test]
    fn a_barrier_within_the_timed_part_would_be_seen() {
        let (clock, simple) = (Clock::default(), Simple::new(1));
        let mut bench = Bench {
            machine: &clock,
            alloc: &mut &simple,
            oracle: &Ownership::new(&[], 0),
            order: Order::FRAME,
        };
        let timed = bench.timed(|bench| bench.machine.barrier());
        assert_eq!(timed.ticks, Clock::LEAP);
    }
}

mod ownership {
    use super::*;

    #[test]
    fn every_workload_on_four_processors_returns_all_it_took() {
        for kind in KINDS {
            for order in [Order::FRAME, Order::new(3).expect("an order")] {
                let (outcomes, free) = on_cpus(kind, 4, 100, order);
                for outcome in outcomes {
                    assert!(outcome.expect("no failure").ops >= 100, "{kind:?}");
                }
                assert_eq!(conserved(FRAMES as u64, free), Ok(()), "{kind:?}");
            }
        }
    }

    /// Positive control of the oracle.
    #[test]
    fn a_frame_handed_out_twice_fails_the_repetition() {
        for kind in [Kind::Bulk, Kind::Random, Kind::Churn] {
            let (outcome, _) = on_clock(kind, 100, Some(Mistake::GetTwice(50)));
            let doubled = matches!(
                outcome,
                // Churn may free one of the two before the oracle sees both.
                Err(Failure::Ownership(_) | Failure::Refused { .. })
            );
            assert!(doubled, "{kind:?}: {outcome:?}");
        }
    }

    /// Positive control of the count.
    #[test]
    fn a_free_that_frees_nothing_changes_the_count() {
        for kind in KINDS {
            let (outcome, free) = on_clock(kind, 100, Some(Mistake::PutNothing(50)));
            outcome.expect("nothing else is wrong");
            assert!(conserved(FRAMES as u64, free).is_err(), "{kind:?}");
        }
    }

    /// Positive control across processors: the doubled frame is held by two.
    #[test]
    fn a_frame_that_two_processors_hold_is_found_by_one_of_them() {
        struct Same;
        impl FrameAlloc for Same {
            type Error = NotAllocated;
            fn get(&mut self, _: Order) -> Option<FrameId> {
                Some(FrameId(7))
            }
            fn put(&mut self, _: FrameId, _: Order) -> Result<(), NotAllocated> {
                Ok(())
            }
            fn drain(&mut self) {}
        }
        for kind in KINDS {
            let (bitmap, pool) = (words(1), words(2));
            let oracle = Ownership::new(&bitmap, 64);
            let outcomes = on_threads(2, |machine| {
                let mut bench = Bench {
                    machine: &machine,
                    alloc: &mut Same,
                    oracle: &oracle,
                    order: Order::FRAME,
                };
                // Churn keeps half of its blocks, and it has to keep one.
                let blocks = if matches!(kind, Kind::Churn) { 2 } else { 1 };
                kind.run(&mut bench, blocks, &Pool::new(&pool))
            });
            let found = outcomes.iter().any(|outcome| {
                let doubled = |e: &OwnershipError| matches!(e, OwnershipError::Doubled { .. });
                matches!(outcome, Err(Failure::Ownership(e)) if doubled(e))
            });
            assert!(found, "{kind:?}: {outcomes:?}");
        }
    }
}

mod failure {
    use super::*;

    /// Three processors want more than there is; nobody waits forever, and
    /// nothing is kept.
    #[test]
    fn running_out_of_frames_gives_everything_back_and_blocks_nobody() {
        for kind in [Kind::Bulk, Kind::Random, Kind::Churn] {
            let (outcomes, free) = on_cpus(kind, 3, FRAMES / 2, Order::FRAME);
            let out = |o: &Outcome| matches!(o, Err(Failure::OutOfFrames { .. }));
            assert!(outcomes.iter().any(out), "{kind:?}: {outcomes:?}");
            assert_eq!(free, FRAMES as u64, "{kind:?}");
        }
    }

    #[test]
    fn a_pool_that_is_too_small_is_refused_before_anything_is_taken() {
        let (clock, simple, bitmap) = (Clock::default(), Simple::new(64), words(1));
        let mut bench = Bench {
            machine: &clock,
            alloc: &mut &simple,
            oracle: &Ownership::new(&bitmap, 64),
            order: Order::FRAME,
        };
        let outcome = bench.random(&mut [FrameId(0); 4], &Pool::new(&words(3)), 1);
        let (needed, given) = (4, 3);
        assert_eq!(outcome, Err(Failure::PoolTooSmall { needed, given }));
        assert_eq!(simple.free(), 64);
    }
}

mod randomness {
    use super::*;

    /// Which blocks a processor frees: its own in bulk, anybody's in random.
    #[test]
    fn random_deals_blocks_of_other_processors_and_bulk_does_not() {
        #[derive(Default)]
        struct Recorder {
            gets: Vec<FrameId>,
            puts: Vec<FrameId>,
        }
        struct Recording<'a>(&'a Simple, Recorder);
        impl FrameAlloc for Recording<'_> {
            type Error = NotAllocated;
            fn get(&mut self, order: Order) -> Option<FrameId> {
                let frame = self.0.get(order)?;
                self.1.gets.push(frame);
                Some(frame)
            }
            fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotAllocated> {
                self.1.puts.push(frame);
                self.0.put(frame, order)
            }
            fn drain(&mut self) {}
        }
        let own_share = |kind: Kind| {
            let simple = Simple::new(FRAMES);
            let (bitmap, pool) = (words(Ownership::words(FRAMES)), words(400));
            let oracle = Ownership::new(&bitmap, FRAMES);
            let recorders = on_threads(2, |machine| {
                let mut alloc = Recording(&simple, Recorder::default());
                let mut bench = Bench {
                    machine: &machine,
                    alloc: &mut alloc,
                    oracle: &oracle,
                    order: Order::FRAME,
                };
                kind.run(&mut bench, 200, &Pool::new(&pool))
                    .expect("no failure");
                alloc.1
            });
            let own = |r: &Recorder| r.puts.iter().filter(|p| r.gets.contains(p)).count();
            recorders.iter().map(own).sum::<usize>()
        };
        assert_eq!(own_share(Kind::Bulk), 400);
        let own = own_share(Kind::Random);
        assert!((120..280).contains(&own), "{own} of 400 were dealt back");
    }
}
