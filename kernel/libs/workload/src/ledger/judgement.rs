//! What a judge may say.

use core::fmt;

use frame::FrameId;

use super::{Block, LedgerError, Owner};

/// What came of a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Frames looked at.
    pub frames: u64,
    /// Frames that the allocator says are free. Its own count has to agree.
    pub free: u64,
    /// Operations acknowledged in the cycle, without refused gets.
    pub acknowledged: u64,
    /// Gets in the cycle that found nothing.
    pub refused: u64,
    /// Operations in flight.
    pub in_flight: u64,
    /// Blocks owned, all of whose frames were looked at.
    pub owned: u64,
    /// Frames of those blocks.
    pub owned_frames: u64,
    /// Frames allocated and kept from use.
    pub kept: u64,
    /// Other frames allocated without an owner.
    pub leaked: u64,
    /// Of these, frames that the allocator lists as uncertain.
    pub uncertain: u64,
    /// Frames that may have leaked: those of the operations in flight, and the
    /// uncertain ones.
    pub bound: u64,
    /// Frames owned and free (D1).
    pub lost: Tally,
    /// Owned blocks whose stamps are gone.
    pub defaced: Tally,
    /// Frames with two owners (D1), or with one although they are kept from use.
    pub doubled: Tally,
    /// Frames leaked beyond what the operations in flight account for: some
    /// acknowledged free was forgotten, or frames vanished (D2, D3).
    pub excess: Tally,
    /// Words of the ledger that no worker writes, or not yet.
    pub malformed: Tally,
}

/// How often something happened that must not, and the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// The facts of the first.
    pub first: Option<Fault>,
}

/// Something that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A frame is owned and free.
    Lost {
        /// The frame.
        frame: FrameId,
        /// The block that it belongs to.
        block: Block,
    },
    /// A block is owned and its content is not its owner's.
    Defaced {
        /// The block.
        block: Block,
    },
    /// A block is owned within another that is.
    Doubled {
        /// The block.
        block: Block,
        /// The one that it lies in.
        outer: Block,
    },
    /// A frame is owned as a part of a block, and kept from use.
    Used {
        /// The frame.
        frame: FrameId,
        /// The block that it belongs to.
        block: Block,
    },
    /// A frame is allocated, and nobody owns it or might be about to.
    Leaked {
        /// The frame.
        frame: FrameId,
        /// Its owner word.
        last: Owner,
    },
    /// An owner word is not of a block that can be there.
    BadOwner {
        /// The frame.
        frame: FrameId,
        /// Its owner word.
        word: u64,
    },
    /// An owner word is of an operation that was never announced.
    Unannounced {
        /// The frame.
        frame: FrameId,
        /// Its owner word.
        owner: Owner,
    },
    /// A processor's line is not what a worker writes.
    BadLine(LedgerError),
}

impl Judgement {
    /// Returns whether everything that must hold does, for at least one frame.
    pub fn holds(&self) -> bool {
        self.frames > 0 && self.faults().next().is_none()
    }

    /// Returns the first fault of each kind.
    pub fn faults(&self) -> impl Iterator<Item = Fault> {
        let tallies = [
            self.lost,
            self.defaced,
            self.doubled,
            self.excess,
            self.malformed,
        ];
        tallies.into_iter().filter_map(|tally| tally.first)
    }

    /// Returns the number of frames that are lost, defaced or doubled.
    pub const fn violated(&self) -> u64 {
        self.lost.count + self.defaced.count + self.doubled.count
    }
}

impl Tally {
    pub(super) fn add(&mut self, count: u64, fault: Fault) {
        self.count += count;
        self.first.get_or_insert(fault);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { frame, block } => {
                write!(
                    f,
                    "frame {frame} is free and belongs to {block}, which is owned"
                )
            }
            Self::Defaced { block } => write!(f, "the content of {block} is not its owner's"),
            Self::Doubled { block, outer } => {
                write!(f, "{block} is owned and so is {outer} around it")
            }
            Self::Used { frame, block } => {
                write!(
                    f,
                    "frame {frame} is kept from use and belongs to {block}, which is owned"
                )
            }
            Self::Leaked { frame, last } => {
                write!(f, "frame {frame} is allocated and nobody's, last {last:?}")
            }
            Self::BadOwner { frame, word } => {
                write!(f, "the owner word of frame {frame} is {word:#x}")
            }
            Self::Unannounced { frame, owner } => {
                write!(
                    f,
                    "frame {frame} is {owner:?} by an operation never announced"
                )
            }
            Self::BadLine(error) => error.fmt(f),
        }
    }
}
