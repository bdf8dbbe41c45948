//! A one-shot timer that interrupts the processor in the middle of what it does.
//!
//! This is what a crash at a random instant needs: an event that the interrupted
//! code neither expects nor polls for.

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use spin::Mutex;
use x86_64::instructions::interrupts;

use super::{apic, tsc::Clock};

/// What to do when the timer expires.
static EXPIRY: Mutex<Option<Handler>> = Mutex::new(None);

/// Counts of the timer in a second, 0 until it has been calibrated.
static COUNTS_PER_SECOND: AtomicU64 = AtomicU64::new(0);

/// Called in the interrupt; must neither print nor allocate, since what it
/// interrupts may hold either lock.
pub(crate) type Handler = &'static (dyn Fn() + Sync);

/// Measures the timer's frequency against the time stamp counter.
pub(crate) fn calibrate(clock: &Clock) {
    let span = Duration::from_millis(5);
    if let Some(counts) = apic::count_during(|| clock.wait(span)) {
        let per_second = u64::from(counts) * 1000 / 5;
        // The timer is armed by the processor that calibrates it.
        COUNTS_PER_SECOND.store(per_second, Ordering::Relaxed);
    }
}

/// Calls `handler` on this processor after `delay`, and enables interrupts, so
/// that it can.
pub(crate) fn arm(delay: Duration, handler: Handler) {
    interrupts::without_interrupts(|| *EXPIRY.lock() = Some(handler));
    // `calibrate` ran on this processor.
    let per_second = COUNTS_PER_SECOND.load(Ordering::Relaxed);
    let counts = delay.as_nanos() * u128::from(per_second) / 1_000_000_000;
    apic::start_timer(u32::try_from(counts).unwrap_or(u32::MAX).max(1));
    interrupts::enable();
}

/// Disables interrupts and forgets what was armed.
pub(crate) fn disarm() {
    interrupts::disable();
    apic::stop_timer();
    *EXPIRY.lock() = None;
}

/// Runs what was armed; called by the interrupt.
pub(super) fn expired() {
    // Nobody holds the lock with interrupts enabled, so a failure means another
    // processor: the timer was armed twice, and the other one takes the call.
    let armed = EXPIRY.try_lock().and_then(|mut expiry| expiry.take());
    if let Some(handler) = armed {
        handler();
    }
}
