//! Whether one range may be written to.
//!
//! Every test here stands for a way to destroy data or to lose it silently. The
//! first that applies is the reason; a range without a reason is one that the
//! firmware describes completely and without contradiction. Whether it is free
//! is another question, which its content answers.

use arrayvec::ArrayVec;
use frame::{FRAME_SIZE, PhysAddr, PhysRange};

use crate::Node;

use super::guid::Use;
use super::identity::Identity;
use super::structure::{Control, Map, Range, Structure};
use super::{Hints, Nfit, PersistentRange, Refusal};

/// What belongs to the firmware on every machine.
const FIRST_MEBIBYTE: PhysRange = PhysRange::between(PhysAddr(0), PhysAddr(1 << 20));

/// Adds every range that the table calls persistent, each with its verdict.
///
/// `max_phys_bits` is the size of a physical address in bits. `node_of` answers
/// where the table doesn't give a node itself. Returns how many ranges the table
/// has; those that `found` can't hold are left out.
pub fn judge<const N: usize>(
    nfit: &Nfit<'_>,
    max_phys_bits: u8,
    node_of: impl Fn(PhysAddr) -> Node,
    found: &mut ArrayVec<PersistentRange, N>,
) -> usize {
    let mut listed = 0;
    for (offset, structure) in nfit.located() {
        let Structure::Range(range) = structure else {
            continue;
        };
        if !is_persistent(range.usage()) {
            continue;
        }
        listed += 1;
        if !found.is_full() {
            let devices = Devices::behind(nfit, &range);
            found.push(PersistentRange {
                id: devices.identity.finish(),
                index: range.index,
                range: range.addresses(),
                node: range
                    .proximity
                    .map_or_else(|| node_of(PhysAddr(range.base)), Node),
                domain: nfit.domain(devices.hints),
                refusal: refuse(nfit, offset, &range, &devices, max_phys_bits),
            });
        }
    }
    refuse_twins(found);
    listed
}

/// Returns a refusal if one of the occupied ranges shares a byte with this one.
pub fn find_occupied(
    range: PhysRange,
    occupied: impl IntoIterator<Item = PhysRange>,
) -> Option<Refusal> {
    let mut occupied = occupied.into_iter();
    occupied
        .find(|by| by.overlaps(range))
        .map(|by| Refusal::Occupied { by })
}

fn is_persistent(usage: Use) -> bool {
    matches!(
        usage,
        Use::Persistent | Use::PersistentDisk | Use::PersistentCd
    )
}

fn refuse(
    nfit: &Nfit<'_>,
    offset: usize,
    range: &Range,
    devices: &Devices,
    max_phys_bits: u8,
) -> Option<Refusal> {
    let index = range.index;
    let broken = nfit.broken().map(Refusal::BrokenTable);
    broken
        .or_else(|| refuse_usage(range.usage()))
        .or_else(|| (index == 0).then_some(Refusal::NoIndex))
        .or_else(|| refuse_addresses(range, max_phys_bits))
        .or_else(|| refuse_overlap(nfit, offset, range))
        .or_else(|| devices.refuse(nfit, range))
        .or_else(|| refuse_caching(range.attributes))
}

fn refuse_usage(usage: Use) -> Option<Refusal> {
    (usage != Use::Persistent).then_some(Refusal::DiskImage { usage })
}

fn refuse_addresses(range: &Range, bits: u8) -> Option<Refusal> {
    let &Range {
        base,
        len_bytes,
        index,
        ..
    } = range;
    if len_bytes == 0 {
        return Some(Refusal::Empty { index });
    }
    let end = base.checked_add(len_bytes);
    let limit = 1_u64.checked_shl(bits.into()).unwrap_or(u64::MAX);
    if end.is_none_or(|end| end > limit) {
        return Some(Refusal::BeyondAddressSpace {
            base,
            len_bytes,
            bits,
        });
    }
    if !(base | len_bytes).is_multiple_of(FRAME_SIZE as u64) {
        return Some(Refusal::Misaligned { base, len_bytes });
    }
    let low = range.addresses().overlaps(FIRST_MEBIBYTE);
    low.then_some(Refusal::FirstMebibyte { base })
}

fn refuse_overlap(nfit: &Nfit<'_>, offset: usize, range: &Range) -> Option<Refusal> {
    let addresses = range.addresses();
    nfit.located().find_map(|(at, structure)| match structure {
        Structure::Range(other) if at != offset && other.addresses().overlaps(addresses) => {
            Some(Refusal::OverlapsRange {
                index: other.index,
                other: other.addresses(),
            })
        }
        _ => None,
    })
}

