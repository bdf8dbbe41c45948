//! Threads that behave like the processors of a kernel: pinned, and started
//! together.
//!
//! A thread that migrates in the middle of a repetition brings cold caches along,
//! and a barrier that sleeps wakes its threads tens of microseconds apart. So each
//! thread is bound to one processor, and the barrier spins; it yields after a
//! while, since the host may have given the other processor to somebody else.

use std::{
    hint,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use workload::Machine;

/// This thread, for the calls that take a process.
const SELF: Pid = Pid::from_raw(0);

/// Rounds of waiting before the thread offers its processor to others.
const SPINS: u32 = 10_000;

/// Returns the processors that this process may run on.
pub(super) fn available() -> Result<Vec<usize>> {
    let set = sched_getaffinity(SELF).context("cannot read the processor affinity")?;
    let allowed = |&cpu: &usize| set.is_set(cpu).unwrap_or(false);
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(allowed).collect();
    ensure!(
        !cpus.is_empty(),
        "the processor affinity of this process is empty"
    );
    Ok(cpus)
}

/// Binds this thread to a processor.
fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(SELF, &set))
        .with_context(|| format!("cannot bind a thread to processor {cpu}"))
}

/// Runs `work` on this number of processors at once, and returns what each of
/// them returned.
pub(super) fn on_each<T: Send>(
    cpus: usize,
    work: impl Fn(&Processor<'_>) -> T + Sync,
) -> Result<Vec<T>> {
    let available = available()?;
    ensure!(
        cpus <= available.len(),
        "{cpus} processors are needed, {} may be used",
        available.len()
    );
    let barrier = Barrier::default();
    let epoch = Instant::now();
    let run = |cpu: usize| {
        // All arrive at the barriers, bound or not: the others would hang.
        let pinned = pin(available[cpu]);
        let processor = Processor {
            cpu,
            cpus,
            barrier: &barrier,
            epoch,
        };
        processor.barrier();
        let result = work(&processor);
        pinned.map(|()| result)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cpus).map(|cpu| scope.spawn(move || run(cpu))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a panic ends the process"))
            .collect()
    })
}

/// One processor among those of [`on_each`]. Its ticks are nanoseconds.
pub(super) struct Processor<'a> {
    cpu: usize,
    cpus: usize,
    barrier: &'a Barrier,
    epoch: Instant,
}

impl Machine for Processor<'_> {
    fn cpu(&self) -> usize {
        self.cpu
    }

    fn cpus(&self) -> usize {
        self.cpus
    }

    // `CLOCK_MONOTONIC` reads the time stamp counter behind a fence.
    #[inline]
    fn ticks(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).expect("a run ends within 500 years")
    }

    fn barrier(&self) {
        self.barrier.wait(self.cpus);
    }
}

/// A barrier that spins, used again and again.
#[derive(Default)]
struct Barrier {
    arrived: AtomicUsize,
    generation: AtomicUsize,
}

impl Barrier {
    fn wait(&self, cpus: usize) {
        let generation = self.generation.load(Ordering::Relaxed);
        // Release for what this thread wrote before, Acquire for what those
        // wrote that arrived earlier; the last one passes both on below.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == cpus {
            self.arrived.store(0, Ordering::Relaxed);
            // Release pairs with the Acquire of those who wait.
            self.generation.store(generation + 1, Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            spins += 1;
            if spins % SPINS == 0 {
                thread::yield_now();
            }
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_a_barrier_before_all_have_arrived() {
        let arrived = AtomicUsize::new(0);
        let cpus = available().expect("an affinity").len().min(2);
        let early = on_each(cpus, |processor| {
            (1..=1000).any(|round| {
                arrived.fetch_add(1, Ordering::Relaxed);
                processor.barrier();
                let early = arrived.load(Ordering::Relaxed) < round * cpus;
                processor.barrier();
                early
            })
        });
        assert!(early.expect("threads").iter().all(|early| !early));
    }

    #[test]
    fn more_processors_than_there_are_is_an_error_with_both_numbers() {
        let error = on_each(100_000, |_| ()).expect_err("nobody has that many");
        assert!(
            error.to_string().starts_with("100000 processors"),
            "{error}"
        );
    }
}
