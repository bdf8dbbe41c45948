//! A barrier that gives up.
//!
//! All processors of a job meet here, over and over. Each round turns the sense
//! around, so a fast processor that arrives for the next round can't be mistaken
//! for a slow one of this. If somebody never comes, because the code under test
//! hangs, the barrier breaks: everybody passes, now and in future, and the job
//! ends with an error and not with silence.
//!
//! On hardware everybody spins, so that all leave within nanoseconds. A virtual
//! processor that spins takes time from those it waits for; there, all but
//! processor 0, which watches the clock, soon fall asleep and are woken.

use core::{
    hint,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use x86_64::instructions::interrupts;

use crate::arch::{
    apic, cpu,
    tsc::{self, Clock},
};

/// How long a processor waits; emulation with more processors than the host has
/// makes some rounds slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a virtual processor spins before it falls asleep.
const DROWSY: Duration = Duration::from_micros(20);

/// Where processors meet.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Barrier {
    missing: AtomicUsize,
    sense: AtomicBool,
    broken: AtomicBool,
    sleepers: AtomicUsize,
    cpus: usize,
    patience_ticks: u64,
    drowsy_ticks: u64,
}

impl Barrier {
    /// Returns a barrier for processors `0..cpus`.
    pub(crate) fn new(cpus: usize, clock: &Clock) -> Self {
        let drowsy_ticks = if cpu::is_virtual() {
            clock.ticks_in(DROWSY)
        } else {
            u64::MAX
        };
        Self {
            missing: AtomicUsize::new(cpus),
            sense: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            cpus,
            patience_ticks: clock.ticks_in(PATIENCE),
            drowsy_ticks,
        }
    }

    /// Returns whether somebody did not come in time.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Waits as processor `cpu` until all have arrived, or the barrier breaks.
    pub(crate) fn wait(&self, cpu: usize) {
        if self.is_broken() {
            return;
        }
        // The sense can't turn before this processor has arrived.
        let round = self.sense.load(Ordering::Relaxed);
        // AcqRel: the arrivals form a chain, so the last one has seen what all
        // the others wrote before theirs.
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.missing.store(self.cpus, Ordering::Relaxed);
            self.open(!round);
        } else {
            self.linger(cpu, round);
        }
    }

    /// Lets everybody pass who waits for this sense.
    fn open(&self, sense: bool) {
        // Publishes what everybody wrote before, and the new count. Sequentially
        // consistent, as is the load: either this processor sees a sleeper, or
        // the sleeper sees the new sense before it falls asleep.
        self.sense.store(sense, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            apic::wake_others();
        }
    }

    fn linger(&self, cpu: usize, round: bool) {
        let start = tsc::ticks();
        // Acquire pairs with the store in `open`.
        while self.sense.load(Ordering::Acquire) == round && !self.is_broken() {
            hint::spin_loop();
            let waited = tsc::ticks().wrapping_sub(start);
            if cpu == 0 && waited > self.patience_ticks {
                self.give_up(round);
            } else if cpu != 0 && waited > self.drowsy_ticks {
                self.sleep(round);
            }
        }
    }

    /// Sleeps unless this round is over; any interrupt ends it.
    fn sleep(&self, round: bool) {
        let was_enabled = interrupts::are_enabled();
        interrupts::disable();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // A wake-up sent from here on waits until the processor sleeps.
        if self.sense.load(Ordering::SeqCst) == round && !self.is_broken() {
            interrupts::enable_and_hlt();
            interrupts::disable();
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        if was_enabled {
            interrupts::enable();
        }
    }

    fn give_up(&self, round: bool) {
        // It orders nothing: the job has failed and its results with it.
        self.broken.store(true, Ordering::SeqCst);
        self.open(round);
    }
}

/// One processor's place in a job, as workloads see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat<'b> {
    cpu: usize,
    barrier: &'b Barrier,
}

impl<'b> Seat<'b> {
    /// Returns the place of processor `cpu` at this barrier.
    pub(crate) fn new(cpu: usize, barrier: &'b Barrier) -> Self {
        Self { cpu, barrier }
    }
}

impl workload::Machine for Seat<'_> {
    fn cpu(&self) -> usize {
        self.cpu
    }

    fn cpus(&self) -> usize {
        self.barrier.cpus
    }

    fn ticks(&self) -> u64 {
        tsc::ticks_fenced()
    }

    fn barrier(&self) {
        self.barrier.wait(self.cpu);
    }
}
