//! The life of a processor other than the boot processor.
//!
//! It sleeps until it is woken by an interrupt, looks whether there is a job, and
//! does it. The interrupt carries nothing; looking and falling asleep are one
//! step, since interrupts are only enabled by the instruction before `hlt`.

use core::{
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use x86_64::instructions::interrupts;

/// Work for a processor; the argument is the processor's number.
pub(super) type Job = dyn Fn(usize) + Sync;

/// The desk of one processor: where its jobs are put.
#[repr(align(64))]
pub(super) struct Desk {
    /// Number of the last job that was put here.
    ordered: AtomicU64,
    /// Number of the last job that was done.
    done: AtomicU64,
    job: UnsafeCell<Option<*const Job>>,
}

// SAFETY: `job` is written by the boot processor only while `ordered == done`
// and read by the desk's processor only while they differ; `ordered` and `done`
// hand it over.
unsafe impl Sync for Desk {}
// SAFETY: the pointer in it is to a `Sync` closure.
unsafe impl Send for Desk {}

impl Desk {
    /// Returns an empty desk.
    pub(super) const fn new() -> Self {
        Self {
            ordered: AtomicU64::new(0),
            done: AtomicU64::new(0),
            job: UnsafeCell::new(None),
        }
    }

    /// Puts a job on the desk; its processor has to be woken.
    ///
    /// # Safety
    ///
    /// 1. The previous job is done.
    /// 2. Only the boot processor calls this.
    /// 3. The job lives until [`Desk::is_done`] or until the processor is stopped.
    pub(super) unsafe fn put(&self, job: *const Job) {
        // SAFETY: the desk's processor does not look while there is no job
        // (clause 1), and nobody else writes (clause 2).
        unsafe { *self.job.get() = Some(job) };
        // Release: whoever sees the number sees the job; pairs with `work`.
        self.ordered.fetch_add(1, Ordering::Release);
    }

    /// Returns whether the last job is done, and everything it wrote visible.
    pub(super) fn is_done(&self) -> bool {
        // Acquire pairs with the Release in `work`. `ordered` is our own.
        self.done.load(Ordering::Acquire) == self.ordered.load(Ordering::Relaxed)
    }

    /// Does jobs for ever.
    pub(super) fn work(&self, cpu: usize) -> ! {
        loop {
            interrupts::disable();
            // Acquire pairs with the Release in `put`. `done` is our own.
            let ordered = self.ordered.load(Ordering::Acquire);
            if ordered == self.done.load(Ordering::Relaxed) {
                interrupts::enable_and_hlt();
                continue;
            }
            // SAFETY: between `put` and `done` the boot processor leaves it alone.
            let job = unsafe { ptr::replace(self.job.get(), None) };
            if let Some(job) = job {
                // SAFETY: it lives until `done` says otherwise (`put`, clause 3).
                let job = unsafe { &*job };
                job(cpu);
            }
            // Release: what the job wrote is visible to whoever sees it done.
            self.done.store(ordered, Ordering::Release);
        }
    }
}
