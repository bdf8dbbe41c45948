//! The allocators that are compared, all behind one interface.
//!
//! A [`Design`] makes a zone out of memory that is kept between repetitions, so
//! that every repetition starts from a fresh zone without paying for page faults.
//! Everything is generic: each design gets its own copy of every loop, inlined,
//! as a kernel that uses it would have. Only between repetitions is there a
//! virtual call.

mod control;
mod global_buddy;
mod linux;
mod llfree;
mod random_rows;

use workload::FrameAlloc;

pub(super) use self::{
    control::Control,
    global_buddy::GlobalBuddy,
    linux::{Interrupts, Linux, Lock},
    llfree::{Llfree, Memory as LlfreeMemory},
    random_rows::RandomRows,
};

/// A way to build an allocator.
pub(super) trait Design: 'static {
    /// The name in tables and files.
    const NAME: &'static str;

    /// What a zone is built in.
    type Memory;

    /// An allocator that several processors share.
    type Zone<'m>: Zone;

    /// Allocates the memory for a zone of this size.
    fn memory(frames: usize, cpus: usize) -> Self::Memory;

    /// Creates a zone with all frames free.
    fn zone(memory: &mut Self::Memory, frames: usize, cpus: usize) -> Self::Zone<'_>;
}

/// An allocator under test.
pub(super) trait Zone: Sync {
    /// What a processor allocates through; returns what it keeps when dropped.
    type Handle<'z>: FrameAlloc
    where
        Self: 'z;

    /// Returns the handle of a processor that has none at the moment.
    fn handle(&self, cpu: usize) -> Self::Handle<'_>;

    /// Counts the free frames; exact while no processor has a handle.
    fn free_frames(&self) -> usize;

    /// Counts the free huge frames; exact while no processor has a handle.
    fn free_huge(&self) -> usize;
}

#[cfg(test)]
mod tests {
    use frame::{FrameId, Order};
    use persist::{Batched, LazyFree};

    use super::*;
    use crate::bench::write_back::Flushing;

    /// Allocates everything, frees it, and wants it all back.
    fn round_trip<D: Design>(orders: &[u8]) {
        const FRAMES: usize = 1 << 14;
        let mut memory = D::memory(FRAMES, 1);
        let zone = D::zone(&mut memory, FRAMES, 1);
        assert_eq!(zone.free_frames(), FRAMES, "{}", D::NAME);
        assert_eq!(zone.free_huge(), FRAMES / 512, "{}", D::NAME);
        for order in orders.iter().filter_map(|&exponent| Order::new(exponent)) {
            let mut handle = zone.handle(0);
            let blocks: Vec<FrameId> = std::iter::from_fn(|| handle.get(order)).collect();
            assert_eq!(blocks.len(), FRAMES / order.frames(), "{} {order}", D::NAME);
            for block in blocks {
                handle.put(block, order).expect("a block of its own");
            }
            drop(handle);
            assert_eq!(zone.free_frames(), FRAMES, "{} {order}", D::NAME);
        }
    }

    #[test]
    fn every_design_hands_out_all_of_its_memory_at_every_order() {
        let orders = [0, 3, 7, 8, 9, 10];
        round_trip::<Llfree<persist::Volatile, true>>(&orders);
        round_trip::<Llfree<persist::Eadr, true>>(&orders);
        round_trip::<Llfree<persist::Volatile, false>>(&orders);
        if Flushing::is_possible() {
            round_trip::<Llfree<Flushing, true>>(&orders);
            round_trip::<Llfree<LazyFree<Flushing>, true>>(&orders);
            round_trip::<Llfree<Batched<Flushing>, true>>(&orders);
        }
        round_trip::<Linux<Lock>>(&orders);
        round_trip::<Linux<Interrupts>>(&orders);
        round_trip::<GlobalBuddy>(&orders);
        round_trip::<RandomRows>(&[0]);
    }
}
