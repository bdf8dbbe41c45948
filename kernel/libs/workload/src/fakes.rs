//! Machines and allocators for tests: simple ones that are right, and wrappers
//! that make them wrong in one way each.

use core::any::Any;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use std::boxed::Box;
use std::sync::{Barrier, Mutex};
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use frame::{FrameId, Order};

use crate::{FrameAlloc, Machine};

/// A processor that is a thread.
pub(crate) struct Thread<'a> {
    pub(crate) cpu: usize,
    pub(crate) cpus: usize,
    pub(crate) barrier: &'a Barrier,
    pub(crate) start: Instant,
}

impl Machine for Thread<'_> {
    fn cpu(&self) -> usize {
        self.cpu
    }
    fn cpus(&self) -> usize {
        self.cpus
    }
    fn ticks(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).expect("a test of less than 584 years")
    }
    fn barrier(&self) {
        self.barrier.wait();
    }
}

/// Runs `work` on as many threads as processors and returns what they return.
pub(crate) fn on_threads<T: Send>(cpus: usize, work: impl Fn(Thread<'_>) -> T + Sync) -> Vec<T> {
    let (barrier, start) = (Barrier::new(cpus), Instant::now());
    std::thread::scope(|scope| {
        let spawn = |cpu| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                work(Thread {
                    cpu,
                    cpus,
                    barrier,
                    start,
                })
            })
        };
        let threads: Vec<_> = (0..cpus).map(spawn).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, T>| t.join().expect("no panic");
        threads.into_iter().map(join).collect()
    })
}

/// Why [`Simple`] refuses a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAllocated(pub(crate) FrameId);

/// An allocator that is simple enough to be believed: a lock and a flag a frame.
pub(crate) struct Simple(Mutex<Flags>);

struct Flags {
    allocated: Vec<bool>,
    hint: usize,
}

impl Simple {
    pub(crate) fn new(frames: usize) -> Self {
        let allocated = vec![false; frames];
        Self(Mutex::new(Flags { allocated, hint: 0 }))
    }

    pub(crate) fn free(&self) -> u64 {
        let flags = self.0.lock().expect("no panic inside");
        flags
            .allocated
            .iter()
            .filter(|&&allocated| !allocated)
            .count() as u64
    }

    pub(crate) fn is_allocated(&self, frame: FrameId) -> bool {
        self.0.lock().expect("no panic inside").allocated[frame.0]
    }

    /// Changes one frame behind everybody's back.
    pub(crate) fn set(&self, frame: FrameId, allocated: bool) {
        self.0.lock().expect("no panic inside").allocated[frame.0] = allocated;
    }
}

impl FrameAlloc for &Simple {
    type Error = NotAllocated;

    fn get(&mut self, order: Order) -> Option<FrameId> {
        let mut flags = self.0.lock().expect("no panic inside");
        let (len, blocks) = (order.frames(), flags.allocated.len() / order.frames());
        let first = flags.hint / len;
        let frame = (first..first + blocks)
            .map(|block| block % blocks * len)
            .find(|&frame| !flags.allocated[frame..frame + len].contains(&true))?;
        flags.allocated[frame..frame + len].fill(true);
        flags.hint = frame + len;
        Some(FrameId(frame))
    }

    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotAllocated> {
        let mut flags = self.0.lock().expect("no panic inside");
        let block = &mut flags.allocated[frame.0..frame.0 + order.frames()];
        if let Some(free) = block.iter().position(|&allocated| !allocated) {
            return Err(NotAllocated(FrameId(frame.0 + free)));
        }
        block.fill(false);
        Ok(())
    }

    fn drain(&mut self) {}
}

/// A mistake that a wrapped allocator makes, once, at its n-th call.
#[derive(Clone, Copy)]
pub(crate) enum Mistake {
    /// The get returns what the one before returned.
    GetTwice(u64),
    /// The put does nothing and says that it did.
    PutNothing(u64),
}

/// An allocator that is right but for one call.
pub(crate) struct Mistaken<A> {
    pub(crate) alloc: A,
    pub(crate) mistake: Mistake,
    gets: u64,
    puts: u64,
    last: Option<FrameId>,
}

impl<A> Mistaken<A> {
    pub(crate) fn new(alloc: A, mistake: Mistake) -> Self {
        Self {
            alloc,
            mistake,
            gets: 0,
            puts: 0,
            last: None,
        }
    }
}

impl<A: FrameAlloc> FrameAlloc for Mistaken<A> {
    type Error = A::Error;

    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.gets += 1;
        if !matches!(self.mistake, Mistake::GetTwice(nth) if nth == self.gets) {
            self.last = self.alloc.get(order);
        }
        self.last
    }

    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), A::Error> {
        self.puts += 1;
        match self.mistake {
            Mistake::PutNothing(nth) if nth == self.puts => Ok(()),
            _ => self.alloc.put(frame, order),
        }
    }

    fn drain(&mut self) {
        self.alloc.drain();
    }
}

/// A clock that advances by one tick at each call of a [`Counting`] allocator
/// and leaps at each barrier.
#[derive(Default)]
pub(crate) struct Clock(Cell<u64>);

impl Clock {
    /// Ticks that a barrier takes: more than all calls of a test together.
    pub(crate) const LEAP: u64 = 1 << 32;
}

/// A single processor whose time is a [`Clock`].
impl Machine for Clock {
    fn cpu(&self) -> usize {
        0
    }
    fn cpus(&self) -> usize {
        1
    }
    fn ticks(&self) -> u64 {
        self.0.get()
    }
    fn barrier(&self) {
        self.0.set(self.0.get() + Self::LEAP);
    }
}

/// An allocator whose calls take one tick each.
pub(crate) struct Counting<'a, A> {
    pub(crate) alloc: A,
    pub(crate) clock: &'a Clock,
}

impl<A: FrameAlloc> FrameAlloc for Counting<'_, A> {
    type Error = A::Error;

    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.clock.0.set(self.clock.0.get() + 1);
        self.alloc.get(order)
    }

    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), A::Error> {
        self.clock.0.set(self.clock.0.get() + 1);
        self.alloc.put(frame, order)
    }

    fn drain(&mut self) {
        self.alloc.drain();
    }
}

/// A power supply that fails at a certain step of all threads together.
pub(crate) struct PowerCut {
    steps: AtomicU64,
    at: u64,
}

struct Cut;

impl PowerCut {
    /// Fails at the given step.
    pub(crate) fn at(at: u64) -> Self {
        let steps = AtomicU64::new(0);
        Self { steps, at }
    }

    /// Returns whether the power is off.
    pub(crate) fn is_off(&self) -> bool {
        self.steps.load(Ordering::SeqCst) >= self.at
    }

    /// Does not return once the power is off: the thread ends where it is.
    pub(crate) fn step(&self) {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if step >= self.at {
            std::panic::resume_unwind(Box::new(Cut));
        }
        // Every now and then another thread goes on: a whole life is shorter
        // than a time slice.
        if step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59 == 0 {
            std::thread::yield_now();
        }
    }

    /// Returns whether a thread ended for lack of power.
    pub(crate) fn caused(payload: &Box<dyn Any + Send>) -> bool {
        payload.is::<Cut>()
    }
}
