//! Who gets which memory.
//!
//! Persistent zones come first, because their upper tables are carved from DRAM
//! that zones of DRAM then can't have.

use firmware::{Domain, Node, PersistentRange, RegionId, nfit};
use frame::{FRAME_SIZE, PhysRange};

use crate::dram::{self, Piece, Pieces};
use crate::layout::{self, whole_frames};
use crate::ranges::Ranges;
use crate::reason::{LeftOutReason, Refused, RefusedReason};
use crate::zone::{self, ZonePlacement};
use crate::{MAX_ZONES, Plan, Request, Sizes, occupied};

/// The least DRAM that is worth a zone, in bytes.
const LEAST_VOLATILE: u64 = 8 << 20;

/// Decides where everything goes.
pub(crate) fn plan(request: &Request<'_>, sizes: &impl Sizes) -> Plan {
    let mut plan = Plan::default();
    let mut usable = dram::usable(request, &mut plan);
    let stand_in = stand_in(request, &mut usable, &mut plan);
    let mut pieces = dram::pieces(&usable, request.topology, &mut plan);

    for range in &request.topology.persistent {
        let placed = owned(request, range)
            .and_then(|range| lay_out(range, &plan, sizes))
            .and_then(|zone| place_upper(zone, request, &mut pieces, sizes));
        plan.settle(range.range, placed);
    }
    if let Some(range) = stand_in {
        let placed = lay_out(range, &plan, sizes)
            .and_then(|zone| place_upper(zone, request, &mut pieces, sizes));
        plan.settle(range.range, placed);
    }
    place_volatile(request, &mut pieces, &mut plan, sizes);
    plan
}

/// What a persistent zone is made of.
#[derive(Clone, Copy)]
struct Source {
    range: PhysRange,
    node: Node,
    id: RegionId,
    domain: Domain,
    emulated: bool,
}

/// Takes the range out of DRAM that is to stand in for persistent memory.
fn stand_in(request: &Request<'_>, usable: &mut Ranges, plan: &mut Plan) -> Option<Source> {
    let range = request.emulate?;
    if range.is_empty() || range.shrink_to(FRAME_SIZE as u64) != range {
        plan.refuse(range, RefusedReason::Misaligned);
        return None;
    }
    if !usable.contains(range) {
        plan.refuse(range, RefusedReason::NotUsable);
        return None;
    }
    let lost = usable.remove(range);
    plan.leave_out(lost, LeftOutReason::NoZoneLeft);
    Some(Source {
        range,
        node: request.topology.node_of(range.start()),
        id: RegionId::of_addresses(range),
        domain: Domain::None,
        emulated: true,
    })
}

/// Returns a range of the firmware's if nothing speaks against owning it.
fn owned(request: &Request<'_>, range: &PersistentRange) -> Result<Source, RefusedReason> {
    let found = nfit::find_occupied(range.range, occupied(request.regions));
    match range.refusal.or(found) {
        Some(refusal) => Err(RefusedReason::Firmware(refusal)),
        None => Ok(Source {
            range: range.range,
            node: range.node,
            id: range.id,
            domain: range.domain,
            emulated: false,
        }),
    }
}

fn lay_out(
    source: Source,
    plan: &Plan,
    sizes: &impl Sizes,
) -> Result<ZonePlacement, RefusedReason> {
    // The last zone is for DRAM: without any, there is no kernel.
    if plan.zones.len() + 1 == MAX_ZONES {
        return Err(RefusedReason::NoZoneLeft);
    }
    let name = zone::name("pmem", plan.zones.len());
    let Source {
        range,
        node,
        id,
        domain,
        emulated,
    } = source;
    layout::persistent(name, node, range, (id, domain, emulated), sizes).map_err(|small| {
        RefusedReason::TooSmall {
            given: range.len_bytes(),
            needed: small.needed,
        }
    })
}

/// Carves the upper tables from the nearest DRAM that still makes a zone afterwards.
fn place_upper(
    mut zone: ZonePlacement,
    request: &Request<'_>,
    pieces: &mut Pieces,
    sizes: &impl Sizes,
) -> Result<ZonePlacement, RefusedReason> {
    let node = zone.node;
    let frames = layout::frames(zone.managed);
    let needed = whole_frames(sizes.upper_bytes(frames, request.cpus));
    let least = needed.saturating_add(LEAST_VOLATILE);
    let roomy = pieces
        .iter_mut()
        .filter(|piece| piece.range.len_bytes() >= least);
    let piece = roomy.min_by_key(|piece| request.topology.distance(node, piece.node));
    let piece = piece.ok_or(RefusedReason::NoDram { needed, node })?;
    zone.upper = layout::split_front(&mut piece.range, needed);
    Ok(zone)
}

/// Makes a zone of every piece that is large enough, the largest if there are too many.
fn place_volatile(request: &Request<'_>, pieces: &mut Pieces, plan: &mut Plan, sizes: &impl Sizes) {
    let room = MAX_ZONES - plan.zones.len();
    pieces.sort_unstable_by_key(|piece| core::cmp::Reverse(piece.range.len_bytes()));
    let excess = pieces.iter().skip(room).copied();
    for piece in excess {
        plan.leave_out(Some(piece.range), LeftOutReason::NoZoneLeft);
    }
    pieces.truncate(room);
    pieces.sort_unstable_by_key(|piece| piece.range.start());
    let mut number = 0;
    for &Piece { range, node } in pieces.iter() {
        let name = zone::name("dram", number);
        let placed = if range.len_bytes() < LEAST_VOLATILE {
            let needed = LEAST_VOLATILE;
            Err(layout::TooSmall { needed })
        } else {
            layout::volatile(name, node, range, request.cpus, sizes)
        };
        match placed {
            Ok(zone) => {
                plan.zones.push(zone);
                number += 1;
            }
            Err(layout::TooSmall { needed }) => {
                plan.leave_out(Some(range), LeftOutReason::TooSmall { needed });
            }
        }
    }
}

impl Plan {
    /// Notes a zone, or why there is none.
    fn settle(&mut self, range: PhysRange, placed: Result<ZonePlacement, RefusedReason>) {
        match placed {
            Ok(zone) => self.zones.push(zone),
            Err(reason) => self.refuse(range, reason),
        }
    }

    /// Notes a persistent range that isn't used. There is room for all that a
    /// topology can list.
    fn refuse(&mut self, range: PhysRange, reason: RefusedReason) {
        if !self.refused.is_full() {
            self.refused.push(Refused { range, reason });
        }
    }
}
