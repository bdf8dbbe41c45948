//! Waking the other processors.

use alloc::{boxed::Box, vec::Vec};
use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::Topology;
use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use record::{CpuState, Record};
use x86_64::{
    PhysAddr as TableAddr, VirtAddr,
    registers::control::{Cr3, Cr3Flags},
    structures::paging::PhysFrame,
};

use super::{Crew, PerCpu, crew::Member, worker::Desk};
use crate::{
    arch::{
        apic::{self, Signal},
        cpu, idt,
        mtrr::Caching,
        segments,
        trampoline::Trampoline,
        tsc::Clock,
    },
    log::{info, record, warn},
    mem::{MapError, Mapper},
};

/// Bytes of a processor's stack.
const STACK_BYTES: u64 = 128 << 10;
/// How long a processor may take to report; under emulation it takes 20 ms.
const PATIENCE: Duration = Duration::from_secs(2);
/// From INIT to the first startup signal, and from that to the second (Intel SDM
/// vol. 3A, 9.4.4.1).
const AFTER_INIT: Duration = Duration::from_millis(10);
const AFTER_STARTUP: Duration = Duration::from_micros(200);
/// The end of what real mode code reaches.
const LOW_END: u64 = 0xA_0000;

/// What a starting processor needs, and where it reports.
struct Berth {
    per_cpu: PerCpu,
    desk: Desk,
    stacks: [VirtAddr; segments::STACKS],
    root: PhysAddr,
    state: AtomicU32,
    caching: Option<Caching>,
}

/// States of a [`Berth`].
const WAITING: u32 = 0;
const ONLINE: u32 = 1;
const ONLINE_BUT_CACHES_DIFFER: u32 = 2;

/// Starts the processors that the firmware lists, `most` at most, and reports
/// each one.
pub(crate) fn start(
    mapper: &mut Mapper<'_>,
    topology: &Topology,
    regions: &[MemoryRegion],
    clock: Clock,
    most: usize,
) -> Crew {
    let own_id = cpu::apic_id();
    let boot_node = topology.node_of_cpu(own_id).0;
    let mut crew = Crew::new(clock, boot_node);
    report(own_id, boot_node, CpuState::Online);

    let mut trampoline = None;
    for processor in topology.processors.iter().filter(|p| p.apic_id != own_id) {
        let (apic_id, node) = (processor.apic_id, processor.node.0);
        if !processor.enabled {
            report(apic_id, node, CpuState::Disabled);
            continue;
        }
        if crew.len() >= most {
            continue;
        }
        if trampoline.is_none() {
            trampoline = install(mapper, regions);
        }
        let Some(trampoline) = &mut trampoline else {
            report(apic_id, node, CpuState::Silent);
            continue;
        };
        let state = match wake(mapper, trampoline, &clock, apic_id, crew.len()) {
            Ok(Some(desk)) => {
                crew.add(Member {
                    apic_id,
                    node,
                    desk,
                });
                CpuState::Online
            }
            Ok(None) => {
                warn!(
                    "smp",
                    "processor with apic id {apic_id} does not answer; skipped"
                );
                CpuState::Silent
            }
            Err(error) => {
                warn!("smp", "no stack for apic id {apic_id}: {error}; skipped");
                CpuState::Silent
            }
        };
        report(apic_id, node, state);
    }
    info!("smp", "{} processors online", crew.len());
    crew
}

fn report(apic_id: u32, node: u32, state: CpuState) {
    record(&Record::Cpu(record::Cpu {
        apic_id,
        node,
        state,
    }));
}

/// Prepares a page for the starting code and one for its root page table.
fn install(mapper: &mut Mapper<'_>, regions: &[MemoryRegion]) -> Option<Trampoline> {
    let Some((page, root)) = low_pages(regions) else {
        warn!(
            "smp",
            "no two usable pages below {LOW_END:#x} to start processors from; only one runs"
        );
        return None;
    };
    let range = PhysRange::between(page, PhysAddr(page.0 + FRAME_SIZE as u64));
    // SAFETY: usable memory below 1 MiB, which no zone takes.
    let root = match unsafe { mapper.fork_with_identity(root, range) } {
        Ok(root) => root,
        Err(error) => {
            warn!(
                "smp",
                "can't map the starting code: {error}; only one processor runs"
            );
            return None;
        }
    };
    let pointer = mapper.direct().pointer(page);
    // SAFETY:
    // 1. Both pages lie below 1 MiB and are unused; the direct map covers them.
    // 2. The forked page tables are just that.
    Some(unsafe { Trampoline::install(page, pointer, root) })
}

