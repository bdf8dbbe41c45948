//! What the firmware's tables say, and what is wrong with them.

use alloc::boxed::Box;

use firmware::{Domain, Severity, Topology};
use record::{Pmem, Record};

use crate::{
    arch::cpu,
    handover::Handover,
    log::{info, record, warn},
    mem::FirmwareMemory,
    size::Size,
};

/// Reads the tables.
pub(crate) fn read(handover: &Handover) -> Box<Topology> {
    let memory = FirmwareMemory::new(handover.direct, handover.regions);
    let mut topology = Box::new(Topology::new());
    topology.fill(handover.rsdp, &memory, cpu::physical_bits());
    topology.refuse_occupied(plan::occupied(handover.regions));
    topology
}

/// Prints what was found, and emits a record for each persistent range.
pub(crate) fn report(topology: &Topology) {
    for finding in &topology.findings {
        match finding.severity() {
            Severity::Note => info!("tables", "{finding}"),
            Severity::Warning => warn!("tables", "{finding}"),
        }
    }
    let enabled = topology.processors.iter().filter(|p| p.enabled).count();
    let nodes = topology.memory.iter().map(|memory| memory.node.0).max();
    info!(
        "tables",
        "{enabled} processors enabled of {} listed, {} nodes",
        topology.processors.len(),
        nodes.map_or(1, |highest| highest.saturating_add(1))
    );
    report_distances(topology);
    info!(
        "tables",
        "power off: {}; reset register: {}; keyboard controller: {}",
        said(topology.power_off.is_some()),
        said(topology.reset.is_some()),
        said(topology.keyboard_controller)
    );
    if topology.persistent.is_empty() {
        info!("tables", "no persistent memory listed");
    }
    for range in &topology.persistent {
        report_persistent(range);
    }
}

/// Returns the name of a domain, as records spell it.
pub(crate) fn domain_name(domain: Domain) -> &'static str {
    match domain {
        Domain::Eadr => "eadr",
        Domain::Adr | Domain::AssumedAdr | Domain::FlushHints => "adr",
        Domain::None => "none",
    }
}

fn said(known: bool) -> &'static str {
    if known { "known" } else { "not known" }
}

fn report_distances(topology: &Topology) {
    let nodes = topology.distances.nodes();
    for from in 0..nodes {
        let row = (0..nodes).map(|to| topology.distance(node(from), node(to)));
        let row: alloc::vec::Vec<u8> = row.collect();
        info!("tables", "distance from node {from}: {row:?}");
    }
}

fn node(index: usize) -> firmware::Node {
    firmware::Node(u32::try_from(index).unwrap_or(u32::MAX))
}

fn report_persistent(range: &firmware::PersistentRange) {
    let (start, len) = (range.range.start().0, range.range.len_bytes());
    let domain = domain_name(range.domain);
    let reason = match range.refusal {
        Some(refusal) => alloc::format!("{refusal}"),
        None => alloc::string::String::new(),
    };
    let id = alloc::format!("{}", range.id);
    info!(
        "tables",
        "persistent range {id} at {start:#x}, {}, node {}, domain {}: {}",
        Size(len),
        range.node,
        range.domain,
        if reason.is_empty() { "usable" } else { &reason }
    );
    record(&Record::Pmem(Pmem {
        id,
        start,
        len,
        usable: range.refusal.is_none(),
        reason,
        domain: domain.into(),
    }));
}
