//! Waking the other processors.

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::Topology;
use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use record::{CpuState, Record};
use x86_64::VirtAddr;

use super::{
    Crew,
    berth::{self, Berth},
    crew::Member,
    worker::Desk,
};
use crate::{
    arch::{
        apic::{self, Signal},
        cpu, segments,
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

/// What a crew must not exceed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Its processors.
    pub(crate) most: usize,
    /// How long they may take for a job.
    pub(crate) patience: Duration,
}

/// Starts the processors that the firmware lists, and reports each one.
pub(crate) fn start(
    mapper: &mut Mapper<'_>,
    topology: &Topology,
    regions: &[MemoryRegion],
    clock: Clock,
    limits: Limits,
) -> Crew {
    let own_id = cpu::apic_id();
    let boot_node = topology.node_of_cpu(own_id).0;
    let mut crew = Crew::new(clock, limits.patience, boot_node);
    report(own_id, boot_node, CpuState::Online);

    let mut starter = Starter {
        mapper,
        regions,
        clock,
        trampoline: None,
    };
    for processor in topology.processors.iter().filter(|p| p.apic_id != own_id) {
        let (apic_id, node) = (processor.apic_id, processor.node.0);
        if !processor.enabled {
            report(apic_id, node, CpuState::Disabled);
            continue;
        }
        if crew.len() >= limits.most {
            park(apic_id);
            continue;
        }
        match starter.start(apic_id, crew.len()) {
            Ok(desk) => {
                crew.add(Member {
                    apic_id,
                    node,
                    desk,
                });
                report(apic_id, node, CpuState::Online);
            }
            Err(error) => {
                warn!(
                    "smp",
                    "processor with apic id {apic_id} is skipped: {error}"
                );
                report(apic_id, node, CpuState::Silent);
            }
        }
    }
    info!("smp", "{} processors online", crew.len());
    crew
}

/// Why a processor did not start.
#[derive(Clone, Copy, Debug)]
enum StartError {
    /// Its identity needs x2APIC, which this machine does not have.
    OutOfReach,
    /// There are no two usable pages below 1 MiB.
    NoLowPages,
    /// A stack or the starting code can't be mapped.
    Map(MapError),
    /// It did not answer.
    Silent,
}

impl From<MapError> for StartError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfReach => f.write_str("it can't be reached without x2APIC"),
            Self::NoLowPages => {
                write!(
                    f,
                    "there are no two usable pages below {LOW_END:#x} to start from"
                )
            }
            Self::Map(error) => write!(f, "it lacks memory: {error}"),
            Self::Silent => {
                let seconds = PATIENCE.as_secs();
                write!(f, "it did not answer within {seconds} s")
            }
        }
    }
}

/// What it takes to start a processor.
struct Starter<'a, 'z> {
    mapper: &'a mut Mapper<'z>,
    regions: &'a [MemoryRegion],
    clock: Clock,
    /// Made when the first processor needs it.
    trampoline: Option<Trampoline>,
}

/// Takes a processor that is left out away from the firmware, in whose memory it
/// may be waiting: that is ours now, and a panic signals everybody.
fn park(apic_id: u32) {
    if apic::reaches(apic_id) {
        // SAFETY: it runs nothing of ours.
        unsafe { apic::send(apic_id, Signal::Init) };
    }
}

fn report(apic_id: u32, node: u32, state: CpuState) {
    record(&Record::Cpu(record::Cpu {
        apic_id,
        node,
        state,
    }));
}

impl Starter<'_, '_> {
    /// Starts the processor with this identity as number `index`.
    fn start(&mut self, apic_id: u32, index: usize) -> Result<&'static Desk, StartError> {
        if !apic::reaches(apic_id) {
            return Err(StartError::OutOfReach);
        }
        let mut trampoline = match self.trampoline.take() {
            Some(trampoline) => trampoline,
            None => self.install()?,
        };
        let outcome = self.wake(&mut trampoline, apic_id, index);
        self.trampoline = Some(trampoline);
        outcome
    }

    /// Prepares a page for the starting code and one for its root page table.
    fn install(&mut self) -> Result<Trampoline, StartError> {
        let (page, root) = low_pages(self.regions).ok_or(StartError::NoLowPages)?;
        let range = PhysRange::between(page, PhysAddr(page.0 + FRAME_SIZE as u64));
        // SAFETY: usable memory below 1 MiB, which no zone takes.
        let root = unsafe { self.mapper.fork_with_identity(root, range)? };
        let pointer = self.mapper.direct().pointer(page);
        // SAFETY:
        // 1. Both pages lie below 1 MiB and are unused; the direct map covers them.
        // 2. The forked page tables are just that.
        Ok(unsafe { Trampoline::install(page, pointer, root) })
    }

    fn wake(
        &mut self,
        trampoline: &mut Trampoline,
        apic_id: u32,
        index: usize,
    ) -> Result<&'static Desk, StartError> {
        let stack = self.stack(STACK_BYTES)?;
        let berth = self.berth(index)?;
        let argument = (&raw const *berth).expose_provenance() as u64;
        // SAFETY:
        // 1. The stack is fresh.
        // 2. `enter` wants a `Berth` that lives for ever.
        unsafe { trampoline.issue(stack.as_u64(), berth::enter, argument) };
        knock(trampoline, &self.clock, apic_id, berth);
        match berth.state() {
            berth::WAITING => {
                trampoline.revoke();
                // Whatever it does, it stops doing it.
                // SAFETY: up to its report it holds nothing (`berth::enter`).
                unsafe { apic::send(apic_id, Signal::Init) };
                self.clock.wait(AFTER_INIT);
                return Err(StartError::Silent);
            }
            berth::ONLINE_BUT_CACHES_DIFFER => warn!(
                "smp",
                "processor {index} caches memory differently from the boot processor"
            ),
            _ => {}
        }
        Ok(berth.desk())
    }

    fn berth(&mut self, index: usize) -> Result<&'static Berth, StartError> {
        let mut stacks = [VirtAddr::zero(); segments::STACKS];
        for stack in &mut stacks {
            *stack = self.stack(segments::STACK_BYTES as u64)?;
        }
        let berth = Berth::new(index, stacks, self.mapper.root());
        Ok(Box::leak(Box::new(berth)))
    }

    /// Returns the upper end of a fresh stack.
    fn stack(&mut self, len_bytes: u64) -> Result<VirtAddr, MapError> {
        let stack = self.mapper.map_fresh(len_bytes)?;
        Ok(VirtAddr::from_ptr(stack.start()) + len_bytes)
    }
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

/// Sends the signals that start a processor, and waits for its answer.
fn knock(trampoline: &Trampoline, clock: &Clock, apic_id: u32, berth: &Berth) {
    let startup = Signal::Startup(trampoline.page_number());
    let is_online = || berth.state() != berth::WAITING;
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
