//! The steps of the boot that are a line in `main` and a few here.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::{PersistentRange, Topology};
use frame::{PhysAddr, PhysRange};
use options::Options;
use record::{Record, StageName, Verdict};
use workload::ledger;
use x86_64::VirtAddr;

use crate::{
    arch::{
        self,
        segments::{self, Segments},
        tsc::Clock,
    },
    console, exit,
    frames::DramFrames,
    handover::Handover,
    heap,
    log::{info, record, warn},
    mem::Mapper,
    memory_map,
    size::Size,
    smp::{Limits, PerCpu},
    tripwire,
    zones::{self, Breakage, OpenZone, Placement, Zones},
};

/// What the heap grows by, where this part of DRAM is as much.
const HEAP_BYTES: u64 = 64 << 20;
const HEAP_PART: u64 = 16;
/// A byte of heap for so many bytes of the largest zone: the tests account for
/// each frame with a bit, in several tables.
const BYTES_ACCOUNTED: u64 = 8 << 10;

/// Gives the boot processor what every processor has, and the kernel its voice.
pub(crate) fn start_boot_processor() {
    static BOOT_PROCESSOR: PerCpu = PerCpu::new(0);
    BOOT_PROCESSOR.install();
    // SAFETY: nothing has allocated, and this function runs once.
    unsafe { heap::start() };
    let stacks = core::array::from_fn(|_| {
        let stack = alloc::vec![0_u128; segments::STACK_BYTES / size_of::<u128>()].leak();
        VirtAddr::from_ptr(stack.as_ptr_range().end)
    });
    // SAFETY: the stacks are fresh and leaked, and the segments just made.
    unsafe { Segments::new(stacks).load() };
    arch::idt::load();
    // SAFETY: at these ports is the first serial port, or nothing, and nothing
    // else drives it.
    if let Some(port) = unsafe { console::Serial::at_port(console::COM1, None) } {
        console::add_port(port);
    }
}

/// Reads the command line.
pub(crate) fn read_options(handover: &Handover) -> Options {
    Options::parse(&handover.command_line, |complaint| {
        warn!("options", "{complaint}");
    })
}

/// Adds the screen, if there is one and it is wanted.
pub(crate) fn show_on_screen(handover: &mut Handover, options: &Options) {
    let framebuffer = handover.framebuffer.take();
    if let Some(framebuffer) = framebuffer.filter(|_| options.framebuffer) {
        console::add_screen(framebuffer);
    }
}

/// Returns how many processors may take part.
pub(crate) fn processors(topology: &Topology, options: &Options) -> usize {
    let enabled = topology.processors.iter().filter(|p| p.enabled).count();
    let wanted = options.cpus.map_or(usize::MAX, |cpus| cpus as usize);
    if enabled > ledger::MAX_CPUS {
        warn!(
            "smp",
            "{} of {enabled} processors take part: the crash ledger has no room for more",
            ledger::MAX_CPUS
        );
    }
    enabled.min(wanted).clamp(1, ledger::MAX_CPUS)
}

/// Returns what the processors must not exceed.
pub(crate) fn limits(options: &Options, cpus: usize) -> Limits {
    Limits {
        most: cpus,
        patience: Duration::from_secs(options.patience.into()),
    }
}

/// Takes over the page tables and lets the heap grow. Without enough DRAM for
/// either nothing would work, and the run ends with that verdict.
pub(crate) fn take_over_memory(
    handover: &Handover,
    placement: &Placement,
    frames: DramFrames<'static>,
) -> Mapper<'static> {
    let persistent = placement.plan.persistent();
    let persistent_bytes = persistent.map(|(zone, _)| zone.range.len_bytes()).sum();
    // SAFETY: the loader is gone, and there is no other mapper.
    let mapper = unsafe { Mapper::new(handover.direct, frames, persistent_bytes) };
    let mut mapper = mapper.unwrap_or_else(|error| give_up(format!("{error}")));
    let zones = placement.plan.zones.iter();
    let largest = zones.map(|zone| zone.managed.len_bytes()).max();
    grow_heap(&mut mapper, handover.regions, largest.unwrap_or(0));
    mapper
}

