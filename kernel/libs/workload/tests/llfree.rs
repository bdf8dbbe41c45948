//! The real allocator under the ledger: threads that are cut off in the middle
//! of its operations, recovery, judgement.
//!
//! What is cut is what a platform with flushed caches keeps: every store that
//! was made, none that was not. The power may go before each access to a shared
//! word, in the allocator as in the ledger.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use frame::{FrameId, Order};
use llfree::{Fate, Layout, Local, Memory, PutError, Zone};
use persist::{Eadr, Event, Observed, Persist};
use workload::FrameAlloc;
use workload::crash::{Held, Mix, run_until};
use workload::ledger::{
    Account, Breach, Config, Fault, Judgement, Ledger, Medium, Ordered, Phase, judge, reclaim,
};
use workload::oracle::conserved;
use workload::stamp::{Stamp, Stamper, Stamps, stamped};

/// Two trees and a part of one, whose last huge frame is incomplete.
const FRAMES: usize = 2 * 32 * 512 + 5 * 512 + 77;
const CPUS: usize = 3;
const EPOCH: u64 = 0x0123_4567_89ab_cdef;

struct Alloc<'l, 'z, 'm, P: Persist>(&'l mut Local<'z, 'm, P>);

impl<P: Persist> FrameAlloc for Alloc<'_, '_, '_, P> {
    type Error = PutError;
    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.0.get(order).ok()
    }
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        self.0.put(frame, order)
    }
    fn drain(&mut self) {
        self.0.drain();
    }
}

/// A power supply that fails at a certain step of all threads together.
struct Power {
    steps_left: AtomicU64,
}

struct Cut;

