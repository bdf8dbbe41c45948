//! What ends a cycle, once there is something to lose.

use alloc::vec::Vec;
use core::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::arch::timer::{self, Handler};

/// How a cycle ends when each zone has seen enough operations.
pub(super) enum Ending {
    /// A timer resets the machine after this time.
    Timer(Duration, Handler),
    /// The processors stop, and the machine is shut down.
    Stop,
    /// Somebody else breaks the machine.
    Elsewhere,
}

/// Counts operations, and brings about the end.
pub(super) struct Fuse {
    /// Operations on each zone.
    operations: Vec<AtomicU64>,
    /// How many are enough.
    enough: u64,
    ending: Ending,
    lit: AtomicBool,
}

impl Fuse {
    /// Readies a fuse for so many zones.
    pub(super) fn new(zones: usize, enough: u64, ending: Ending) -> Self {
        Self {
            operations: (0..zones).map(|_| AtomicU64::new(0)).collect(),
            enough,
            ending,
            lit: AtomicBool::new(false),
        }
    }

    /// Counts an operation of processor `cpu` on a zone; returns whether to stop.
    /// The boot processor lights the fuse; a timer then interrupts it wherever it
    /// is. `before` is called once, just before that.
    // Relaxed: the counts only say when; they order nothing.
    pub(super) fn count(&self, cpu: usize, zone: usize, before: impl Fn()) -> bool {
        self.operations[zone].fetch_add(1, Ordering::Relaxed);
        let is_lit = self.lit.load(Ordering::Relaxed);
        if cpu == 0 && !is_lit && self.is_enough() {
            self.lit.store(true, Ordering::Relaxed);
            before();
            if let Ending::Timer(delay, handler) = self.ending {
                timer::arm(delay, handler);
            }
        }
        is_lit && matches!(self.ending, Ending::Stop)
    }

    fn is_enough(&self) -> bool {
        let mut operations = self.operations.iter();
        operations.all(|count| count.load(Ordering::Relaxed) >= self.enough)
    }
}