/// Ends a run that this machine is too small for.
fn give_up(reason: String) -> ! {
    info!("memory", "can't go on: {reason}");
    record(&Record::Verdict(Verdict {
        pass: false,
        reason,
        not_applicable: Vec::new(),
    }));
    exit::power_off()
}

fn grow_heap(mapper: &mut Mapper<'_>, regions: &[MemoryRegion], largest_zone: u64) {
    let wanted = HEAP_BYTES + largest_zone / BYTES_ACCOUNTED;
    let share = memory_map::usable_bytes(regions) / HEAP_PART;
    let bytes = share.min(wanted) & !0xFFF;
    if let Err(error) = heap::grow(mapper, bytes) {
        give_up(format!("the heap can't grow by {}: {error}", Size(bytes)));
    }
    let (_, total) = heap::usage();
    info!("memory", "heap of {}", Size(total as u64));
}

/// Takes all persistent memory out of the map of all memory: it is only reached
/// through mappings of its own. A listed range that lies over the kernel's own
/// memory is the firmware's mistake, and stays.
///
/// # Panics
///
/// Panics if no frame is left for smaller page tables: it would stay writable.
pub(crate) fn hide_persistent(
    mapper: &mut Mapper<'_>,
    topology: &Topology,
    regions: &[MemoryRegion],
) {
    let is_own = |region: &&MemoryRegion| {
        matches!(
            region.kind,
            MemoryRegionKind::Usable | MemoryRegionKind::Bootloader
        )
    };
    let extent =
        |region: &MemoryRegion| PhysRange::between(PhysAddr(region.start), PhysAddr(region.end));
    for PersistentRange { range, .. } in &topology.persistent {
        let mut own = regions.iter().filter(is_own).map(extent);
        if own.any(|region| region.overlaps(*range)) {
            continue;
        }
        // SAFETY:
        // 1. Persistent memory is only referred to once it is mapped for that, and
        //    this range holds none of the kernel's own memory.
        // 2. The other processors are started later.
        if let Err(error) = unsafe { mapper.hide(*range) } {
            panic!("memory: {range} can't be hidden: {error}");
        }
    }
}

/// Readies the interrupt controllers and the timer of the boot processor.
///
/// # Panics
///
/// Panics if their registers can't be mapped.
pub(crate) fn start_interrupts(mapper: &mut Mapper<'_>, topology: &Topology, clock: &Clock) {
    arch::pic::silence();
    let enabled = topology.processors.iter().filter(|p| p.enabled);
    let highest_id = enabled.map(|p| p.apic_id).max().unwrap_or(0);
    let old = arch::machine_check::enable();
    if old > 0 {
        warn!(
            "memory",
            "{old} machine checks from before the boot are forgotten"
        );
    }
    match arch::apic::start(mapper, highest_id) {
        Ok(manners) => info!("smp", "local interrupt controllers: {manners}"),
        Err(error) => panic!("smp: can't map the local interrupt controller: {error}"),
    }
    arch::timer::calibrate(clock);
}

/// Opens the persistent zones and reports what became of the plan.
pub(crate) fn open_zones(
    placement: &Placement,
    volatile: &'static [OpenZone],
    mapper: &mut Mapper<'_>,
    options: &Options,
    breakage: Breakage,
    clock: &Clock,
) -> Zones {
    let (persistent, left_alone) =
        zones::open_persistent(placement, mapper, options, breakage, clock);
    let zones = Zones {
        volatile,
        persistent: persistent.leak(),
        left_alone,
    };
    zones::report_plan(&placement.plan, &zones);
    zones
}

/// Closes the zones and says how it went; nothing is said after the verdict's
/// record.
pub(crate) fn conclude(verdict: Verdict, zones: &Zones, breakage: Breakage) {
    tripwire::enter(StageName::Shutdown, breakage.crash, breakage.reset);
    for zone in zones.iter() {
        if let Err(error) = zone.close() {
            warn!("zones", "{} stays marked as in use: {error}", zone.name());
        }
    }
    let stray = arch::idt::stray();
    if stray > 0 {
        warn!("smp", "{stray} interrupts came that nobody asked for");
    }
    for what in &verdict.not_applicable {
        info!("verdict", "not applicable: {what}");
    }
    let word = if verdict.pass { "pass" } else { "fail" };
    info!("verdict", "{word}: {}", verdict.reason);
    record(&Record::Verdict(verdict));
}
