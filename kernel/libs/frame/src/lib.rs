//! Physical addresses, ranges, frames and orders.
//!
//! Firmware speaks in bytes, the allocator in frames and callers in orders.
//! Mixing them up compiles silently when all three are `u64`, and the result is
//! an allocator that hands out memory it does not own. So each unit has its own
//! type here, the conversions are named after the unit they return, and nothing
//! else in the workspace multiplies by [`FRAME_SIZE`].
#![no_std]
#![forbid(unsafe_code)]

mod order;
mod phys;

pub use order::{FrameId, Order};
pub use phys::{PhysAddr, PhysRange};

/// Bytes in a frame, the smallest unit of allocation.
pub const FRAME_SIZE: usize = 1 << 12;

/// Bytes in a huge frame, the unit of a level 2 page table entry.
pub const HUGE_SIZE: usize = Order::HUGE.bytes();

/// Bytes in a giant frame, the unit of a level 3 page table entry.
pub const GIANT_SIZE: usize = Order::GIANT.bytes();

const _: () = assert!(HUGE_SIZE == 2 << 20);
const _: () = assert!(GIANT_SIZE == 1 << 30);
