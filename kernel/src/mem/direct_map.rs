//! The loader's map of all physical memory at one offset.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use frame::{PhysAddr, PhysRange};

use super::claim;
use crate::arch::to_usize;

/// What the direct map covers at least: the registers of devices lie below.
const ALWAYS_COVERED: u64 = 4 << 30;
/// What it need not exceed, whatever the memory map mentions: it shares the
/// address space with everything else.
const MOST_COVERED: u64 = 64 << 40;

/// Where physical memory is visible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectMap {
    offset: u64,
    end: PhysAddr,
}

impl DirectMap {
    /// Returns the map that the loader made at `offset` for these regions.
    ///
    /// # Safety
    ///
    /// 1. The loader has mapped at `offset`, readable, writable and write-back
    ///    cached, all physical memory up to 4 GiB or up to the end of the last
    ///    region, whichever is higher, but no more than 64 TiB; and it stays so.
    pub(crate) unsafe fn new(offset: u64, regions: &[MemoryRegion]) -> Self {
        let end = regions.iter().map(|region| region.end).max().unwrap_or(0);
        Self {
            offset,
            end: PhysAddr(end.clamp(ALWAYS_COVERED, MOST_COVERED)),
        }
    }

    /// Returns whether the map covers the whole range.
    pub(crate) fn covers(self, range: PhysRange) -> bool {
        range.end() <= self.end
    }

    /// Returns the part of a range that the map covers.
    pub(crate) fn part_of(self, range: PhysRange) -> PhysRange {
        range.intersection(PhysRange::between(PhysAddr(0), self.end))
    }

    /// Returns the pointer to a physical address, which means nothing outside of
    /// what the map covers.
    pub(crate) fn pointer(self, address: PhysAddr) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(to_usize(self.offset.wrapping_add(address.0)))
    }
}

/// The memory that firmware keeps for itself and its tables: all that this
/// kernel never writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirmwareMemory<'r> {
    direct: DirectMap,
    regions: &'r [MemoryRegion],
}

impl<'r> FirmwareMemory<'r> {
    /// Returns the view of what lies outside of the usable regions.
    pub(crate) fn new(direct: DirectMap, regions: &'r [MemoryRegion]) -> Self {
        Self { direct, regions }
    }

    fn is_ours(&self, range: PhysRange) -> bool {
        let ours = |region: &&MemoryRegion| {
            matches!(
                region.kind,
                MemoryRegionKind::Usable | MemoryRegionKind::Bootloader
            )
        };
        self.regions.iter().filter(ours).any(|region| {
            PhysRange::between(PhysAddr(region.start), PhysAddr(region.end)).overlaps(range)
        })
    }
}

impl firmware::Physical for FirmwareMemory<'_> {
    fn read(&self, start: PhysAddr, len_bytes: usize) -> Option<&[u8]> {
        let range = PhysRange::new(start, len_bytes as u64)?;
        if !self.direct.covers(range) || self.is_ours(range) {
            return None;
        }
        // SAFETY:
        // 1. The direct map covers the range, just checked.
        // 2. It lies in no region that this kernel writes to, just checked; what
        //    firmware left there for us it no longer changes.
        Some(unsafe { claim::shared(self.direct.pointer(start), len_bytes) })
    }
}
