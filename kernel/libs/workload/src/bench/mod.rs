//! The benchmarks: what an operation costs, and the proof that it was done.
//!
//! Each workload answers one question, written at its head. They share three
//! phases: *fill* takes blocks, *prove* marks them in the oracle while every
//! processor holds its own, *empty* gives them back. Only the loops of fill and
//! empty are timed; every processor waits for the others before and after, so
//! that nobody is measured while somebody else still checks.
//!
//! Times are raw ticks of one processor in one repetition. Nothing is divided
//! or averaged here: the host does that, where floats are cheap. The caller
//! compares the count of free frames before and after
//! ([`conserved`](crate::oracle::conserved)).

mod bulk;
mod churn;
mod phases;
mod random;
mod repeat;
#[cfg(test)]
mod tests;

use core::fmt;

use frame::{FrameId, Order};

pub use random::Pool;

use crate::oracle::{Ownership, OwnershipError};

/// One processor's part of a benchmark.
pub struct Bench<'a, M, A> {
    /// The processor.
    pub machine: &'a M,
    /// Its handle of the allocator under test.
    pub alloc: &'a mut A,
    /// The bitmap that all processors share.
    pub oracle: &'a Ownership<'a>,
    /// Order of all blocks.
    pub order: Order,
}

/// What one processor took for one repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Blocks allocated, and as many freed.
    pub ops: u64,
    /// Ticks for all allocations.
    pub get_ticks: u64,
    /// Ticks for all frees; 0 where pairs are measured in `get_ticks`.
    pub put_ticks: u64,
}

/// Why a repetition yields no figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure<E> {
    /// The allocator ran out of blocks.
    OutOfFrames {
        /// Blocks taken until then.
        got: usize,
        /// Blocks asked for.
        wanted: usize,
    },
    /// The allocator did not take a block back.
    Refused {
        /// First frame of the block.
        frame: FrameId,
        /// Order of the block.
        order: Order,
        /// The allocator's reason.
        error: E,
    },
    /// The oracle objects to what was handed out.
    Ownership(OwnershipError),
    /// The pool has fewer places than the processors need together.
    PoolTooSmall {
        /// Places needed.
        needed: usize,
        /// Places given.
        given: usize,
    },
}

impl<E> From<OwnershipError> for Failure<E> {
    fn from(error: OwnershipError) -> Self {
        Self::Ownership(error)
    }
}

impl<E: fmt::Debug> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFrames { got, wanted } => {
                write!(f, "out of frames after {got} of {wanted} blocks")
            }
            Self::Refused {
                frame,
                order,
                error,
            } => {
                write!(f, "block {frame} of order {order} was refused: {error:?}")
            }
            Self::Ownership(error) => error.fmt(f),
            Self::PoolTooSmall { needed, given } => {
                write!(f, "the pool needs {needed} places and has {given}")
            }
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Failure<E> {}
