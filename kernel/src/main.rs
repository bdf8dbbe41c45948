//! Perennial: a unikernel that measures and proves a page-frame allocator.
//!
//! From the loader's hands to a verdict, one phase after the other; each takes
//! what the ones before have returned. `docs/architecture.md` has the figure.
#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod console;
mod exit;
mod fault;
mod frames;
mod handover;
mod heap;
mod log;
mod mem;
mod memory_map;
mod panic;
mod phases;
mod provenance;
mod quarantine;
mod reset;
mod run;
mod size;
mod smp;
mod system;
mod tables;
mod tripwire;
mod zones;

use bootloader_api::{BootInfo, BootloaderConfig, config::Mapping, entry_point};
use freestanding as _;

use crate::{
    arch::tsc::Clock,
    frames::DramFrames,
    handover::Handover,
    quarantine::Quarantine,
    reset::ResetWay,
    system::System,
    zones::{Breakage, Placement},
};

/// What the kernel asks of its loader.
static CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::Dynamic);
    config.kernel_stack_size = 256 * 1024;
    config
};

entry_point!(main, config = &CONFIG);

fn main(info: &'static mut BootInfo) -> ! {
    phases::start_boot_processor();
    let mut handover = Handover::take(info);
    let options = phases::read_options(&handover);
    phases::show_on_screen(&mut handover, &options);

    let clock = Clock::find();
    let topology = tables::read(&handover);
    exit::learn(&topology);
    provenance::report(&handover, &topology, &options, &clock);
    memory_map::report(handover.regions);
    tables::report(&topology);

    let cpus = phases::processors(&topology, &options);
    let placement = Placement::decide(&handover, &topology, &options, cpus);
    let volatile = zones::open_volatile(&placement, handover.direct, &clock);
    let frames = DramFrames::new(volatile);
    let mut mapper = phases::take_over_memory(&handover, &placement, frames);
    phases::hide_persistent(&mut mapper, &topology, handover.regions);
    console::add_firmware_port(&mut mapper, &topology, handover.regions);
    phases::start_interrupts(&mut mapper, &topology, &clock);
    let resets = ResetWay::available(&topology, options.reset);
    let breakage = Breakage::new(&options, &resets);
    let zones = phases::open_zones(
        &placement,
        volatile,
        &mut mapper,
        &options,
        breakage,
        &clock,
    );
    let limits = phases::limits(&options, cpus);
    let crew = smp::start(&mut mapper, &topology, handover.regions, clock, limits);

    let mut system = System {
        options,
        resets,
        clock,
        crew,
        zones,
        quarantine: Quarantine::default(),
    };
    fault::inject(&mut system);
    let verdict = run::all(&mut system);
    phases::conclude(verdict, &system.zones, breakage);
    exit::power_off()
}
