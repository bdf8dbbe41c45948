//! Which tree to take from next, as a pure function.
//!
//! Fragmentation is decided here: trees that are half full or more are filled
//! first, so that those that are less can drain until they are whole again; whole
//! ones are broken after that, and trees of other processors come last. A tree
//! that is almost full counts as *scarce* and comes after the whole ones: it would
//! last for a few frames only, and then the search begins again. Trees of another
//! class are for when there is nothing else, and as far as the zone's
//! [`Policy`] goes.

use crate::class::{Class, Occupied, Policy, Verdict};
use crate::tree::{Amount, Tree};

/// How welcome a tree is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Of another class, and another processor's or almost full.
    Leftover,
    /// Of another class, to be changed.
    Demote,
    /// Of another class, to be kept.
    Steal,
    /// Another processor uses it.
    InUse,
    /// Has enough, but not for long.
    Scarce,
    /// Entirely free.
    Whole,
    /// More than half free: the fuller the better, as the others may drain.
    Sparse,
    /// At least half full, with a good rest.
    Partly,
}

/// A tree that may be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) rank: Rank,
    /// The class that it is of for whoever moves there; `None` if nobody may.
    pub(crate) becomes: Option<Class>,
}

/// Returns how welcome a tree is to one who needs `need` for a class, or `None` if the
/// policy refuses it. It has that much, and is one of `capacity` frames in general, but
/// `frames` in particular.
#[inline(always)]
pub(crate) fn judge(
    tree: Tree,
    need: Amount,
    [capacity, frames]: [usize; 2],
    asked: Class,
    policy: Policy,
) -> Option<Candidate> {
    let rank = rank(tree, need, capacity);
    if tree.class() == asked || tree.free() >= frames {
        let becomes = Some(asked);
        return Some(Candidate { rank, becomes });
    }
    judge_other(tree, rank, frames, asked, policy)
}

/// The same for a tree in which there is something of another class.
#[cold]
fn judge_other(
    tree: Tree,
    rank: Rank,
    frames: usize,
    asked: Class,
    policy: Policy,
) -> Option<Candidate> {
    let (class, free) = (tree.class(), tree.free());
    let is_leftover = matches!(rank, Rank::InUse | Rank::Scarce);
    let (rank, becomes) = match policy(
        asked,
        Occupied {
            class,
            free,
            frames,
        },
    ) {
        Verdict::Match => (rank, Some(class)),
        Verdict::Refuse => return None,
        Verdict::Demote(to) if !tree.in_use() => {
            let rank = if is_leftover {
                Rank::Leftover
            } else {
                Rank::Demote
            };
            (rank, Some(to))
        }
        Verdict::Steal | Verdict::Demote(_) if is_leftover => (Rank::Leftover, None),
        Verdict::Steal | Verdict::Demote(_) => (Rank::Steal, None),
    };
    Some(Candidate { rank, becomes })
}

/// Returns how welcome a tree of `capacity` frames and of the right class is.
#[inline(always)]
fn rank(tree: Tree, need: Amount, capacity: usize) -> Rank {
    if tree.in_use() {
        Rank::InUse
    } else if tree.free() >= capacity {
        Rank::Whole
    } else if need.whole == 0 && tree.free() < capacity / 16 {
        Rank::Scarce
    } else if tree.free() > capacity / 2 {
        Rank::Sparse
    } else {
        Rank::Partly
    }
}
