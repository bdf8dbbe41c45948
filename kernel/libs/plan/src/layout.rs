//! What goes where inside one range.
//!
//! Tables grow with the frames that they describe, and take the room of frames.
//! So a layout is the largest number of frames that still leaves room for its
//! own tables; it is searched for by halving, which needs no formula of the
//! allocator's.

use firmware::{Domain, Node, RegionId};
use frame::{FRAME_SIZE, HUGE_SIZE, Order, PhysAddr, PhysRange};

use crate::Sizes;
use crate::zone::{Kind, Name, Persistent, ZonePlacement};

const FRAME: u64 = FRAME_SIZE as u64;
const HUGE: u64 = HUGE_SIZE as u64;

/// A range without room for its tables and a huge frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSmall {
    /// Bytes that it needs.
    pub(crate) needed: u64,
}

/// Returns the bytes of whole frames that hold this many bytes.
pub(crate) fn whole_frames(len_bytes: usize) -> u64 {
    let frames = len_bytes.div_ceil(FRAME_SIZE);
    (frames as u64).saturating_mul(FRAME)
}

/// Lays out a persistent zone, except for its upper tables.
pub(crate) fn persistent(
    name: Name,
    node: Node,
    range: PhysRange,
    (id, domain, emulated): (RegionId, Domain, bool),
    sizes: &impl Sizes,
) -> Result<ZonePlacement, TooSmall> {
    let lower_len = |frames| whole_frames(sizes.lower_bytes(frames));
    let annex_len = |frames| whole_frames(sizes.annex_bytes(frames));
    let front = |frames| {
        let tables = lower_len(frames).saturating_add(annex_len(frames));
        tables.saturating_add(FRAME)
    };
    let managed = fit(range, FRAME, front)?;
    let mut rest = range;
    let superblock = split_front(&mut rest, FRAME);
    let lower = split_front(&mut rest, lower_len(frames(managed)));
    let annex = split_front(&mut rest, annex_len(frames(managed)));
    let replica = PhysRange::between(PhysAddr(range.end().0 - FRAME), range.end());
    let kind = Kind::Persistent(Persistent {
        id,
        domain,
        emulated,
        superblock,
        annex,
        replica,
    });
    let upper = PhysRange::default();
    Ok(ZonePlacement {
        name,
        kind,
        node,
        range,
        lower,
        upper,
        managed,
    })
}

/// Lays out a zone in DRAM.
pub(crate) fn volatile(
    name: Name,
    node: Node,
    range: PhysRange,
    cpus: usize,
    sizes: &impl Sizes,
) -> Result<ZonePlacement, TooSmall> {
    let lower_len = |frames| whole_frames(sizes.lower_bytes(frames));
    let upper_len = |frames| whole_frames(sizes.upper_bytes(frames, cpus));
    let front = |frames| lower_len(frames).saturating_add(upper_len(frames));
    let managed = fit(range, 0, front)?;
    let mut rest = range;
    let lower = split_front(&mut rest, lower_len(frames(managed)));
    let upper = split_front(&mut rest, upper_len(frames(managed)));
    Ok(ZonePlacement {
        name,
        kind: Kind::Volatile,
        node,
        range,
        lower,
        upper,
        managed,
    })
}

/// Takes bytes from the front of a range, which has them.
pub(crate) fn split_front(range: &mut PhysRange, len_bytes: u64) -> PhysRange {
    let middle = PhysAddr(range.start().0.saturating_add(len_bytes).min(range.end().0));
    let front = PhysRange::between(range.start(), middle);
    *range = PhysRange::between(middle, range.end());
    front
}

/// Returns the number of frames in a range.
pub(crate) fn frames(range: PhysRange) -> usize {
    usize::try_from(range.frames()).unwrap_or(usize::MAX)
}

/// Returns the most frames that fit behind their own tables and before `back`
/// bytes, from a multiple of 2 MiB on. `front` is the tables' size in bytes.
fn fit(range: PhysRange, back: u64, front: impl Fn(usize) -> u64) -> Result<PhysRange, TooSmall> {
    // `None` past the end of the address space.
    let start = |frames| range.start().checked_add(front(frames))?.align_up(HUGE);
    let end = PhysAddr(range.end().0.saturating_sub(back));
    let behind = |frames| start(frames).map(|start| PhysRange::between(start, end));
    let fits = |frames| behind(frames).is_some_and(|room| self::frames(room) >= frames);

    let least = Order::HUGE.frames();
    if !fits(least) {
        let before = start(least).map_or(u64::MAX, |start| start.0 - range.start().0);
        let needed = before.saturating_add(HUGE).saturating_add(back);
        return Err(TooSmall { needed });
    }
    let (mut fitting, mut too_many) = (least, frames(range).saturating_add(1));
    while too_many - fitting > 1 {
        let middle = fitting.midpoint(too_many);
        if fits(middle) {
            fitting = middle;
        } else {
            too_many = middle;
        }
    }
    let start = start(fitting).unwrap_or(end);
    let end = PhysAddr(start.0 + fitting as u64 * FRAME);
    Ok(PhysRange::between(start, end))
}
