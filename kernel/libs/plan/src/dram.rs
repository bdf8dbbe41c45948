//! The DRAM that zones can be made of.
//!
//! Only what the memory map calls usable is ours, and only where nothing
//! contradicts it: firmware maps overlap themselves now and then, and a range
//! that is also listed as something else, or as persistent, belongs to nobody.

use arrayvec::ArrayVec;
use bootloader_api::info::MemoryRegionKind;
use firmware::{Node, Topology};
use frame::{FRAME_SIZE, PhysAddr, PhysRange};

use crate::ranges::Ranges;
use crate::reason::{LeftOut, LeftOutReason};
use crate::{Plan, Request, range_of};

/// What firmware and the start of processors need.
pub(crate) const FIRST_MEBIBYTE: PhysRange = PhysRange::between(PhysAddr(0), PhysAddr(1 << 20));

/// Most pieces that are considered for zones.
const MAX_PIECES: usize = 512;

/// Usable DRAM of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// What is left of it.
    pub(crate) range: PhysRange,
    /// The node.
    pub(crate) node: Node,
}

/// The pieces in ascending order.
pub(crate) type Pieces = ArrayVec<Piece, MAX_PIECES>;

/// Returns the usable memory above the first mebibyte, in whole frames.
pub(crate) fn usable(request: &Request<'_>, plan: &mut Plan) -> Ranges {
    let mut usable = Ranges::default();
    let is_usable = |kind| kind == MemoryRegionKind::Usable;
    for region in request
        .regions
        .iter()
        .filter(|region| is_usable(region.kind))
    {
        let range = range_of(region).shrink_to(FRAME_SIZE as u64);
        let lost = usable.add(range);
        plan.leave_out(lost, LeftOutReason::NoZoneLeft);
    }
    for low in usable.clone().iter() {
        let low = low.intersection(FIRST_MEBIBYTE);
        plan.leave_out(Some(low), LeftOutReason::FirstMebibyte);
    }
    let others = request
        .regions
        .iter()
        .filter(|region| !is_usable(region.kind));
    let persistent = request.topology.persistent.iter().map(|range| range.range);
    let taken = others.map(range_of).chain(persistent);
    for taken in taken.chain([FIRST_MEBIBYTE]) {
        let lost = usable.remove(outward(taken));
        plan.leave_out(lost, LeftOutReason::NoZoneLeft);
    }
    usable
}

/// Splits memory where one node ends and the next begins.
pub(crate) fn pieces(usable: &Ranges, topology: &Topology, plan: &mut Plan) -> Pieces {
    let mut pieces = Pieces::new();
    for mut range in usable.iter() {
        while !range.is_empty() {
            let node = topology.node_of(range.start());
            let end = node_end(topology, range, node);
            let piece = PhysRange::between(range.start(), end);
            range = PhysRange::between(end, range.end());
            if pieces.is_full() {
                plan.leave_out(Some(piece), LeftOutReason::NoZoneLeft);
            } else {
                pieces.push(Piece { range: piece, node });
            }
        }
    }
    pieces
}

/// Returns where the first part of a range ends that belongs to one node.
fn node_end(topology: &Topology, range: PhysRange, node: Node) -> PhysAddr {
    let mut end = range.start();
    loop {
        let bounds = topology.memory.iter();
        let bounds = bounds.flat_map(|memory| [memory.range.start(), memory.range.end()]);
        let bounds = bounds.filter_map(|bound| bound.align_up(FRAME_SIZE as u64));
        let next = bounds.filter(|bound| *bound > end).min();
        match next.filter(|next| *next < range.end()) {
            Some(next) if topology.node_of(next) == node => end = next,
            Some(next) => return next,
            None => return range.end(),
        }
    }
}

/// Returns the whole frames that a range touches.
fn outward(range: PhysRange) -> PhysRange {
    if range.is_empty() {
        return range;
    }
    let align = FRAME_SIZE as u64;
    let end = range.end().align_up(align).unwrap_or(PhysAddr(u64::MAX));
    PhysRange::between(range.start().align_down(align), end)
}

impl Plan {
    /// Notes DRAM that isn't used.
    pub(crate) fn leave_out(&mut self, range: Option<PhysRange>, reason: LeftOutReason) {
        let Some(range) = range.filter(|range| !range.is_empty()) else {
            return;
        };
        self.left_out_bytes = self.left_out_bytes.saturating_add(range.len_bytes());
        if !self.left_out.is_full() {
            self.left_out.push(LeftOut { range, reason });
        }
    }
}
