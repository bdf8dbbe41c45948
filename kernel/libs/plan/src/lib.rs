//! Where everything goes: memory map and topology to placement.
//!
//! Before a kernel touches memory it has to decide, once, which range holds
//! frames, which holds the tables about them, and what it must leave alone. The
//! decision is a pure function of what loader and firmware say, so that it can
//! be tested without a machine:
//!
//! ```text
//! persistent range   superblock | lower | annex | managed …            | replica
//!                    4 KiB                        from a multiple of 2 MiB   4 KiB
//! DRAM range         uppers of persistent zones | lower | upper | managed …
//!                                                                 from a multiple of 2 MiB
//! ```
//!
//! The lower tables of a persistent zone lie in its range and survive with it;
//! the upper ones lie in DRAM, as near as there is some. [`Plan::verify`] checks
//! the result by address, without knowing how it came about, and a kernel calls
//! it before it acts.
#![no_std]
#![forbid(unsafe_code)]

mod dram;
mod layout;
mod place;
mod ranges;
mod reason;
mod verify;
mod zone;

use arrayvec::ArrayVec;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::Topology;
use frame::{PhysAddr, PhysRange};

pub use reason::{LeftOut, LeftOutReason, Refused, RefusedReason};
pub use verify::{Part, Violation};
pub use zone::{Kind, Name, Persistent, ZonePlacement};

/// Most zones.
pub const MAX_ZONES: usize = 32;
/// Most ranges of each kind that are listed as not used.
pub const MAX_UNUSED: usize = 64;

/// What there is to place.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The loader's memory map, in any order.
    pub regions: &'a [MemoryRegion],
    /// The machine.
    pub topology: &'a Topology,
    /// DRAM that is to stand in for persistent memory.
    pub emulate: Option<PhysRange>,
    /// Processors that will use the zones.
    pub cpus: usize,
}

/// How much room the allocator's tables need, in bytes.
///
/// More frames never need less.
pub trait Sizes {
    /// The lower tables of a zone.
    fn lower_bytes(&self, frames: usize) -> usize;
    /// The upper tables of a zone.
    fn upper_bytes(&self, frames: usize, cpus: usize) -> usize;
    /// What else a persistent zone keeps outside its managed frames.
    fn annex_bytes(&self, frames: usize) -> usize;
}

/// Where everything goes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The zones, persistent ones first.
    pub zones: ArrayVec<ZonePlacement, MAX_ZONES>,
    /// Persistent ranges that are left alone, and why.
    pub refused: ArrayVec<Refused, MAX_UNUSED>,
    /// DRAM that is left alone, and why.
    pub left_out: ArrayVec<LeftOut, MAX_UNUSED>,
    /// Bytes of DRAM that are left alone, listed or not.
    pub left_out_bytes: u64,
}

impl Plan {
    /// Decides where everything goes.
    pub fn new(request: &Request<'_>, sizes: &impl Sizes) -> Self {
        place::plan(request, sizes)
    }

    /// Returns the persistent zones.
    pub fn persistent(&self) -> impl Iterator<Item = (&ZonePlacement, &Persistent)> {
        let zones = self.zones.iter();
        zones.filter_map(|zone| zone.persistent().map(|persistent| (zone, persistent)))
    }

    /// Returns the zones in DRAM.
    pub fn volatile(&self) -> impl Iterator<Item = &ZonePlacement> {
        let zones = self.zones.iter();
        zones.filter(|zone| zone.persistent().is_none())
    }

    /// Checks the plan by address against what it was made for.
    ///
    /// # Errors
    ///
    /// Returns the first thing that isn't as it must be.
    pub fn verify(&self, request: &Request<'_>, sizes: &impl Sizes) -> Result<(), Violation> {
        verify::verify(self, request, sizes)
    }
}

/// Returns what a memory map says to be in use, in the map's order.
///
/// That is all of it, except for entries that speak about persistent memory
/// themselves (UEFI type 14, E820 types 7 and 12).
pub fn occupied(regions: &[MemoryRegion]) -> impl Iterator<Item = PhysRange> + Clone {
    let others = regions.iter().filter(|region| {
        !matches!(
            region.kind,
            MemoryRegionKind::UnknownUefi(14) | MemoryRegionKind::UnknownBios(7 | 12)
        )
    });
    others.map(range_of).filter(|range| !range.is_empty())
}

/// Returns the addresses of a region, none if it ends before it starts.
fn range_of(region: &MemoryRegion) -> PhysRange {
    PhysRange::between(PhysAddr(region.start), PhysAddr(region.end))
}
