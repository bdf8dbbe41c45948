//! A buddy allocator from a well-kept crate, behind one lock.
//!
//! `buddy_system_allocator` is what many small kernels use, exactly like this. A
//! call costs the lock (1 C alone, the travelling line with company) and one or
//! more searches in a B-tree of the free blocks of an order: some ten cache lines,
//! and an insertion and a removal for each split or merge. The trees make it take
//! the lowest free block, which fragments little.

use buddy_system_allocator::FrameAllocator;
use frame::{FrameId, Order};
use spin::mutex::SpinMutex;
use workload::FrameAlloc;

use super::{Design, Zone};

/// What the lock protects.
struct Blocks {
    /// Free blocks of orders 0 to 10.
    free: FrameAllocator<11>,
    /// The crate counts, but doesn't tell.
    free_frames: usize,
}

/// The crate's frame allocator behind a ticket lock.
pub(in super::super) struct GlobalBuddy;

impl Design for GlobalBuddy {
    const NAME: &'static str = "buddy";
    /// The crate's trees live on the heap.
    type Memory = ();
    type Zone<'m> = GlobalBuddyZone;

    fn memory(_: usize, _: usize) {}

    fn zone((): &mut (), frames: usize, _: usize) -> GlobalBuddyZone {
        let mut free = FrameAllocator::new();
        // In steps, because the crate takes a first frame 0 for one whole block.
        for start in (0..frames).step_by(1024) {
            free.add_frame(start, frames.min(start + 1024));
        }
        GlobalBuddyZone(SpinMutex::new(Blocks {
            free,
            free_frames: frames,
        }))
    }
}

/// A zone of the crate's allocator.
pub(in super::super) struct GlobalBuddyZone(SpinMutex<Blocks>);

impl Zone for GlobalBuddyZone {
    type Handle<'z> = &'z GlobalBuddyZone;

    fn handle(&self, _: usize) -> &Self {
        self
    }

    fn free_frames(&self) -> usize {
        self.0.lock().free_frames
    }

    /// The crate doesn't tell, so take all there are and give them back; what
    /// merges again is as free as before.
    fn free_huge(&self) -> usize {
        let mut handle = self;
        let blocks: Vec<FrameId> = std::iter::from_fn(|| handle.get(Order::HUGE)).collect();
        for &block in &blocks {
            handle.put(block, Order::HUGE).expect("there is no error");
        }
        blocks.len()
    }
}

impl FrameAlloc for &GlobalBuddyZone {
    type Error = std::convert::Infallible;

    #[inline]
    fn get(&mut self, order: Order) -> Option<FrameId> {
        let mut blocks = self.0.lock();
        let frame = blocks.free.alloc(order.frames())?;
        blocks.free_frames -= order.frames();
        Some(FrameId(frame))
    }

    #[inline]
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), Self::Error> {
        let mut blocks = self.0.lock();
        blocks.free.dealloc(frame.0, order.frames());
        blocks.free_frames += order.frames();
        Ok(())
    }

    fn drain(&mut self) {}
}
