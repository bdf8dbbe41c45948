//! What may be wrong with a ledger, and what a ledger finds wrong.

use core::fmt;

use frame::{FrameId, Order};

use super::{Block, Claim, InFlight, MAX_CPUS};

/// Why memory does not hold a ledger, or can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerError {
    /// The memory is shorter than the ledger.
    TooShort {
        /// Bytes that the ledger needs.
        needed: u64,
        /// Bytes that there are.
        given: u64,
    },
    /// There is no ledger: never formatted, or interrupted while it was.
    NotFormatted {
        /// Word found in the place of the magic number.
        found: u64,
    },
    /// The ledger is of a layout that this build does not understand.
    UnknownVersion {
        /// Version found.
        found: u64,
    },
    /// The header does not match its checksum.
    Checksum {
        /// Checksum in the header.
        stored: u64,
        /// Checksum of the header.
        computed: u64,
    },
    /// The ledger would have more frames than an intent can name.
    TooManyFrames {
        /// Frames asked for.
        frames: u64,
    },
    /// The ledger has no line for a processor.
    NoSuchCpu {
        /// Number of the processor.
        cpu: usize,
    },
    /// A processor's last operation is still in flight.
    Unsettled {
        /// Number of the processor.
        cpu: usize,
        /// The operation.
        operation: InFlight,
    },
    /// A processor's line holds what no worker writes.
    BadLine {
        /// Number of the processor.
        cpu: usize,
        /// Its intent.
        intent: u64,
        /// Its last sequence number done.
        done: u64,
    },
}

/// What a worker noticed while it worked: the allocator is broken, or memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach<E> {
    /// The allocator handed out what is no block of the zone.
    Foreign {
        /// First frame of the block.
        frame: FrameId,
        /// Order of the block.
        order: Order,
        /// Frames in the zone.
        frames: usize,
    },
    /// The allocator handed out frames that have an owner.
    Doubled {
        /// The block handed out.
        block: Block,
        /// First frame of the block that overlaps it.
        owned: FrameId,
        /// Who owns that.
        owner: Claim,
    },
    /// The owner word of a block changed while it was owned.
    Usurped {
        /// The block.
        block: Block,
        /// Its owner word now.
        found: u64,
    },
    /// The content of a block changed while it was owned.
    Defaced {
        /// The block.
        block: Block,
    },
    /// The allocator did not take an owned block back.
    Refused {
        /// The block.
        block: Block,
        /// The allocator's reason.
        error: E,
    },
}

/// A leaked frame that the allocator does not take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreclaimed<E> {
    /// The frame.
    pub frame: FrameId,
    /// The allocator's reason.
    pub error: E,
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { needed, given } => {
                write!(f, "the ledger needs {needed} bytes, there are {given}")
            }
            Self::NotFormatted { found } => {
                write!(
                    f,
                    "no ledger: found {found:#x} in the place of its magic number"
                )
            }
            Self::UnknownVersion { found } => write!(f, "unknown ledger version {found}"),
            Self::Checksum { stored, computed } => write!(
                f,
                "the ledger's header says checksum {stored:#x} and has {computed:#x}"
            ),
            Self::TooManyFrames { frames } => {
                write!(f, "{frames} frames are more than a ledger can name")
            }
            Self::NoSuchCpu { cpu } => {
                write!(
                    f,
                    "the ledger has lines for {MAX_CPUS} processors, not for {cpu}"
                )
            }
            Self::Unsettled { cpu, operation } => {
                write!(f, "processor {cpu} has {operation:?} in flight")
            }
            Self::BadLine { cpu, intent, done } => write!(
                f,
                "the line of processor {cpu} holds intent {intent:#x} after operation {done}"
            ),
        }
    }
}

impl<E: fmt::Debug> fmt::Display for Breach<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign {
                frame,
                order,
                frames,
            } => write!(
                f,
                "block {frame} of order {order} is no block of a zone of {frames} frames"
            ),
            Self::Doubled {
                block,
                owned,
                owner,
            } => {
                write!(f, "{block} was handed out, but {owned} is owned: {owner}")
            }
            Self::Usurped { block, found } => {
                write!(f, "the owner word of {block} changed to {found:#x}")
            }
            Self::Defaced { block } => write!(f, "the content of {block} changed"),
            Self::Refused { block, error } => write!(f, "{block} was refused: {error:?}"),
        }
    }
}

impl<E: fmt::Debug> fmt::Display for Unreclaimed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frame, error } = self;
        write!(f, "leaked frame {frame} was refused: {error:?}")
    }
}

impl core::error::Error for LedgerError {}
impl<E: fmt::Debug> core::error::Error for Unreclaimed<E> {}
impl<E: fmt::Debug> core::error::Error for Breach<E> {}
