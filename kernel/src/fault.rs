//! Breaking down on purpose.
//!
//! The host has to tell a panic, a hang and a machine that switches off without
//! a word from one another and from success; and the kernel has to go on with
//! broken memory and with a processor less. Its tests ask for each.

use core::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use options::Fault;

use crate::{
    arch::{cpu, machine_check},
    console, exit,
    log::{info, warn},
    system::System,
};

/// How long the host may take to break the memory.
const PATIENCE: Duration = Duration::from_secs(20);

/// Breaks down as asked.
pub(crate) fn inject(system: &mut System) {
    match system.options.fault {
        Fault::None => {}
        Fault::Panic => panic!("asked for on the command line"),
        Fault::Hang => cpu::stop(),
        Fault::Silent => exit::power_off(),
        Fault::Deaf => lose_processor(system),
        Fault::MachineCheck => await_machine_check(system),
    }
}

/// Loses the last processor in the middle of a job, with the console in its hands.
fn lose_processor(system: &mut System) {
    let cpus = system.crew.len();
    let done = AtomicUsize::new(0);
    let ran = system.crew.run(cpus, &|cpu| {
        if cpu + 1 == cpus && cpus > 1 {
            console::hold_for_ever();
        }
        done.fetch_add(1, Ordering::Relaxed);
    });
    if let Err(silent) = ran {
        warn!("fault", "{silent}");
    }
    let done = done.into_inner();
    info!(
        "fault",
        "{done} of {cpus} processors have finished, {} are left",
        system.crew.len()
    );
}

/// Names a line of memory in the middle of a zone, for the host to break.
fn await_machine_check(system: &System) {
    let Some(zone) = system.zones.iter().next() else {
        return;
    };
    let managed = zone.placement.managed;
    let at = managed.start().0 + managed.len_bytes() / 2;
    info!("fault", "waits for a machine check at {at:#x}");
    system.clock.wait_until(PATIENCE, machine_check::has_noted);
}
