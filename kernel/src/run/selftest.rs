//! Does every processor get and return blocks of every order, on every zone?
//! And does one that sleeps give back what another needs?
//!
//! Seconds before anything is measured, so that a machine or a zone that is not
//! fit for it is named here and not in the middle of a figure.

mod nudge;

use alloc::{format, string::String, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use frame::Order;
use llfree::Zone;
use persist::Persist;
use spin::Mutex;
use workload::oracle::Ownership;

use super::report::Report;
use crate::{log::info, system::System, zones::with_zone};

/// Largest order that a zone of this geometry serves.
const MAX_ORDER: u8 = 10;

/// Runs it on all zones, and the nudge on one of its own.
pub(super) fn run(system: &mut System, report: &mut Report) {
    for open in system.zones.iter() {
        with_zone!(&open.allocator, zone => all_orders(open.name(), zone, system, report));
    }
    nudge::run(system, report);
}

fn all_orders<P: Persist + Sync>(
    name: &str,
    zone: &Zone<'static, P>,
    system: &mut System,
    report: &mut Report,
) {
    let frames = zone.stats().frames;
    let words: Vec<AtomicU64> = (0..Ownership::words(frames))
        .map(|_| AtomicU64::new(0))
        .collect();
    let oracle = Ownership::new(&words, frames);
    let before = zone.stats().free;
    let cpus = system.crew.len();
    let served = AtomicU64::new(0);
    let objections = Mutex::new(Vec::new());

    let ran = system
        .crew
        .run(cpus, &|cpu| match walk(zone, cpu, &oracle) {
            Ok(blocks) => _ = served.fetch_add(blocks, Ordering::Relaxed),
            Err(what) => objections
                .lock()
                .push(format!("{name}: processor {cpu}: {what}")),
        });

    let after = zone.stats().free;
    let mut objections = objections.into_inner();
    if let Err(silent) = ran {
        objections.push(format!("{name}: {silent}"));
    }
    if before != after {
        objections.push(format!(
            "{name}: {before} frames were free, now {after} are"
        ));
    }
    if let Err(inconsistency) = zone.validate() {
        objections.push(format!("{name}: {inconsistency}"));
    }
    let served = served.into_inner();
    info!(
        "selftest",
        "{name}: {served} blocks of orders 0 to {MAX_ORDER} taken and returned"
    );
    report.checked(served);
    for what in objections {
        report.violation("selftest", what);
    }
}

/// Takes a block of each order, holds them all, and returns them. A zone without
/// room for a large one says so; that is no fault.
fn walk<P: Persist>(
    zone: &Zone<'static, P>,
    cpu: usize,
    oracle: &Ownership<'_>,
) -> Result<u64, String> {
    let mut local = zone.local(cpu).map_err(|error| format!("{error}"))?;
    let mut held = Vec::new();
    for order in (0..=MAX_ORDER).filter_map(Order::new) {
        if let Ok(frame) = local.get(order) {
            oracle
                .claim(frame, order)
                .map_err(|error| format!("{error}"))?;
            held.push((frame, order));
        }
    }
    for &(frame, order) in &held {
        oracle
            .release(frame, order)
            .map_err(|error| format!("{error}"))?;
        local
            .put(frame, order)
            .map_err(|error| format!("{error}"))?;
    }
    Ok(held.len() as u64)
}
