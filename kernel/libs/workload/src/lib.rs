//! Allocation workloads, their oracle and the crash ledger.
//!
//! A figure is worth what its check is worth. A workload that knows its
//! allocator measures the allocator's favourite case; one that never asks who
//! owns which frame measures how fast memory can be handed out twice. So
//! nothing here knows an allocator or a machine: both arrive as traits
//! ([`FrameAlloc`], [`Machine`]), each repetition of a [`bench`] is followed by
//! a proof of ownership ([`oracle`]), and what must outlive a power failure is
//! written to a [`ledger`] that a judge later holds against the allocator's own
//! account.
//!
//! No heap: callers give every buffer, in kernels from wherever they like.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod alloc;
pub mod baseline;
pub mod bench;
pub mod crash;
mod dice;
#[cfg(test)]
mod fakes;
pub mod ledger;
mod machine;
pub mod oracle;
pub mod stamp;

pub use alloc::FrameAlloc;
pub use machine::Machine;