/// Returns two usable pages below 1 MiB, not page 0.
fn low_pages(regions: &[MemoryRegion]) -> Option<(PhysAddr, PhysAddr)> {
    let low = PhysRange::between(PhysAddr(FRAME_SIZE as u64), PhysAddr(LOW_END));
    let mut pages = regions
        .iter()
        .filter(|region| region.kind == MemoryRegionKind::Usable)
        .map(|region| PhysRange::between(PhysAddr(region.start), PhysAddr(region.end)))
        .map(|region| region.intersection(low).shrink_to(FRAME_SIZE as u64))
        .flat_map(|range| (range.start().0..range.end().0).step_by(FRAME_SIZE));
    Some((PhysAddr(pages.next()?), PhysAddr(pages.next()?)))
}

/// Starts one processor; `None` if it does not answer.
fn wake(
    mapper: &mut Mapper<'_>,
    trampoline: &mut Trampoline,
    clock: &Clock,
    apic_id: u32,
    index: usize,
) -> Result<Option<&'static Desk>, MapError> {
    let stack = new_stack(mapper, STACK_BYTES)?;
    let mut stacks = Vec::new();
    for _ in 0..segments::STACKS {
        stacks.push(new_stack(mapper, segments::STACK_BYTES as u64)?);
    }
    let berth: &'static Berth = Box::leak(Box::new(Berth {
        per_cpu: PerCpu::new(index),
        desk: Desk::new(),
        stacks: core::array::from_fn(|stack| stacks[stack]),
        root: mapper.root(),
        state: AtomicU32::new(WAITING),
        caching: Caching::read(),
    }));
    let argument = (&raw const *berth).expose_provenance() as u64;
    // SAFETY:
    // 1. The stack is fresh.
    // 2. `enter` wants a `Berth` that lives for ever.
    unsafe { trampoline.issue(stack.as_u64(), enter, argument) };
    knock(trampoline, clock, apic_id, berth);
    if berth.state() == WAITING {
        trampoline.revoke();
        // Whatever it does, it stops doing it.
        // SAFETY: it has not reached any Rust code that matters to others.
        unsafe { apic::send(apic_id, Signal::Init) };
        clock.wait(AFTER_INIT);
        return Ok(None);
    }
    if berth.state() == ONLINE_BUT_CACHES_DIFFER {
        warn!(
            "smp",
            "processor {index} caches memory differently from the boot processor"
        );
    }
    Ok(Some(&berth.desk))
}

/// Sends the signals that start a processor, and waits for its answer.
fn knock(trampoline: &Trampoline, clock: &Clock, apic_id: u32, berth: &Berth) {
    let startup = Signal::Startup(trampoline.page_number());
    let is_online = || berth.state() != WAITING;
    // SAFETY: the processor has not been started, so it runs nothing of ours.
    unsafe { apic::send(apic_id, Signal::Init) };
    clock.wait(AFTER_INIT);
    // SAFETY: likewise; the trampoline is in place.
    unsafe { apic::send(apic_id, startup) };
    if !clock.wait_until(AFTER_STARTUP, is_online) {
        // SAFETY: likewise; a processor that has started ignores it.
        unsafe { apic::send(apic_id, startup) };
        clock.wait_until(PATIENCE, is_online);
    }
}

fn new_stack(mapper: &mut Mapper<'_>, len_bytes: u64) -> Result<VirtAddr, MapError> {
    let stack = mapper.map_fresh(len_bytes)?;
    Ok(VirtAddr::from_ptr(stack.start()) + len_bytes)
}

impl Berth {
    fn state(&self) -> u32 {
        // Acquire pairs with the Release in `enter`.
        self.state.load(Ordering::Acquire)
    }
}

/// The first Rust code of a processor.
extern "C" fn enter(argument: u64) -> ! {
    let pointer = core::ptr::with_exposed_provenance(crate::arch::to_usize(argument));
    // SAFETY: `wake` passes a leaked `Berth`.
    let berth: &'static Berth = unsafe { &*pointer };
    berth.per_cpu.install();
    let root = PhysFrame::containing_address(TableAddr::new(berth.root.0));
    // SAFETY: the boot processor's page tables map everything that this one uses;
    // the identity mapping of the trampoline is behind it.
    unsafe { Cr3::write(root, Cr3Flags::empty()) };
    // SAFETY: the stacks are fresh and stay mapped.
    unsafe { segments::load(berth.stacks) };
    idt::load();
    apic::enable();
    let state = if Caching::read() == berth.caching {
        ONLINE
    } else {
        ONLINE_BUT_CACHES_DIFFER
    };
    // Release pairs with `Berth::state`: whoever sees it may send jobs.
    berth.state.store(state, Ordering::Release);
    berth.desk.work(berth.per_cpu.index())
}
