//! Where a starting processor finds what it needs, and reports.

use core::sync::atomic::{AtomicU32, Ordering};

use frame::PhysAddr;
use x86_64::{
    PhysAddr as TableAddr, VirtAddr,
    registers::control::{Cr3, Cr3Flags},
    structures::paging::PhysFrame,
};

use super::{PerCpu, worker::Desk};
use crate::arch::{
    apic, idt, machine_check,
    mtrr::Caching,
    segments::{self, Segments},
    to_usize,
};

/// What a starting processor needs, and where it reports.
pub(super) struct Berth {
    per_cpu: PerCpu,
    desk: Desk,
    segments: &'static Segments,
    root: PhysAddr,
    state: AtomicU32,
    caching: Option<Caching>,
}

/// States of a [`Berth`].
pub(super) const WAITING: u32 = 0;
pub(super) const ONLINE: u32 = 1;
pub(super) const ONLINE_BUT_CACHES_DIFFER: u32 = 2;

impl Berth {
    /// Returns the berth of the processor with this number.
    pub(super) fn new(index: usize, stacks: [VirtAddr; segments::STACKS], root: PhysAddr) -> Self {
        Self {
            per_cpu: PerCpu::new(index),
            desk: Desk::new(),
            segments: Segments::new(stacks),
            root,
            state: AtomicU32::new(WAITING),
            caching: Caching::read(),
        }
    }

    /// Returns where the processor's jobs are put.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Returns how far the processor has got.
    pub(super) fn state(&self) -> u32 {
        // Acquire pairs with the Release in `enter`.
        self.state.load(Ordering::Acquire)
    }
}

/// The first Rust code of a processor; the argument is its [`Berth`].
///
/// Up to its report it takes no lock: a processor that is late is stopped there.
pub(super) extern "C" fn enter(argument: u64) -> ! {
    let pointer = core::ptr::with_exposed_provenance(to_usize(argument));
    // SAFETY: `Starter::wake` passes a leaked `Berth`.
    let berth: &'static Berth = unsafe { &*pointer };
    berth.per_cpu.install();
    let root = PhysFrame::containing_address(TableAddr::new(berth.root.0));
    // SAFETY: the boot processor's page tables map everything that this one uses;
    // the code at physical addresses is behind it.
    unsafe { Cr3::write(root, Cr3Flags::empty()) };
    // SAFETY: the stacks are fresh and stay mapped; a berth is entered once.
    unsafe { berth.segments.load() };
    idt::load();
    apic::enable();
    machine_check::enable();
    let state = if Caching::read() == berth.caching {
        ONLINE
    } else {
        ONLINE_BUT_CACHES_DIFFER
    };
    // Release pairs with `Berth::state`: whoever sees it may send jobs.
    berth.state.store(state, Ordering::Release);
    berth.desk.work(berth.per_cpu.index())
}
