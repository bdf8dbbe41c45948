//! Who measures, and on what.
//!
//! A figure without this is a rumour: every figure of a run refers to the one
//! record that is emitted here.

use alloc::{format, vec::Vec};

use firmware::Topology;
use options::Options;
use record::{Boot, Record};

use crate::{
    arch::{cpu, tsc::Clock},
    handover::Handover,
    log::{info, record},
    memory_map,
    size::Size,
    tables,
};

/// Reports the build, the machine and the command line.
pub(crate) fn report(handover: &Handover, topology: &Topology, options: &Options, clock: &Clock) {
    let commit = env!("PERENNIAL_COMMIT");
    let toolchain = env!("PERENNIAL_TOOLCHAIN");
    info!(
        "boot",
        "perennial {commit}, built by {toolchain}, loaded by {}",
        handover.loader()
    );
    info!("boot", "command line: {}", handover.command_line.trim());
    let brand = cpu::brand();
    let signature = cpu::signature().unwrap_or_default();
    info!(
        "boot",
        "processor: {brand}, {signature}, accelerator {}",
        cpu::accelerator()
    );
    info!("clock", "{clock}");
    let enabled = topology.processors.iter().filter(|p| p.enabled).count();
    record(&Record::Boot(Boot {
        version: record::VERSION,
        commit: commit.into(),
        toolchain: toolchain.into(),
        loader: handover.loader().into(),
        accelerator: cpu::accelerator(),
        cpu: brand,
        // The boot processor runs even if no table lists it.
        processors: u32::try_from(enabled.max(1)).unwrap_or(u32::MAX),
        memory: memory(handover, topology),
        domain: domain(topology, options).into(),
        tsc_hz: clock.hz(),
        timing: clock.is_trustworthy(),
        seed: options.seed,
        command_line: handover.command_line.clone(),
    }));
}

/// Kinds and sizes of memory.
fn memory(handover: &Handover, topology: &Topology) -> Vec<alloc::string::String> {
    let dram = memory_map::usable_bytes(handover.regions);
    let persistent: u64 = topology
        .persistent
        .iter()
        .map(|r| r.range.len_bytes())
        .sum();
    let kinds = [("dram", dram), ("pmem", persistent)];
    let present = kinds.into_iter().filter(|(_, bytes)| *bytes > 0);
    present
        .map(|(kind, bytes)| format!("{kind} {}", Size(bytes)))
        .collect()
}

/// The domain of the platform, or what stands in for it.
fn domain(topology: &Topology, options: &Options) -> &'static str {
    match topology.domain {
        Some(domain) if !topology.persistent.is_empty() => tables::domain_name(domain),
        _ if options.emulate.is_some() => "emulated",
        _ => "none",
    }
}
