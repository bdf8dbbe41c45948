//! Which tree to take from next, as a pure function.
//!
//! Fragmentation is decided here: trees that are half full or more are filled
//! first, so that those that are less can drain until they are whole again; whole
//! ones are broken after that, and trees of other processors come last. A tree
//! that is almost full counts as *scarce* and comes after the whole ones: it would
//! last for a few frames only, and then the search begins again.

use crate::tree::{Amount, Tree};

/// How welcome a tree is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
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

/// Returns how welcome a tree of `capacity` frames is to one who needs `need`,
/// or `None` if it does not have that much.
pub(crate) fn rank(tree: Tree, need: Amount, capacity: usize) -> Option<Rank> {
    if !tree.holds(need) {
        return None;
    }
    Some(if tree.in_use() {
        Rank::InUse
    } else if tree.free() >= capacity {
        Rank::Whole
    } else if need.whole == 0 && tree.free() < capacity / 16 {
        Rank::Scarce
    } else if tree.free() > capacity / 2 {
        Rank::Sparse
    } else {
        Rank::Partly
    })
}
