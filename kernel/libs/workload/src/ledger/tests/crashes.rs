//! Real threads that a power cut stops wherever they are.

use std::panic::resume_unwind;
use std::println;
use std::vec;

use super::*;
use crate::FrameAlloc;
use crate::crash::{Held, Mix, run_until};
use crate::fakes::{NotAllocated, PowerCut, on_threads};

const FRAMES: usize = 1 << 13;
const CPUS: usize = 3;

/// A medium and an allocator at each of whose steps the power may go.
struct Fragile<'a, T>(T, &'a PowerCut);

impl Medium for Fragile<'_, ()> {
    fn settle(&self, _: &[AtomicU64]) {
        self.1.step();
    }
}

impl<A: FrameAlloc> FrameAlloc for Fragile<'_, A> {
    type Error = A::Error;
    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.1.step();
        let frame = self.0.get(order);
        self.1.step();
        frame
    }
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), A::Error> {
        self.1.step();
        let outcome = self.0.put(frame, order);
        self.1.step();
        outcome
    }
    fn drain(&mut self) {}
}

/// Runs one cycle up to the given step; returns what the processors noticed.
fn cycle(zone: &Zone, seed: u64, steps: u64) -> Vec<Breach<NotAllocated>> {
    zone.ledger().begin();
    let cut = PowerCut::at(steps);
    let ledger = Ledger::open(&zone.annex, Fragile((), &cut)).expect("a ledger");
    let stamps = zone.stamps();
    let outcomes = on_threads(CPUS, |machine| {
        let mut buffer = vec![Held::VACANT; zone.frames];
        let mut held = Held::new(&mut buffer);
        assert_eq!(held.adopt(&ledger, machine.cpu, CPUS), 0);
        let cpu = u8::try_from(machine.cpu).expect("few processors");
        let mut worker = ledger.worker(cpu, &stamps).expect("a settled line");
        let mut alloc = Fragile(&zone.alloc, &cut);
        let mix = Mix::half_of(zone.frames, CPUS);
        let mut run = || {
            run_until(&mut worker, &mut alloc, &mut held, &mix, seed, || {
                cut.is_off()
            })
        };
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(&mut run))
    });
    let breach = |outcome| match outcome {
        Ok(outcome) => Result::err(outcome),
        Err(payload) if PowerCut::caused(&payload) => None,
        Err(payload) => resume_unwind(payload),
    };
    outcomes.into_iter().filter_map(breach).collect()
}

#[test]
fn whatever_a_power_cut_leaves_behind_holds() {
    let zone = Zone::new(FRAMES);
    let (mut acknowledged, mut in_flight, mut leaked, mut owned) = (0, 0, 0, 0);
    for seed in 0..300 {
        let steps = 200 + seed * 7 % 1500;
        let breaches = cycle(&zone, seed, steps);
        assert!(breaches.is_empty(), "seed {seed}: {breaches:?}");
        let judgement = zone.judge();
        assert!(judgement.holds(), "seed {seed}: {judgement:?}");
        assert!(judgement.leaked <= judgement.bound, "seed {seed}");
        acknowledged += judgement.acknowledged;
        in_flight += judgement.in_flight;
        leaked += judgement.leaked;
        owned += judgement.owned;

        let allocated = |frame| zone.alloc.is_allocated(frame);
        let freed = reclaim(&zone.ledger(), &allocated, &mut &zone.alloc);
        assert_eq!(freed, Ok(judgement.leaked), "seed {seed}");
        assert_eq!(zone.alloc.free(), FRAMES as u64 - judgement.owned_frames);
        zone.ledger().settle(Phase::Idle);
    }
    println!(
        "300 cycles: {acknowledged} acknowledged, {in_flight} in flight, {owned} blocks \
         checked, {leaked} frames leaked"
    );
    // The power of the test: cuts did hit operations, and some of those leaked.
    assert!(acknowledged > 10_000 && in_flight > 200 && leaked > 1000 && owned > 1000);
}

/// Positive control: what one step of forgetting does after each cut.
#[test]
fn an_allocator_that_forgets_one_block_in_a_crash_is_found_every_time() {
    for seed in 0..30 {
        let zone = Zone::new(FRAMES);
        cycle(&zone, seed, 2000);
        let survivors: Vec<_> = zone.ledger().survivors().collect();
        let usize_seed = usize::try_from(seed).expect("a small seed");
        let block = survivors[usize_seed % survivors.len()];
        zone.alloc.set(FrameId(block.end() - 1), false);
        assert_eq!(kinds(&zone.judge()), "l", "seed {seed}");
    }
}

/// Positive control: a recovery that forgets acknowledged frees.
#[test]
fn a_recovery_that_keeps_everything_allocated_is_found_every_time() {
    for seed in 0..30 {
        let zone = Zone::new(FRAMES);
        cycle(&zone, seed, 2000);
        (0..FRAMES).for_each(|frame| zone.alloc.set(FrameId(frame), true));
        assert_eq!(kinds(&zone.judge()), "x", "seed {seed}");
    }
}

/// One thread, so that what happens follows from the seed alone.
#[test]
fn the_workload_keeps_about_half_of_the_memory_and_reaches_every_order() {
    struct Counted<'a>(&'a Simple, [usize; 11]);
    impl FrameAlloc for Counted<'_> {
        type Error = NotAllocated;
        fn get(&mut self, order: Order) -> Option<FrameId> {
            let frame = self.0.get(order)?;
            self.1[usize::from(order.exponent())] += 1;
            Some(frame)
        }
        fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotAllocated> {
            self.0.put(frame, order)
        }
        fn drain(&mut self) {}
    }
    let zone = Zone::new(FRAMES);
    let (ledger, stamps) = (zone.ledger(), zone.stamps());
    let mut worker = ledger.worker(0, &stamps).expect("a settled line");
    let mut alloc = Counted(&zone.alloc, [0; 11]);
    let mut buffer = vec![Held::VACANT; FRAMES];
    let mut held = Held::new(&mut buffer);
    let mix = Mix::half_of(FRAMES, 1);
    for seed in 0..10 {
        let rounds = core::cell::Cell::new(1000);
        let stop = || rounds.replace(rounds.get() - 1) == 0;
        let outcome = run_until(&mut worker, &mut alloc, &mut held, &mix, seed, stop);
        assert_eq!(outcome, Ok(()));
        let fill = held.frames();
        assert!((FRAMES / 4..FRAMES * 3 / 4).contains(&fill), "{fill}");
        assert_eq!(zone.alloc.free(), (FRAMES - fill) as u64);
        assert!(zone.judge().holds());
    }
    assert!(alloc.1.iter().all(|&count| count > 10), "{:?}", alloc.1);
}
