//! Opening persistent zones.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{
    mem,
    sync::atomic::{AtomicU64, Ordering},
};

use firmware::Domain;
use frame::{GIANT_SIZE, PhysAddr, PhysRange};
use llfree::{
    Memory, Zone,
    media::{self, Geometry, Opened},
};
use options::{Crash, Options};
use ownership::{Decision, Finding, Permission, decide};
use persist::{Adr, Eadr, Event, Observed, Persist, WriteBack};
use plan::{Persistent, ZonePlacement};
use record::{How, StageName};
use spin::Mutex;

use super::{
    Allocator, Cut, History, OpenZone, Placement, Store,
    look::look,
    placement::Tables,
    report::{report_inspected, report_opened},
    volatile::claim_tables,
};
use crate::{
    arch::{
        timer::Handler,
        to_usize,
        tsc::{Clock, ticks},
    },
    log::warn,
    mem::{Access, Mapped, Mapper, claim},
    reset::ResetWay,
    tripwire,
};

/// How the machine is to be broken, as far as it matters when zones are opened.
#[derive(Clone, Copy)]
pub(crate) struct Breakage {
    /// When.
    pub(crate) crash: Crash,
    /// Whether caches are lost then.
    pub(crate) powercut: bool,
    /// By what.
    pub(crate) reset: Handler,
}

impl Breakage {
    /// Breaks the machine as the command line says, by the first of these ways.
    pub(crate) fn new(options: &Options, resets: &[ResetWay]) -> Self {
        let first = resets.first().copied().unwrap_or(ResetWay::TripleFault);
        Self {
            crash: options.crash,
            powercut: options.powercut,
            reset: Box::leak(Box::new(move || first.pull(|_| ()))),
        }
    }
}

/// Where the events of a zone are counted.
const COUNT: fn(Event) = tripwire::count;

/// Opens the persistent zones of the plan that are ours or may become so; the
/// second list has a sentence for each of the others.
pub(crate) fn open_persistent(
    placement: &Placement,
    mapper: &mut Mapper<'_>,
    options: &Options,
    breakage: Breakage,
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
        let cpus = placement.cpus;
        match open(zone, persistent, cpus, mapper, permission, breakage) {
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
    breakage: Breakage,
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
    let stage = match format {
        media::Format::Allowed => StageName::Format,
        media::Format::Never => StageName::Recovery,
    };
    tripwire::enter(stage, breakage.crash, breakage.reset);
    let start = ticks();
    let life = Life {
        zone,
        persistent,
        format,
        cpus,
    };
    let opened = parts.open_on_platform(&life, breakage);
    let passed = ticks().wrapping_sub(start);
    let (allocator, store, how) =
        opened.map_err(|why| format!("{} at {} is left alone: {why}", zone.name, zone.range))?;
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

    /// Opens the zone on what the platform is, or is emulated to be.
    fn open_on_platform(
        mut self,
        life: &Life<'_>,
        breakage: Breakage,
    ) -> Result<(Allocator, Store, Opened), String> {
        if breakage.powercut {
            let cut = self.put_cache_over();
            let opened = self.open(life, Observed::new(cut, COUNT), Allocator::Cut);
            return opened.map(|(allocator, store, how)| {
                let cut = Some(cut);
                (allocator, Store { cut, ..store }, how)
            });
        }
        let is_counted = matches!(breakage.crash, Crash::Event { .. });
        match (life.persistent.domain, life.persistent.emulated) {
            (Domain::Eadr, false) if is_counted => {
                self.open(life, Observed::new(Eadr, COUNT), Allocator::Counted)
            }
            (Domain::Eadr, false) => self.open(life, Eadr, Allocator::Eadr),
            _ => match WriteBack::detect() {
                Some(instruction) => self.open(life, Adr::new(instruction), Allocator::Adr),
                None => Err("the processor has no instruction to write its cache back".into()),
            },
        }
    }

    /// Replaces the tables by copies in a cache over them.
    fn put_cache_over(&mut self) -> Cut {
        let tables = [
            mem::take(&mut self.superblock),
            mem::take(&mut self.replica),
            mem::take(&mut self.memory.lower),
        ];
        let (cut, copies) = Cut::over(tables);
        [self.superblock, self.replica, self.memory.lower] = copies;
        cut
    }

    /// Opens the zone; the result has how it came to be.
    fn open<P: Persist>(
        self,
        life: &Life<'_>,
        persist: P,
        allocator: fn(Zone<'static, P>) -> Allocator,
    ) -> Result<(Allocator, Store, Opened), String> {
        let expected = geometry(life.zone, life.persistent);
        let (superblock, memory) = (self.superblock, self.memory);
        if let (media::Format::Allowed, Some(first)) = (life.format, self.annex.first()) {
            // What an earlier life or others have left there is no ledger of the
            // zone that is made now. Before the zone is complete: a crash in
            // between must not leave it with a ledger of other frames.
            first.store(0, Ordering::Release);
            persist.flush(first);
            persist.fence();
        }
        let history = History {
            last: media::last_mount(superblock),
            now: P::DOMAIN,
        };
        let opened = media::open(
            superblock,
            self.replica,
            memory,
            &expected,
            life.format,
            life.cpus,
            persist,
        );
        let (zone, how) = opened.map_err(|error| format!("{error}"))?;
        let store = Store {
            how: match how {
                Opened::Created => How::Created,
                Opened::Recovered(_) => How::Recovered,
            },
            history,
            persistent: *life.persistent,
            superblock: Mutex::new(superblock),
            cut: None,
            annex: self.annex,
            content: self.content,
        };
        Ok((allocator(zone), store, how))
    }
}

/// What a zone is opened as.
struct Life<'p> {
    zone: &'p ZonePlacement,
    persistent: &'p Persistent,
    format: media::Format,
    cpus: usize,
}