/// Spreads successive numbers over all bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Power {
    fn for_steps(steps: u64) -> Self {
        let steps_left = AtomicU64::new(steps);
        Self { steps_left }
    }

    fn is_off(&self) -> bool {
        self.steps_left.load(Ordering::SeqCst) == 0
    }

    /// Does not return once the power is off: the thread ends where it is.
    fn step(&self) {
        let less = |left: u64| left.checked_sub(1);
        match (self.steps_left).fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Err(_) => resume_unwind(Box::new(Cut)),
            // Every now and then another thread goes on: a whole life is shorter
            // than a time slice.
            Ok(left) if left.wrapping_mul(ODD) >> 58 == 0 => {
                std::thread::yield_now();
            }
            Ok(_) => {}
        }
    }

    /// Runs `work` until it ends or the power does.
    fn supply<T>(work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(payload) if payload.is::<Cut>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl Medium for &Power {
    fn settle(&self, _: &[AtomicU64]) {
        self.step();
    }
}

/// The content of frames, of which only the words of the stamp are kept.
struct Content(Vec<[AtomicU64; Stamp::WORDS]>);

impl Stamper for Content {
    fn stamp(&self, block: FrameId, order: Order, generation: u64) {
        for frame in stamped(block, order) {
            let stamp = Stamp::new(EPOCH, frame, generation).words();
            let pairs = self.0[frame.0].iter().zip(stamp);
            pairs.for_each(|(word, value)| word.store(value, Ordering::Relaxed));
        }
    }
}

impl Stamps for Content {
    fn check(&self, block: FrameId, order: Order, generation: u64) -> bool {
        stamped(block, order).all(|frame| {
            let stamp = Stamp::new(EPOCH, frame, generation).words();
            let found = self.0[frame.0].each_ref();
            found.map(|word| word.load(Ordering::Relaxed)) == stamp
        })
    }
}

/// Bytes that start at a cache line.
struct Lines(Vec<u8>, usize);

impl Lines {
    fn new(len: usize) -> Self {
        Self(vec![0xa5; len + 63], len)
    }

    fn get(&mut self) -> &mut [u8] {
        let start = self.0.as_ptr().align_offset(64);
        &mut self.0[start..start + self.1]
    }
}

/// All that survives: tables, ledger and content.
struct Nvdimm {
    lower: Lines,
    annex: Vec<AtomicU64>,
    content: Content,
}

impl Nvdimm {
    fn new() -> Self {
        let zeroed = |len| (0..len).map(|_| AtomicU64::new(0)).collect();
        let content = (0..FRAMES).map(|_| Default::default()).collect();
        let mut new = Self {
            lower: Lines::new(Layout::for_frames(FRAMES, CPUS).lower_bytes),
            annex: zeroed(Ledger::bytes(FRAMES) / 8),
            content: Content(content),
        };
        let config = Config {
            frames: FRAMES,
            epoch: EPOCH,
            seed: 1,
            cycles: 0,
        };
        Ledger::format(&new.annex, &config, Ordered).expect("enough memory");
        let mut upper = upper();
        let memory = Memory {
            lower: new.lower.get(),
            upper: upper.get(),
        };
        Zone::<'_, Eadr>::create(FRAMES, CPUS, memory, Eadr).expect("enough memory");
        new
    }

    fn ledger(&self) -> Ledger<'_> {
        Ledger::open(&self.annex, Ordered).expect("a ledger")
    }

    /// Works until the power goes; returns what was noticed before that.
    fn work(&mut self, seed: u64, steps: u64) -> Vec<Breach<PutError>> {
        self.ledger().begin();
        let power = Power::for_steps(u64::MAX);
        let platform = Observed::new(Eadr, |_: Event| power.step());
        let mut upper = upper();
        let memory = Memory {
            lower: self.lower.get(),
            upper: upper.get(),
        };
        let recovered = Zone::recover(FRAMES, CPUS, memory, platform);
        let (zone, _): (Zone<'_, _>, _) = recovered.expect("enough memory");
        let ledger = Ledger::open(&self.annex, &power).expect("a ledger");
        let (content, barrier) = (&self.content, Barrier::new(CPUS));

        let one = |cpu: u8| {
            let mut buffer = vec![Held::VACANT; FRAMES];
            let mut held = Held::new(&mut buffer);
            held.adopt(&ledger, usize::from(cpu), CPUS);
            let mut worker = ledger.worker(cpu, content).expect("a settled line");
            let local = zone.local(usize::from(cpu)).expect("a free handle");
            // Nobody gives anything back once the power is off.
            let mut local = ManuallyDrop::new(local);
            let mut alloc = Alloc(&mut local);
            let mix = Mix::half_of(FRAMES, CPUS);
            if barrier.wait().is_leader() {
                power.steps_left.store(steps, Ordering::SeqCst);
            }
            barrier.wait();
            let stop = || power.is_off();
            Power::supply(|| run_until(&mut worker, &mut alloc, &mut held, &mix, seed, stop))
        };
        let one = &one;
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let spawn = |cpu| scope.spawn(move || one(cpu));
            let threads: Vec<_> = (0..).take(CPUS).map(spawn).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|outcome| outcome.expect("no panic")).collect()
        });
        let breach = |outcome: Option<Result<(), _>>| outcome.and_then(Result::err);
        outcomes.into_iter().filter_map(breach).collect()
    }

    /// Recovers and judges, and if all is well, reclaims what leaked.
    fn recover(&mut self) -> Judgement {
        let mut upper = upper();
        let memory = Memory {
            lower: self.lower.get(),
            upper: upper.get(),
        };
        let recovered = Zone::recover(FRAMES, CPUS, memory, Eadr);
        let (zone, _): (Zone<'_, Eadr>, _) = recovered.expect("enough memory");
        let ledger = Ledger::open(&self.annex, Ordered).expect("a ledger");
        let doubts: Vec<_> = zone.uncertain().collect();
        assert!(doubts.len() <= 64 * CPUS, "a row for each processor");
        let account = Account {
            allocated: |frame| zone.is_allocated(frame),
            uncertain: |frame| doubts.contains(&frame),
        };
        let judgement = judge(&ledger, &account, &self.content);
        if judgement.holds() {
            // The allocator's count, against its bits and against the ledger.
            let free = zone.stats().free as u64;
            assert_eq!(conserved(judgement.free, free), Ok(()));
            let allocated_frames = judgement.owned_frames + judgement.leaked;
            assert_eq!(free, FRAMES as u64 - allocated_frames);
            let mut local = zone.local(0).expect("a free handle");
            let freed = reclaim(&ledger, &account, &mut Alloc(&mut local));
            assert_eq!(freed, Ok(judgement.leaked));
            let after = zone.stats().free as u64;
            assert_eq!(after, free + judgement.leaked);
            // What nobody owned has been freed; the rest is in use.
            for frame in zone.uncertain() {
                zone.resolve(frame, Fate::Keep).expect("it is listed");
            }
            assert_eq!(zone.uncertain().count(), 0);
            ledger.settle(Phase::Idle);
        }
        judgement
    }
}

fn upper() -> Lines {
    Lines::new(Layout::for_frames(FRAMES, CPUS).upper_bytes)
}

