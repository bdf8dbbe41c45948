//! What ends a cycle: a timer, lit once there is something to lose.

use alloc::vec::Vec;
use core::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::arch::timer::{self, Handler};

/// Resets the machine some time after each zone has seen enough operations.
pub(super) struct Fuse {
    /// Operations on each zone.
    operations: Vec<AtomicU64>,
    /// How many are enough.
    enough: u64,
    delay: Duration,
    handler: Handler,
    lit: AtomicBool,
}

impl Fuse {
    /// Readies a fuse for so many zones.
    pub(super) fn new(zones: usize, enough: u64, delay: Duration, handler: Handler) -> Self {
        Self {
            operations: (0..zones).map(|_| AtomicU64::new(0)).collect(),
            enough,
            delay,
            handler,
            lit: AtomicBool::new(false),
        }
    }

    /// Counts an operation of processor `cpu` on a zone. The boot processor lights
    /// the fuse; the timer then interrupts it wherever it is.
    // Relaxed: the counts only say when; they order nothing.
    pub(super) fn count(&self, cpu: usize, zone: usize) {
        self.operations[zone].fetch_add(1, Ordering::Relaxed);
        if cpu != 0 || self.lit.load(Ordering::Relaxed) {
            return;
        }
        let is_enough = |count: &AtomicU64| count.load(Ordering::Relaxed) >= self.enough;
        if self.operations.iter().all(is_enough) {
            self.lit.store(true, Ordering::Relaxed);
            timer::arm(self.delay, self.handler);
        }
    }
}
