//! Several zones as the frame allocator of the `x86_64` crate.
//!
//! What [`PhysFrames`](crate::x86_64::PhysFrames) is to a zone, [`NodeFrames`] is to
//! a view of several: page tables come from near memory while there is any.
#![expect(unsafe_code, reason = "the traits have contracts with the hardware")]

use ::x86_64::PhysAddr;
use ::x86_64::structures::paging::{FrameAllocator, FrameDeallocator, PageSize, PhysFrame};
use persist::Persist;

use super::{Member, NodeLocal, NodePutError};
use crate::class::Class;
use crate::x86_64::{PHYS_BITS, PhysError, order_of};

/// A processor's handle on several zones that speaks of physical frames.
///
/// Serves frames of 4 KiB, 2 MiB and 1 GiB, as far as the zones serve their orders.
pub struct NodeFrames<
    'z,
    'm,
    P: Persist,
    const N: usize,
    const WORDS: usize = 8,
    const TREE: usize = 32,
> {
    local: NodeLocal<'z, 'm, P, N, WORDS, TREE>,
    class: Class,
    failed_frees: u64,
    last_error: Option<NodePutError>,
}

impl<'z, 'm, P: Persist, const N: usize, const WORDS: usize, const TREE: usize>
    NodeFrames<'z, 'm, P, N, WORDS, TREE>
{
    /// Takes frames through this handle.
    ///
    /// # Errors
    ///
    /// Returns [`PhysError::TooHigh`] if a zone would not end inside the physical
    /// address space.
    ///
    /// # Safety
    ///
    /// 1. The physical memory of each zone is the zone's: all that use it have it
    ///    from this zone.
    /// 2. All that use a zone agree on its address.
    pub unsafe fn new(local: NodeLocal<'z, 'm, P, N, WORDS, TREE>) -> Result<Self, PhysError> {
        let is_high = |member: &&Member<'z, 'm, P, WORDS, TREE>| {
            (member.range()).is_none_or(|range| range.end().0 > 1 << PHYS_BITS)
        };
        if let Some(member) = local.members().iter().find(is_high) {
            return Err(PhysError::TooHigh {
                base: PhysAddr::new_truncate(member.start.0),
                frames: member.zone.frames(),
            });
        }
        Ok(Self {
            local,
            class: Class::default(),
            failed_frees: 0,
            last_error: None,
        })
    }

    /// Sets what the frames are for that are allocated from now on: page tables, say,
    /// are [`Class::Immovable`].
    pub const fn set_class(&mut self, class: Class) {
        self.class = class;
    }

    /// Returns the handle, for all that the traits can't say.
    pub const fn local(&mut self) -> &mut NodeLocal<'z, 'm, P, N, WORDS, TREE> {
        &mut self.local
    }

    /// Returns how many frees were refused.
    pub const fn failed_frees(&self) -> u64 {
        self.failed_frees
    }

    /// Returns why the last refused free was refused, and forgets it.
    pub const fn take_last_error(&mut self) -> Option<NodePutError> {
        self.last_error.take()
    }

    /// Frees a frame, like `deallocate_frame`, but says whether that was right.
    ///
    /// # Errors
    ///
    /// Returns [`NodePutError`] if the frame is of no zone, or not allocated. It is
    /// counted too.
    ///
    /// # Safety
    ///
    /// 1. Nothing uses the frame any more.
    pub unsafe fn free<S: PageSize>(&mut self, frame: PhysFrame<S>) -> Result<(), NodePutError> {
        let address = frame::PhysAddr(frame.start_address().as_u64());
        let outcome = self.local.put(address, order_of::<S>());
        if let Err(error) = outcome {
            self.failed_frees += 1;
            self.last_error = Some(error);
        }
        outcome
    }
}

// SAFETY: A zone hands out no block twice before it is returned, its blocks don't
// overlap, and neither do the zones of a view. By the contract of `new` (clauses 1
// and 2) different addresses are different frames that nobody has from elsewhere.
unsafe impl<S: PageSize, P: Persist, const N: usize, const WORDS: usize, const TREE: usize>
    FrameAllocator<S> for NodeFrames<'_, '_, P, N, WORDS, TREE>
{
    fn allocate_frame(&mut self) -> Option<PhysFrame<S>> {
        let address = self.local.get_as(order_of::<S>(), self.class).ok()?;
        PhysFrame::from_start_address(PhysAddr::new(address.0)).ok()
    }
}

impl<S: PageSize, P: Persist, const N: usize, const WORDS: usize, const TREE: usize>
    FrameDeallocator<S> for NodeFrames<'_, '_, P, N, WORDS, TREE>
{
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame<S>) {
        // SAFETY: Nothing uses the frame: the trait's contract says so.
        let outcome = unsafe { self.free(frame) };
        // The trait has no place for an error; `free` has counted and kept it.
        let _ = outcome;
    }
}