#[test]
fn whatever_a_power_cut_leaves_of_the_allocator_holds() {
    let mut nvdimm = Nvdimm::new();
    let mut sums = [0; 5];
    for seed in 0..200 {
        let breaches = nvdimm.work(seed, 500 + seed * 997 % 15_000);
        assert!(breaches.is_empty(), "seed {seed}: {breaches:?}");
        let judgement = nvdimm.recover();
        assert!(judgement.holds(), "seed {seed}: {judgement:#?}");
        let counts = [
            judgement.acknowledged,
            judgement.in_flight,
            judgement.owned,
            judgement.leaked,
            judgement.uncertain,
        ];
        sums.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    let [acknowledged, in_flight, owned, leaked, uncertain] = sums;
    println!(
        "200 cycles: {acknowledged} acknowledged, {in_flight} in flight, {owned} blocks \
         checked, {leaked} frames leaked, of which {uncertain} are listed"
    );
    assert!(acknowledged > 20_000 && in_flight > 250 && leaked > 500 && owned > 10_000);
}

/// Recovery is cut off again and again, each time a few steps later.
#[test]
fn a_power_cut_during_recovery_changes_nothing() {
    let mut nvdimm = Nvdimm::new();
    let mut cuts = 0;
    for seed in 0..5 {
        nvdimm.work(seed, 10_000);
        for steps in (0..).step_by(41) {
            let power = Power::for_steps(steps);
            let platform = Observed::new(Eadr, |_: Event| power.step());
            let mut upper = upper();
            let memory = Memory {
                lower: nvdimm.lower.get(),
                upper: upper.get(),
            };
            let recovery = Power::supply(|| {
                Zone::<'_, _>::recover(FRAMES, CPUS, memory, platform).map(|_| ())
            });
            if recovery.is_some() {
                break;
            }
            cuts += 1;
        }
        let judgement = nvdimm.recover();
        assert!(judgement.holds(), "seed {seed}: {judgement:#?}");
    }
    println!("{cuts} cuts during recovery");
    assert!(cuts > 50);
}

/// Positive controls: damage to the tables between crash and recovery.
mod damage {
    use super::*;

    /// Where the entries start: after the bitfields, one line each.
    const ENTRIES: usize = FRAMES.div_ceil(512) * 64;

    fn crashed() -> Nvdimm {
        let mut nvdimm = Nvdimm::new();
        assert!(nvdimm.work(7, 10_000).is_empty());
        nvdimm
    }

    #[test]
    fn an_owned_frame_whose_bit_is_gone_is_lost() {
        let mut nvdimm = crashed();
        let ledger = nvdimm.ledger();
        let small = ledger.survivors().find(|block| block.order.exponent() < 6);
        let FrameId(frame) = small.expect("a small block").frame;
        nvdimm.lower.get()[frame / 8] &= !(1 << (frame % 8));
        let judgement = nvdimm.recover();
        assert_eq!(judgement.lost.count, 1, "{judgement:?}");
        let lost =
            matches!(judgement.lost.first, Some(Fault::Lost { frame: f, .. }) if f.0 == frame);
        assert!(lost, "{judgement:?}");
    }

    #[test]
    fn an_owned_huge_frame_whose_entry_is_free_is_lost() {
        let mut nvdimm = crashed();
        let ledger = nvdimm.ledger();
        let huge = ledger.survivors().find(|block| block.order == Order::HUGE);
        let huge = huge.expect("a huge block").frame.0 / 512;
        nvdimm.lower.get()[ENTRIES + 2 * huge..][..2].copy_from_slice(&512_u16.to_le_bytes());
        let judgement = nvdimm.recover();
        assert_eq!(judgement.lost.count, 512, "{judgement:?}");
    }

    #[test]
    fn frees_that_are_forgotten_are_in_excess() {
        let mut nvdimm = crashed();
        nvdimm.lower.get()[..ENTRIES].fill(0xff);
        let judgement = nvdimm.recover();
        assert!(judgement.excess.count > 1000, "{judgement:?}");
    }

    #[test]
    fn tables_made_anew_lose_everything() {
        let mut nvdimm = crashed();
        let mut upper = upper();
        let memory = Memory {
            lower: nvdimm.lower.get(),
            upper: upper.get(),
        };
        Zone::<'_, Eadr>::create(FRAMES, CPUS, memory, Eadr).expect("enough memory");
        let judgement = nvdimm.recover();
        assert_eq!(judgement.lost.count, judgement.owned_frames);
    }
}
