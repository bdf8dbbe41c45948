//! Opening persistent zones.

use alloc::{format, string::String, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use firmware::Domain;
use frame::{GIANT_SIZE, PhysAddr, PhysRange};
use llfree::{
    Memory, Zone,
    media::{self, Geometry, OpenError, Opened},
};
use options::Options;
use ownership::{Decision, Finding, Permission, decide};
use persist::{Adr, Eadr, Persist, WriteBack};
use plan::{Persistent, ZonePlacement};
use record::How;
use spin::Mutex;

use super::{
    Allocator, OpenZone, Placement, Store,
    look::look,
    placement::Tables,
    report::{report_inspected, report_opened},
    volatile::claim_tables,
};
use crate::{
    arch::{
        to_usize,
        tsc::{Clock, ticks},
    },
    log::warn,
    mem::{Access, Mapped, Mapper, claim},
};

/// Opens the persistent zones of the plan that are ours or may become so; the
/// second list has a sentence for each of the others.
pub(crate) fn open_persistent(
    placement: &Placement,
    mapper: &mut Mapper<'_>,
    options: &Options,
    clock: &Clock,
) -> (Vec<OpenZone>, Vec<String>) {
    let mut open_zones = Vec::new();
    let mut left_alone = asked_for_in_vain(placement, options);
    for (zone, persistent) in placement.plan.persistent() {
        let permission = if persistent.emulated {
            Permission::StandIn
        } else {
            Permission::Tokens(&options.permits)
        };
        match open(zone, persistent, placement.cpus, mapper, permission) {
            Ok((open, how, ticks)) => {
                report_opened(&open, how, clock.micros(ticks));
                open_zones.push(open);
            }
            Err(reason) => {
                warn!("zones", "{reason}");
                left_alone.push(reason);
            }
        }
    }
    (open_zones, left_alone)
}

/// Returns a sentence for each range that the command line names and the plan
/// refuses. What the firmware's word excludes is in the records of the ranges.
fn asked_for_in_vain(placement: &Placement, options: &Options) -> Vec<String> {
    let refused = placement.plan.refused.iter();
    let named = refused.filter(|refused| Some(refused.range) == options.emulate);
    named
        .map(|refused| format!("{} is left alone: {}", refused.range, refused.reason))
        .collect()
}

/// Looks, decides, maps and opens, or says why not. The last value is how many
/// ticks the allocator took to open its tables.
fn open(
    zone: &ZonePlacement,
    persistent: &Persistent,
    cpus: usize,
    mapper: &mut Mapper<'_>,
    permission: Permission<'_>,
) -> Result<(OpenZone, Opened, u64), String> {
    if !mapper.direct().covers(zone.upper) {
        return Err(format!(
            "{} is left alone: its upper tables at {} are not mapped by the loader",
            zone.name, zone.upper
        ));
    }
    let finding = look(mapper, zone, persistent.id);
    let finding = finding.map_err(|error| format!("{}: {error}", zone.name))?;
    let decision = decide(&finding, permission);
    report_inspected(zone, persistent, &finding, &decision);
    let format = match decision {
        Decision::Recover { .. } => media::Format::Never,
        Decision::Format => media::Format::Allowed,
        Decision::Refuse(refusal) => {
            return Err(format!("{} at {} {refusal}", zone.name, zone.range));
        }
    };
    let narrowed = narrow(zone, &finding)?;
    let (zone, persistent) = match &narrowed {
        Some((zone, persistent)) => (zone, persistent),
        None => (zone, persistent),
    };
    let mapped = mapper.map(zone.range, Access::Write);
    let mapped = mapped.map_err(|error| format!("{}: {error}", zone.name))?;
    let parts = Parts::claim(zone, persistent, &mapped, mapper);
    let start = ticks();
    let opened = match (persistent.domain, persistent.emulated, WriteBack::detect()) {
        (Domain::Eadr, false, _) => parts
            .open(zone, persistent, format, cpus, Eadr)
            .map(|(zone, store, how)| (Allocator::Eadr(zone), store, how)),
        (_, _, Some(instruction)) => parts
            .open(zone, persistent, format, cpus, Adr::new(instruction))
            .map(|(zone, store, how)| (Allocator::Adr(zone), store, how)),
        (_, _, None) => {
            return Err(format!(
                "{} is left alone: the processor has no instruction to write its cache back",
                zone.name
            ));
        }
    };
    let passed = ticks().wrapping_sub(start);
    let (allocator, store, how) = opened
        .map_err(|error| format!("{} at {} is left alone: {error}", zone.name, zone.range))?;
    let open = OpenZone {
        placement: zone.clone(),
        allocator,
        page_bytes: mapped.page_bytes(),
        store: Some(store),
    };
    Ok((open, how, passed))
}

/// Lays the zone out within the part of its range that may be ours, where that is
/// not all of it.
fn narrow(
    zone: &ZonePlacement,
    finding: &Finding,
) -> Result<Option<(ZonePlacement, Persistent)>, String> {
    if !finding.adopted {
        return Ok(None);
    }
    let offset = |at: usize| PhysAddr(zone.range.start().0 + at as u64);
    let part = PhysRange::between(offset(finding.place.start), offset(finding.place.end));
    let narrowed = zone.within(part, &Tables);
    let narrowed = narrowed
        .map_err(|reason| format!("{}, a devdax namespace, is left alone: {reason}", zone.name))?;
    let persistent = narrowed.persistent().copied();
    Ok(persistent.map(|persistent| (narrowed, persistent)))
}

fn geometry(zone: &ZonePlacement, persistent: &Persistent) -> Geometry {
    let offset = |part: PhysRange| part.start().0 - zone.range.start().0;
    Geometry {
        region_id: persistent.id.0,
        region_len: zone.range.len_bytes(),
        lower_offset: offset(zone.lower),
        lower_len: zone.lower.len_bytes(),
        annex_offset: offset(persistent.annex),
        annex_len: persistent.annex.len_bytes(),
        managed_offset: offset(zone.managed),
        frames: zone.managed.frames(),
        base_in_giant: zone.range.start().0 % GIANT_SIZE as u64,
        words: 8,
        tree: 32,
    }
}

/// The parts of a persistent range, each claimed once.
struct Parts {
    superblock: &'static mut [u8],
    replica: &'static mut [u8],
    memory: Memory<'static>,
    annex: &'static [AtomicU64],
    content: &'static [AtomicU64],
}

impl Parts {
    fn claim(
        zone: &ZonePlacement,
        persistent: &Persistent,
        mapped: &Mapped,
        mapper: &Mapper<'_>,
    ) -> Self {
        let place = |part: PhysRange| {
            let offset = to_usize(part.start().0 - zone.range.start().0);
            let start = mapped.start().wrapping_add(offset);
            (start, to_usize(part.len_bytes()))
        };
        let bytes = |part| {
            let (start, len_bytes) = place(part);
            // SAFETY:
            // 1. The whole range is mapped, writable and write-back cached, and
            //    never unmapped from now on.
            // 2. The plan, verified, gives these bytes to nothing else.
            // 3. Each part is claimed once, here.
            unsafe { claim::exclusive(start, len_bytes) }
        };
        let words = |part| {
            let (start, len_bytes) = place(part);
            // SAFETY:
            // 1. As above; parts consist of whole frames.
            // 2. The plan, verified, gives these bytes to nothing else.
            unsafe { claim::words(start, len_bytes) }
        };
        Self {
            superblock: bytes(persistent.superblock),
            replica: bytes(persistent.replica),
            memory: Memory {
                lower: bytes(zone.lower),
                upper: claim_tables(mapper.direct(), zone.upper),
            },
            annex: words(persistent.annex),
            content: words(zone.managed),
        }
    }

    /// Opens the zone; the result has how it came to be.
    fn open<P: Persist>(
        self,
        zone: &ZonePlacement,
        persistent: &Persistent,
        format: media::Format,
        cpus: usize,
        persist: P,
    ) -> Result<(Zone<'static, P>, Store, Opened), OpenError> {
        let expected = geometry(zone, persistent);
        let (superblock, memory) = (self.superblock, self.memory);
        let opened = media::open(
            superblock,
            self.replica,
            memory,
            &expected,
            format,
            cpus,
            persist,
        );
        let (zone, how) = opened?;
        if let (Opened::Created, Some(first)) = (&how, self.annex.first()) {
            // What others have left there is no ledger.
            first.store(0, Ordering::Release);
        }
        let store = Store {
            how: match how {
                Opened::Created => How::Created,
                Opened::Recovered(_) => How::Recovered,
            },
            persistent: *persistent,
            superblock: Mutex::new(superblock),
            annex: self.annex,
            content: self.content,
        };
        Ok((zone, store, how))
    }
}
