//! Memory that a machine check has named, kept from use.
//!
//! The exception interrupts anything, so its handler only notes the address.
//! Between two parts of the job nobody uses a zone, and this takes what is free
//! of the huge frame around it, for the rest of the run. Frames in use are named
//! and taken once they have come back. Where a zone has a crash ledger, each frame is
//! entered there before it is taken, so that nobody takes it for leaked, not even the
//! next boot or the host. That boot frees it again: the firmware has to say anew what
//! is broken.

use alloc::vec::Vec;

use frame::{FrameId, Order, PhysAddr};
use llfree::{Local, Zone};
use persist::Persist;
use plan::Part;
use poison::{Isolation, TakesAt, isolate};
use workload::ledger::Ledger;

use crate::{
    arch::machine_check,
    log::{info, warn},
    run::{Saving, ledger_of},
    zones::{OpenZone, Zones, with_zone},
};

/// A huge frame, of which some frames may still be in use.
struct Place {
    zone: &'static OpenZone,
    frame: FrameId,
    /// Frames taken so far.
    kept: usize,
}

/// What is kept from use.
#[derive(Default)]
pub(crate) struct Quarantine {
    places: Vec<Place>,
}

/// Takes frames of a zone and keeps account of them.
struct Handle<'z, P: Persist> {
    zone: &'z Zone<'static, P>,
    local: Local<'z, 'static, P>,
    ledger: Option<Ledger<'static, Saving>>,
}

impl<P: Persist> TakesAt for Handle<'_, P> {
    fn take_at(&mut self, frame: FrameId, order: Order) -> bool {
        let frames = || (frame.0..frame.0 + order.frames()).map(FrameId);
        // What is in use stays its owner's, also in the ledger.
        if frames().any(|frame| self.zone.is_allocated(frame)) {
            return false;
        }
        // PERSIST: the entries, before the frames are taken: a crash in between must
        // not leave frames that seem to have leaked.
        if let Some(ledger) = &self.ledger {
            ledger.keep(frames());
        }
        let is_taken = self.local.get_at(frame, order).is_ok();
        if let (Some(ledger), false) = (&self.ledger, is_taken) {
            ledger.let_go(frames());
        }
        is_taken
    }
}

impl Quarantine {
    /// Deals with what was noted since the last time. Nobody may be using a zone.
    pub(crate) fn settle(&mut self, zones: &Zones) {
        for place in &mut self.places {
            // What came back since.
            if let Some(Isolation { kept, .. }) = take(place.zone, place.frame) {
                place.kept += kept;
            }
        }
        while let Some(address) = machine_check::take_noted() {
            self.add(address, zones);
        }
        let nameless = machine_check::take_nameless();
        if nameless > 0 {
            warn!(
                "memory",
                "{nameless} machine checks did not say where; nothing is kept from use"
            );
        }
    }

    /// Keeps the huge frame around an address from use.
    fn add(&mut self, address: PhysAddr, zones: &Zones) {
        let Some((zone, part)) = find(address, zones) else {
            warn!(
                "memory",
                "machine check at {address}: in no zone that is in use, nothing to keep from use"
            );
            return;
        };
        let name = zone.name();
        if part != Part::Managed {
            warn!(
                "memory",
                "machine check at {address}, {} of {name}, which can't be kept from use: {}",
                name_of(part),
                consequence(part)
            );
            return;
        }
        let frame = frame_at(address, zone);
        let Some(Isolation { kept, left }) = take(zone, frame) else {
            warn!(
                "memory",
                "machine check at {address}: {name} is in use, nothing is kept from use"
            );
            return;
        };
        warn!(
            "memory",
            "machine check at {address}, frame {} of {name}: the 2 MiB around it are kept from \
             use, {kept} frames now, {left} as soon as they are returned",
            frame.0
        );
        self.places.push(Place { zone, frame, kept });
    }

    /// Says what is kept from use, if anything is.
    pub(crate) fn report(&self) {
        for Place { zone, frame, kept } in &self.places {
            let name = zone.name();
            info!(
                "memory",
                "{kept} frames around frame {} of {name} are kept from use", frame.0
            );
        }
    }
}

/// Returns the zone that an address is in, and the part of it.
fn find(address: PhysAddr, zones: &Zones) -> Option<(&'static OpenZone, Part)> {
    let part = |zone: &'static OpenZone| Some((zone, zone.placement.part_at(address)?));
    zones.iter().find_map(part)
}

/// Returns the frame around an address among the managed ones.
fn frame_at(address: PhysAddr, zone: &OpenZone) -> FrameId {
    let offset = address.0 - zone.placement.managed.start().0;
    FrameId(crate::arch::to_usize(offset) / frame::FRAME_SIZE)
}

fn name_of(part: Part) -> &'static str {
    match part {
        Part::Managed => "the frames",
        Part::Superblock => "the superblock",
        Part::Lower => "the lower tables",
        Part::Upper => "the upper tables",
        Part::Annex => "the crash ledger",
        Part::Replica => "the second superblock",
        Part::Range => "an unused part",
    }
}

/// Returns what follows from damage to a part that can't be kept from use.
fn consequence(part: Part) -> &'static str {
    match part {
        Part::Managed | Part::Range => "nothing depends on it",
        Part::Superblock | Part::Replica => {
            "the next boot goes by the other copy, and writes this one again"
        }
        Part::Lower => {
            "whom the frames belong to that the line speaks of is in doubt, in this run and after \
             it; nothing but making the zone anew on sound memory helps"
        }
        Part::Upper => "counts may be wrong in this run; the next boot makes them anew",
        Part::Annex => {
            "what is judged by it is in doubt, be it a fault or none; the frames are not"
        }
    }
}

/// Takes what is free around a frame; `None` if processor 0 is using the zone.
fn take(zone: &OpenZone, frame: FrameId) -> Option<Isolation> {
    let ledger = zone.store.as_ref().and_then(ledger_of);
    with_zone!(&zone.allocator, zone => {
        let mut handle = Handle {
            zone,
            local: zone.local(0).ok()?,
            ledger,
        };
        Some(isolate(&mut handle, frame, zone.stats().frames))
    })
}