fn refuse_caching(attributes: u64) -> Option<Refusal> {
    let cached = attributes & Range::WRITE_BACK != 0;
    (!cached).then_some(Refusal::NotWriteBack { attributes })
}

/// Refuses ranges that can't be told apart: permission for one would reach the other.
fn refuse_twins(found: &mut [PersistentRange]) {
    for at in 0..found.len() {
        let (one, id) = (found[at].range, found[at].id);
        let is_twin = |range: &PersistentRange| range.id == id && range.range != one;
        let twin = found.iter().find(|range| is_twin(range));
        if let Some(other) = twin.map(|twin| twin.range) {
            let refusal = Refusal::SameIdentity { id, other };
            found[at].refusal.get_or_insert(refusal);
        }
    }
}

/// What the maps to one range add up to.
struct Devices {
    maps: usize,
    sum_bytes: u64,
    hints: Hints,
    identity: Identity,
}

impl Devices {
    /// Gathers the devices behind a range.
    fn behind(nfit: &Nfit<'_>, range: &Range) -> Self {
        let mut devices = Self {
            maps: 0,
            sum_bytes: 0,
            hints: Hints::Absent,
            identity: Identity::new(range),
        };
        for map in maps(nfit, range.index) {
            devices.maps += 1;
            devices.sum_bytes = devices.sum_bytes.saturating_add(map.region_len);
            devices
                .identity
                .add(&map, find_control(nfit, map.control_index).as_ref());
            if has_hints(nfit, map.handle) {
                devices.hints = Hints::Given;
            }
        }
        devices
    }

    fn refuse(&self, nfit: &Nfit<'_>, range: &Range) -> Option<Refusal> {
        if self.maps == 0 {
            return Some(Refusal::NoDevice { index: range.index });
        }
        let mismatch = Refusal::SizeMismatch {
            devices_bytes: self.sum_bytes,
            range_bytes: range.len_bytes,
        };
        let fault = maps(nfit, range.index).find_map(|map| {
            refuse_flags(&map)
                .or_else(|| refuse_dangling(nfit, &map))
                .or_else(|| refuse_ways(&map, self.maps))
        });
        fault.or_else(|| (self.sum_bytes != range.len_bytes).then_some(mismatch))
    }
}

fn refuse_flags(map: &Map) -> Option<Refusal> {
    let &Map { handle, flags, .. } = map;
    if flags & Map::FAILED != 0 {
        return Some(Refusal::Failed { handle, flags });
    }
    (flags & Map::NOT_ARMED != 0).then_some(Refusal::NotArmed { handle, flags })
}

fn refuse_dangling(nfit: &Nfit<'_>, map: &Map) -> Option<Refusal> {
    let handle = map.handle;
    let index = map.control_index;
    if index != 0 && find_control(nfit, index).is_none() {
        return Some(Refusal::NoControlRegion { handle, index });
    }
    let index = map.interleave_index;
    let missing = index != 0 && !has_interleave(nfit, index);
    missing.then_some(Refusal::NoInterleave { handle, index })
}

fn refuse_ways(map: &Map, found: usize) -> Option<Refusal> {
    let claimed = map.interleave_ways;
    // A device that isn't interleaved may say 0 instead of 1.
    let differs = usize::from(claimed.max(1)) != found;
    differs.then_some(Refusal::WaysMismatch {
        handle: map.handle,
        claimed,
        found,
    })
}

/// Returns the maps to a range. Index 0 is no reference, not one to a range
/// whose index is 0.
fn maps<'a>(nfit: &Nfit<'a>, index: u16) -> impl Iterator<Item = Map> + use<'a> {
    let maps = nfit.structures().filter_map(|structure| match structure {
        Structure::Map(map) => Some(map),
        _ => None,
    });
    maps.filter(move |map| map.range_index != 0 && map.range_index == index)
}

fn find_control(nfit: &Nfit<'_>, index: u16) -> Option<Control> {
    nfit.structures().find_map(|structure| match structure {
        Structure::Control(control) if index != 0 && control.index == index => Some(control),
        _ => None,
    })
}

fn has_interleave(nfit: &Nfit<'_>, index: u16) -> bool {
    nfit.structures()
        .any(|structure| matches!(structure, Structure::Interleave(found) if found.index == index))
}

fn has_hints(nfit: &Nfit<'_>, handle: u32) -> bool {
    nfit.structures().any(|structure| match structure {
        Structure::FlushHints(hints) => {
            hints.handle == handle && hints.addresses().next().is_some()
        }
        _ => false,
    })
}
