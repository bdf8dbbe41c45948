//! Opening DRAM zones.

use alloc::vec::Vec;

use frame::{FRAME_SIZE, Order, PhysRange};
use llfree::{Memory, Zone, media::Opened};
use persist::Volatile;
use plan::ZonePlacement;

use super::{Allocator, OpenZone, Placement, report::report_opened};
use crate::{
    arch::{
        paging, to_usize,
        tsc::{Clock, ticks},
    },
    log::warn,
    mem::{DirectMap, claim},
};

/// Makes the DRAM zones of the plan; they live for ever.
pub(crate) fn open_volatile(
    placement: &Placement,
    direct: DirectMap,
    clock: &Clock,
) -> &'static [OpenZone] {
    let zones = placement.plan.volatile();
    let open: Vec<OpenZone> = zones
        .filter_map(|zone| open(zone, placement.cpus, direct, clock))
        .collect();
    open.leak()
}

fn open(zone: &ZonePlacement, cpus: usize, direct: DirectMap, clock: &Clock) -> Option<OpenZone> {
    if !direct.covers(zone.range) {
        warn!(
            "zones",
            "{} is not mapped by the loader; left out", zone.name
        );
        return None;
    }
    let start = ticks();
    let memory = Memory {
        lower: claim_tables(direct, zone.lower),
        upper: claim_tables(direct, zone.upper),
    };
    let frames = to_usize(zone.managed.frames());
    // One handle more than processors: the kernel's own.
    let allocator = match Zone::create(frames, cpus + 1, memory, Volatile) {
        Ok(allocator) => {
            let first = zone.managed.start().0 / FRAME_SIZE as u64;
            Allocator::Volatile(allocator.with_alignment(Order::of_alignment(first)))
        }
        Err(error) => panic!("{}: {error}", zone.name),
    };
    let open = OpenZone {
        page_bytes: paging::page_bytes_at(direct, zone.managed.start()),
        placement: zone.clone(),
        allocator,
        store: None,
    };
    let micros = clock.micros(ticks().wrapping_sub(start));
    report_opened(&open, Opened::Created, micros);
    Some(open)
}

/// Claims the tables of a zone in DRAM.
pub(super) fn claim_tables(direct: DirectMap, range: PhysRange) -> &'static mut [u8] {
    let (start, len_bytes) = (direct.pointer(range.start()), to_usize(range.len_bytes()));
    // SAFETY:
    // 1. The direct map covers usable memory, write-back cached.
    // 2. The plan, verified, gives these bytes to nothing else; the kernel's own
    //    memory is not usable memory in the loader's map.
    // 3. Each part of the plan is claimed once, when its zone is opened.
    unsafe { claim::exclusive(start, len_bytes) }
}
