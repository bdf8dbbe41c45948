//! Making another processor look after what it holds.
//!
//! A processor that has no job holds no frames: a job's handle ends with the job,
//! and that drains it. One that sleeps within a job, through [`sleep_until`], keeps
//! its handle; whoever needs its frames wakes it by an interrupt. The handler only
//! acknowledges that. The sleeper gives back itself, before it sleeps again, since a
//! handle must not be entered from an interrupt.

use alloc::vec::Vec;
use core::time::Duration;

use llfree::Environment;
use x86_64::instructions::interrupts;

use crate::arch::{
    apic::{self, Signal},
    idt,
    tsc::Clock,
};

/// How long others are given between two tries: several times what an interrupt
/// and a few returned rows take.
const PAUSE: Duration = Duration::from_micros(100);

/// The way to all processors, by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Nudges {
    apic_ids: Vec<u32>,
    clock: Clock,
}

impl Nudges {
    /// Returns the way to the processors with these identities, the first of them
    /// number 0.
    pub(super) fn new(apic_ids: impl Iterator<Item = u32>, clock: Clock) -> Self {
        let apic_ids = apic_ids.collect();
        Self { apic_ids, clock }
    }
}

impl Environment for Nudges {
    fn nudge(&self, cpu: usize) {
        // A zone may have handles beyond those of the processors.
        if let Some(&apic_id) = self.apic_ids.get(cpu) {
            // SAFETY: an ordinary interrupt.
            unsafe { apic::send(apic_id, Signal::Vector(idt::WAKE)) };
        }
    }

    fn pause(&self) {
        self.clock.wait(PAUSE);
    }
}

/// Sleeps until `is_over`, and calls `before_sleep` each time before it falls asleep:
/// at first, and whenever an interrupt has woken it.
///
/// Interrupts are off in both, and afterwards as they were.
pub(crate) fn sleep_until(is_over: impl Fn() -> bool, mut before_sleep: impl FnMut()) {
    let was_enabled = interrupts::are_enabled();
    loop {
        // An interrupt sent from here on waits until the processor sleeps.
        interrupts::disable();
        before_sleep();
        if is_over() {
            break;
        }
        interrupts::enable_and_hlt();
    }
    if was_enabled {
        interrupts::enable();
    }
}
