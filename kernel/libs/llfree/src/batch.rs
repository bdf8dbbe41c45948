//! Several blocks in one call, and blocks of zeros.
//!
//! A held row makes a batch as cheap as a loop over single calls, so that is what
//! these are. They are here because callers would all write the same loop, and
//! each would have to decide what becomes of the first half when the second one
//! fails: here it stays, and the result says how long it is.

use frame::{FrameId, Order};
use persist::Persist;

use crate::class::Class;
use crate::error::{GetError, PutError};
use crate::local::Local;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Takes as many blocks as `blocks` has places, and writes them there.
    ///
    /// # Errors
    ///
    /// Returns [`Partial`] once a block can't be taken: the places before
    /// [`done`](Partial::done) hold blocks that are the caller's, to use or to
    /// [put back](Self::put_many); the others are as they were.
    pub fn get_many(
        &mut self,
        order: Order,
        blocks: &mut [FrameId],
    ) -> Result<(), Partial<GetError>> {
        self.get_many_as(order, Class::default(), blocks)
    }

    /// The same for content of a class: see [`get_as`](Self::get_as).
    ///
    /// # Errors
    ///
    /// Those of [`get_many`](Self::get_many).
    pub fn get_many_as(
        &mut self,
        order: Order,
        class: Class,
        blocks: &mut [FrameId],
    ) -> Result<(), Partial<GetError>> {
        for (done, block) in blocks.iter_mut().enumerate() {
            let taken = self.get_as(order, class);
            *block = taken.map_err(|cause| Partial { done, cause })?;
        }
        Ok(())
    }

    /// Returns all these blocks, each of this order.
    ///
    /// # Errors
    ///
    /// Returns [`Partial`] at the first block that can't be returned: those before
    /// [`done`](Partial::done) have been, that one and those after it have not.
    /// Who wants the rest returned all the same goes on at `done + 1`.
    pub fn put_many(&mut self, order: Order, blocks: &[FrameId]) -> Result<(), Partial<PutError>> {
        for (done, &block) in blocks.iter().enumerate() {
            self.put(block, order)
                .map_err(|cause| Partial { done, cause })?;
        }
        Ok(())
    }

    /// Takes a block and has it zeroed by `zero`, who knows where frames are mapped.
    ///
    /// The block is already the caller's while `zero` runs: if that panics, the
    /// block stays allocated. In persistent memory, making the zeros durable is
    /// `zero`'s affair too.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get); then `zero` has not been called.
    pub fn get_zeroed(
        &mut self,
        order: Order,
        zero: impl FnOnce(FrameId, Order),
    ) -> Result<FrameId, GetError> {
        let block = self.get(order)?;
        zero(block, order);
        Ok(block)
    }
}

/// A batch that ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial<E> {
    /// Blocks that were taken or returned before.
    pub done: usize,
    /// Why the next one was not.
    pub cause: E,
}

impl<E: core::fmt::Display> core::fmt::Display for Partial<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "after {} blocks: {}", self.done, self.cause)
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Partial<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.cause)
    }
}
