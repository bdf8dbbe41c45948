//! ACPI tables from bytes: processors, nodes and persistent ranges.
//!
//! Everything the firmware says is input that may be truncated, misplaced or
//! wrong, and acting on a wrong table means writing to somebody's memory. So
//! tables are only ever read as byte slices, at offsets that are checked; what
//! doesn't add up becomes a [`Finding`] or a [`Refusal`] with the facts in it,
//! and nothing in here can fail as a whole, allocate or panic.
//!
//! [`Topology::discover`] is the way in. The modules below it each know one
//! table and can be used alone.
#![no_std]
#![forbid(unsafe_code)]

mod bytes;
pub mod entries;
pub mod fadt;
mod finding;
pub mod madt;
pub mod nfit;
pub mod rsdp;
pub mod s5;
pub mod sdt;
pub mod slit;
pub mod spcr;
pub mod srat;
mod topology;

pub use bytes::Bytes;
pub use fadt::{GenericAddress, Space};
pub use finding::{Finding, Problem, Severity};
pub use nfit::{Domain, PersistentRange, Refusal, RegionId};
pub use sdt::Signature;
pub use topology::{Node, PowerOff, Processor, Topology, capacity};

use frame::PhysAddr;

/// Physical memory, as far as the environment can show it.
pub trait Physical {
    /// Returns the bytes from `start`, or `None` where some of them can't be read.
    ///
    /// Tables lie at any address, odd ones included.
    fn read(&self, start: PhysAddr, len_bytes: usize) -> Option<&[u8]>;
}
