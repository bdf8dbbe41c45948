//! The console's lock, which outlives the processor that holds it.
//!
//! A processor may stop answering at any instant, with the console in its hands.
//! So nobody waits for the lock for ever, and it says who has it: once that
//! processor has been stopped for good, the lock is taken from it.

use core::{
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicUsize, Ordering},
};

use spin::{Mutex, MutexGuard};

use crate::smp;

/// How often a processor tries before it gives up: for seconds.
const POLLS: u32 = 500_000_000;
const NOBODY: usize = usize::MAX;

/// A value that one processor at a time may use.
pub(super) struct Lock<T> {
    mutex: Mutex<T>,
    /// The processor that has it.
    holder: AtomicUsize,
}

/// The value, while it is ours.
pub(super) struct Held<'l, T> {
    value: MutexGuard<'l, T>,
    holder: &'l AtomicUsize,
}

impl<T> Lock<T> {
    /// Returns the value, free for everybody.
    pub(super) const fn new(value: T) -> Self {
        Self {
            mutex: Mutex::new(value),
            holder: AtomicUsize::new(NOBODY),
        }
    }

    /// Takes the value, or gives up after some seconds.
    pub(super) fn take(&self) -> Option<Held<'_, T>> {
        self.take_within(POLLS)
    }

    /// Takes the value, or gives up after so many attempts.
    pub(super) fn take_within(&self, polls: u32) -> Option<Held<'_, T>> {
        let attempt = |_| {
            let value = self.mutex.try_lock();
            if value.is_none() {
                core::hint::spin_loop();
            }
            value
        };
        let value = (0..polls).find_map(attempt)?;
        // Relaxed: it is read for a processor that has been stopped.
        self.holder.store(smp::cpu(), Ordering::Relaxed);
        let holder = &self.holder;
        Some(Held { value, holder })
    }

    /// Returns whether processor `cpu` has the value.
    pub(super) fn is_held_by(&self, cpu: usize) -> bool {
        self.holder.load(Ordering::Relaxed) == cpu
    }

    /// Takes the value away from whoever has it.
    ///
    /// # Safety
    ///
    /// 1. Nobody will use it any more on account of having taken it.
    pub(super) unsafe fn free(&self) {
        self.holder.store(NOBODY, Ordering::Relaxed);
        // SAFETY: clause 1.
        unsafe { self.mutex.force_unlock() };
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.holder.store(NOBODY, Ordering::Relaxed);
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
