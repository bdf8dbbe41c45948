//! What was acknowledged, in memory that survives.
//!
//! After a crash the allocator says which frames are allocated. Whether it is
//! right only those know who were given them, and they have just crashed too. So
//! every processor keeps account in persistent memory, outside of the frames it
//! accounts for, and a [`judge`](judge()) compares afterwards.
//!
//! A log would wrap, and a free acknowledged by one processor would race with
//! the next owner's entry. Here every frame has one *owner word* and every
//! processor one *intent line*, and an operation is a fixed sequence of stores:
//!
//! | step | get | put | halve (no call: the block becomes two) |
//! |---|---|---|---|
//! | 1 | intent := {get, order, seq} | intent := {put, frame, order, seq} | intent := {halve, …} |
//! | 2 | **get** | owner word := freeing | owner word := freeing |
//! | 3 | stamps | **put** | stamps |
//! | 4 | owner word := owned | – | both owner words := owned, upper one first |
//! | 5 | done := seq | done := seq | done := seq |
//!
//! After step 2 of a put its owner word is not written again by this processor:
//! the block may have the next owner already. Whatever a crash leaves behind,
//!
//! * an *owned* word stands between the end of a get and the start of a put:
//!   its frames are allocated, and stamped;
//! * a *kept* word stands for a frame that is taken out of use for good, or is
//!   about to be: it is allocated or free, and nobody's;
//! * everything else is free, but for the operations in flight, at most one a
//!   processor: `done` lags behind the intent. A put or halve names its frames; a
//!   get, which can't know them yet, answers for as many as it asked for.
//!
//! # Layout
//!
//! Little-endian 64-bit words; a line is 8 words (64 bytes).
//!
//! | words | content |
//! |---|---|
//! | 0..8 | header: magic, version, frames, epoch, seed, cycles wanted, processors, CRC-64/XZ of words 1..7 |
//! | 8 | progress: bits 0..32 phase (0 idle, 1 running, 2 complete), bits 32..64 cycle |
//! | 16..144 | results, a line for each of the last 16 cycles: see [`CycleResult`] |
//! | 144.. | intent lines, [`MAX_CPUS`] of them: intent, done, done when the cycle began, gets refused |
//! | 1168.. | owner words, one for each frame; that of a block is its first frame's |
//!
//! An intent has the operation (1 get, 2 put, 3 halve) in bits 0..2, the order in
//! 2..8, the frame in 8..48 and the low bits of the sequence number in 48..64. An
//! owner word has the state (1 owned, 2 freeing) in bits 0..2, the order in 2..8,
//! the processor in 8..16 and the sequence number in 16..64; that of a frame which is
//! kept from use is 3. Each is written by a single store, so that no crash tears it.

mod error;
mod format;
mod header;
mod intent;
mod judge;
mod judgement;
mod kept;
mod medium;
mod owner;
mod reconcile;
mod scan;
#[cfg(test)]
mod tests;
mod worker;

use core::sync::atomic::AtomicU64;

pub use error::{Breach, LedgerError, Unreclaimed};
pub use header::{Config, CycleResult, Phase, Progress};
pub use intent::{InFlight, Op};
pub use judge::{Account, Allocated, judge};
pub use judgement::{Fault, Judgement, Tally};
pub use medium::{Medium, Ordered};
pub use owner::{Block, Claim, Owner};
pub use reconcile::reclaim;
pub use worker::Worker;

/// Most processors that a ledger has intent lines for.
pub const MAX_CPUS: usize = 128;

/// A ledger in memory that the caller gives, usually persistent.
///
/// Shared by all processors; each writes through its own [`Worker`].
pub struct Ledger<'a, M = Ordered> {
    words: &'a [AtomicU64],
    frames: usize,
    medium: M,
}
