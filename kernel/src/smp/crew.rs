//! All processors that answered, as one value.

use alloc::vec::Vec;
use core::{fmt, iter, time::Duration};

use super::{
    Nudges,
    worker::{Desk, Job},
};
use crate::{
    arch::{
        apic::{self, Signal},
        cpu, idt,
        tsc::Clock,
    },
    console,
};

/// A processor that takes part.
pub(super) struct Member {
    pub(super) apic_id: u32,
    pub(super) node: u32,
    pub(super) desk: &'static Desk,
}

/// The processors that are online, the boot processor first.
pub(crate) struct Crew {
    clock: Clock,
    /// How long a job may take.
    patience: Duration,
    boot_node: u32,
    /// All but the boot processor.
    members: Vec<Member>,
}

/// A processor that did not come back from a job. It has been stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    /// Its number.
    pub(crate) cpu: usize,
    /// Identity of its local interrupt controller.
    pub(crate) apic_id: u32,
    /// How long it was waited for.
    pub(crate) patience: Duration,
    /// Whether it had the console.
    pub(crate) had_console: bool,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cpu, apic_id, seconds) = (self.cpu, self.apic_id, self.patience.as_secs());
        write!(
            f,
            "processor {cpu} (apic id {apic_id}) did not come back within {seconds} s and was stopped"
        )?;
        match self.had_console {
            true => f.write_str("; the console, which it held, was taken from it"),
            false => Ok(()),
        }
    }
}

impl Crew {
    pub(super) fn new(clock: Clock, patience: Duration, boot_node: u32) -> Self {
        Self {
            clock,
            patience,
            boot_node,
            members: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, member: Member) {
        self.members.push(member);
    }

    /// Returns the number of processors.
    pub(crate) fn len(&self) -> usize {
        1 + self.members.len()
    }

    /// Returns the NUMA node of processor `cpu`.
    pub(crate) fn node(&self, cpu: usize) -> u32 {
        match cpu.checked_sub(1).and_then(|other| self.members.get(other)) {
            Some(member) => member.node,
            None => self.boot_node,
        }
    }

    /// Returns the way to wake each processor from within a job.
    pub(crate) fn nudges(&self) -> Nudges {
        // Whoever has the crew is the boot processor.
        let others = self.members.iter().map(|member| member.apic_id);
        Nudges::new(iter::once(cpu::apic_id()).chain(others), self.clock)
    }

    /// Calls `job` on processors `0..cpus` at once, with their numbers, and
    /// returns when all are done.
    ///
    /// Interrupts are off in it, and it must not start a job itself. More
    /// processors than there are is all of them.
    ///
    /// # Errors
    ///
    /// Returns [`Silent`] for the first processor that did not come back. All that
    /// did not are stopped, and the crew ends before the first of them.
    pub(crate) fn run(&mut self, cpus: usize, job: &(dyn Fn(usize) + Sync)) -> Result<(), Silent> {
        let others = cpus.saturating_sub(1).min(self.members.len());
        let pointer: *const (dyn Fn(usize) + Sync + '_) = job;
        // SAFETY: the lifetime is erased only; `dismiss_silent` keeps the promise
        // that comes with it.
        let pointer: *const Job = unsafe { core::mem::transmute(pointer) };
        for member in &self.members[..others] {
            // SAFETY:
            // 1. The last job is done, or the member would not be one any more.
            // 2. Only the boot processor has the crew.
            // 3. This function does not return before each processor is done or
            //    stopped.
            unsafe { member.desk.put(pointer) };
            // SAFETY: an ordinary interrupt.
            unsafe { apic::send(member.apic_id, Signal::Vector(idt::WAKE)) };
        }
        job(0);
        let working = &self.members[..others];
        let all_done = || working.iter().all(|member| member.desk.is_done());
        if self.clock.wait_until(self.patience, all_done) {
            return Ok(());
        }
        self.dismiss_silent(others)
    }

    /// Stops those of the first `others` processors that are still at work.
    fn dismiss_silent(&mut self, others: usize) -> Result<(), Silent> {
        let is_silent = |member: &Member| !member.desk.is_done();
        let Some(first) = self.members[..others].iter().position(is_silent) else {
            return Ok(());
        };
        // Numbers stay consecutive: those behind it sleep for the rest of the run,
        // and so does one that comes back just before it is stopped.
        let dismissed = self.members.split_off(first);
        for member in dismissed[..others - first].iter().filter(|m| is_silent(m)) {
            // SAFETY: whatever it does is abandoned on purpose; the job's borrows
            // end, locks that it holds stay held.
            unsafe { apic::send(member.apic_id, Signal::Init) };
        }
        // What INIT takes to arrive and to act (Intel SDM vol. 3A, 9.4.4.1).
        self.clock.wait(Duration::from_millis(10));
        let stopped = (first + 1..).zip(&dismissed[..others - first]);
        let mut had_console = false;
        for (cpu, _) in stopped.filter(|(_, member)| is_silent(member)) {
            // SAFETY: INIT has stopped it, and nobody starts it again.
            had_console |= unsafe { console::take_from(cpu) };
        }
        Err(Silent {
            cpu: first + 1,
            apic_id: dismissed[0].apic_id,
            patience: self.patience,
            had_console,
        })
    }
}
