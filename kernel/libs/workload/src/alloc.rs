//! An allocator, as one processor sees it.

use core::fmt;

use frame::{FrameId, Order};

/// One processor's handle of a page-frame allocator.
///
/// The handle is the processor's own (`&mut self`); the memory behind it is
/// shared with the handles of the others.
pub trait FrameAlloc {
    /// Why a block was not taken back. Opaque here: it is only passed on.
    type Error: fmt::Debug;

    /// Takes a block, or returns `None` where none of this order is left.
    fn get(&mut self, order: Order) -> Option<FrameId>;

    /// Gives a block back, whole or an aligned part of it.
    ///
    /// # Errors
    ///
    /// The allocator refuses the block and has not changed anything.
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), Self::Error>;

    /// Returns what the handle holds back to all processors.
    fn drain(&mut self);
}
