//! Questions about a zone. While processors allocate and free, an answer may be
//! outdated when it arrives.

use core::ptr::NonNull;

use frame::FrameId;

use crate::any::{AnyZone, inside};
use crate::code::Code;
use crate::local::order_of;
use crate::zone::Zone;

/// How full a zone is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stats {
    /// Frames in all.
    pub frames: usize,
    /// Frames that are free.
    pub free: usize,
    /// Huge frames that are entirely free.
    pub huge_free: usize,
    /// Trees in all.
    pub trees: usize,
    /// Trees that are entirely free.
    pub trees_free: usize,
    /// Giant frames that are entirely free.
    pub giant_free: usize,
}

/// What contradicts what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum InconsistencyKind {
    /// The count of a huge frame is not the number of its clear bits.
    Count = 0,
    /// A huge frame is allocated as a whole but has bits set.
    WholeWithBits = 1,
    /// A huge frame is in a state that no completed operation leaves.
    State = 2,
    /// Frames beyond the last one could be taken.
    Tail = 3,
    /// A tree's number of free frames is not the sum of its counts.
    TreeFree = 4,
    /// A tree's number of entirely free huge frames is wrong.
    TreeWhole = 5,
    /// A tree is in use by nobody, by more than one, or by one who never said so.
    Reservation = 6,
    /// One that this interface has no number for yet.
    Unlisted = 7,
    /// A huge frame and the giant frame around it don't agree.
    Giant = 8,
}

/// Two parts of a zone's tables that contradict each other.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Inconsistency {
    /// What contradicts what.
    pub kind: InconsistencyKind,
    /// Number of the huge frame or of the tree.
    pub index: usize,
    /// What is written down, where the kind has a number.
    pub stored: i64,
    /// What was counted instead, where the kind has a number.
    pub counted: i64,
}

impl From<llfree::Inconsistency> for Inconsistency {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "counts of frames, far below 2^63"
    )]
    fn from(found: llfree::Inconsistency) -> Self {
        use InconsistencyKind as Kind;
        use llfree::Inconsistency as Found;

        let (kind, index, stored, counted) = match found {
            Found::Count {
                huge,
                stored,
                counted,
            } => (Kind::Count, huge, stored as i64, counted as i64),
            Found::WholeWithBits { huge } => (Kind::WholeWithBits, huge, 0, 0),
            Found::State { huge, stored } => (Kind::State, huge, i64::from(stored), 0),
            Found::Giant { huge, stored } => (Kind::Giant, huge, i64::from(stored), 0),
            Found::Tail { huge } => (Kind::Tail, huge, 0, 0),
            Found::TreeFree {
                tree,
                stored,
                counted,
            } => (Kind::TreeFree, tree, stored as i64, counted as i64),
            Found::TreeWhole {
                tree,
                stored,
                counted,
            } => (Kind::TreeWhole, tree, stored as i64, counted as i64),
            Found::Reservation {
                tree,
                in_use,
                users,
            } => (Kind::Reservation, tree, i64::from(in_use), users as i64),
            _ => (Kind::Unlisted, 0, 0, 0),
        };
        Self {
            kind,
            index,
            stored,
            counted,
        }
    }
}

/// Stores in `stats` how full a zone is. Reads one word a tree.
///
/// # Safety
///
/// 1. `zone` is null or a zone that has not been closed.
/// 2. `stats` is null or points to where an `llfree_stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_count(zone: *const Zone, stats: *mut Stats) -> Code {
    // SAFETY: Clause 1.
    let (Some(zone), Some(out)) = (unsafe { zone.as_ref() }, NonNull::new(stats)) else {
        return Code::NullArgument;
    };
    let found = inside!(AnyZone, &zone.any, zone => zone.stats());
    let stats = Stats {
        frames: found.frames,
        free: found.free,
        huge_free: found.huge_free,
        trees: found.trees,
        trees_free: found.trees_free,
        giant_free: found.giant_free,
    };
    // SAFETY: Clause 2.
    unsafe { out.write(stats) };
    Code::Ok
}

/// Holds everything that is written twice against each other.
///
/// Only meaningful while no call with a handle of this zone is under way; handles
/// may be open. Returns `LLFREE_RESULT_INCONSISTENT` and stores the first
/// contradiction in `found`, unless that is null.
///
/// # Safety
///
/// 1. `zone` is null or a zone that has not been closed.
/// 2. `found` is null or points to where an `llfree_inconsistency` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_validate(zone: *const Zone, found: *mut Inconsistency) -> Code {
    // SAFETY: Clause 1.
    let Some(zone) = (unsafe { zone.as_ref() }) else {
        return Code::NullArgument;
    };
    let Err(inconsistency) = inside!(AnyZone, &zone.any, zone => zone.validate()) else {
        return Code::Ok;
    };
    if let Some(found) = NonNull::new(found) {
        // SAFETY: Clause 2.
        unsafe { found.write(inconsistency.into()) };
    }
    Code::Inconsistent
}

/// Tells whether a frame is allocated, alone or in a block. Frames beyond the last
/// one are, and all are if `zone` is null.
///
/// # Safety
///
/// 1. `zone` is null or a zone that has not been closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_is_allocated(zone: *const Zone, frame: usize) -> bool {
    // SAFETY: Clause 1.
    let zone = unsafe { zone.as_ref() };
    zone.is_none_or(|zone| inside!(AnyZone, &zone.any, zone => zone.is_allocated(FrameId(frame))))
}

/// Tells whether a block could be taken: it exists, and all of it is free. None is
/// if `zone` is null.
///
/// # Safety
///
/// 1. `zone` is null or a zone that has not been closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_is_free(zone: *const Zone, frame: usize, order: u32) -> bool {
    // SAFETY: Clause 1.
    let (Some(zone), Some(order)) = (unsafe { zone.as_ref() }, order_of(order)) else {
        return false;
    };
    inside!(AnyZone, &zone.any, zone => zone.is_free(FrameId(frame), order))
}
