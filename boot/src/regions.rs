//! The firmware's memory map, made orderly.
//!
//! Firmware reports memory in any order, with overlaps and odd boundaries, and
//! it does not know what the loader has used since. The kernel is promised a
//! sorted list of whole pages without overlaps, in which everything that is
//! `Usable` really is: where reports contradict each other, the more cautious
//! one wins, and a page that is partly reserved is reserved.

use core::fmt;

use arrayvec::ArrayVec;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use frame::{PhysAddr, PhysRange};

use crate::PAGE_SIZE;

/// The most reports that a map can hold; real firmware stays far below, because
/// neighbours of the same kind are one.
pub const MAX_REPORTS: usize = 768;

/// The most regions that come out: each report begins and ends at most once.
pub const MAX_REGIONS: usize = 2 * MAX_REPORTS;

/// A memory map that is being collected.
#[derive(Default)]
pub struct Map {
    reports: ArrayVec<MemoryRegion, MAX_REPORTS>,
}

/// The firmware reports more ranges than a [`Map`] can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRegions;

impl Map {
    /// Notes what the firmware reports.
    ///
    /// # Errors
    ///
    /// [`TooManyRegions`]
    pub fn report(
        &mut self,
        start: u64,
        len_bytes: u64,
        kind: MemoryRegionKind,
    ) -> Result<(), TooManyRegions> {
        let end = start.saturating_add(len_bytes);
        let (start, end) = if kind == MemoryRegionKind::Usable {
            (round_up(start), round_down(end))
        } else {
            (round_down(start), round_up(end))
        };
        if start >= end {
            return Ok(());
        }
        if let Some(last) = self.reports.last_mut()
            && last.kind == kind
            && last.end == start
        {
            last.end = end;
            return Ok(());
        }
        let region = MemoryRegion { start, end, kind };
        self.reports.try_push(region).map_err(|_| TooManyRegions)
    }

    /// Notes a range that the loader keeps for the kernel.
    ///
    /// # Errors
    ///
    /// [`TooManyRegions`]
    pub fn keep(&mut self, range: PhysRange) -> Result<(), TooManyRegions> {
        self.report(
            range.start().0,
            range.len_bytes(),
            MemoryRegionKind::Bootloader,
        )
    }

    /// Returns the address after the last one that was reported.
    pub fn end(&self) -> u64 {
        self.reports
            .iter()
            .map(|report| report.end)
            .max()
            .unwrap_or(0)
    }

    /// Returns the orderly regions, lowest first.
    pub fn regions(&self) -> Regions<'_> {
        Regions { map: self, at: 0 }
    }

    /// Returns the first `Usable` range of `len_bytes` bytes that lies in `within`.
    pub fn find(&self, len_bytes: u64, within: PhysRange) -> Option<PhysRange> {
        self.regions()
            .filter(|region| region.kind == MemoryRegionKind::Usable)
            .map(|region| PhysRange::between(PhysAddr(region.start), PhysAddr(region.end)))
            .map(|usable| usable.intersection(within).shrink_to(PAGE_SIZE))
            .find(|usable| usable.len_bytes() >= len_bytes)
            .and_then(|usable| PhysRange::new(usable.start(), len_bytes))
    }

    /// Returns what rules at an address, and up to where.
    fn ruling(&self, at: u64) -> (Option<MemoryRegionKind>, u64) {
        let mut kind = None;
        let mut until = u64::MAX;
        for report in &self.reports {
            if (report.start..report.end).contains(&at) {
                until = until.min(report.end);
                if kind.is_none_or(|kind| caution(report.kind) > caution(kind)) {
                    kind = Some(report.kind);
                }
            } else if report.start > at {
                until = until.min(report.start);
            }
        }
        (kind, until)
    }
}

/// The regions of a [`Map`]: sorted, disjoint, neighbours of one kind merged.
pub struct Regions<'a> {
    map: &'a Map,
    at: u64,
}

impl Iterator for Regions<'_> {
    type Item = MemoryRegion;

    fn next(&mut self) -> Option<MemoryRegion> {
        let mut found: Option<MemoryRegion> = None;
        while self.at < u64::MAX {
            let (kind, until) = self.map.ruling(self.at);
            match (&mut found, kind) {
                (None, None) => {}
                (None, Some(kind)) => {
                    let (start, end) = (self.at, until);
                    found = Some(MemoryRegion { start, end, kind });
                }
                (Some(region), Some(kind)) if region.kind == kind => region.end = until,
                (Some(_), _) => break,
            }
            self.at = until;
        }
        found
    }
}

/// Orders kinds by what goes wrong if they are mistaken for usable.
fn caution(kind: MemoryRegionKind) -> u8 {
    match kind {
        MemoryRegionKind::Usable => 0,
        MemoryRegionKind::Bootloader => 2,
        _ => 1,
    }
}

fn round_down(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

/// The last page of the address space is given up rather than wrapped around.
fn round_up(address: u64) -> u64 {
    address
        .checked_next_multiple_of(PAGE_SIZE)
        .unwrap_or(round_down(u64::MAX))
}

/// Translates an e820 type (ACPI 6.0, table 15-312).
pub fn kind_of_e820(kind: u32) -> MemoryRegionKind {
    match kind {
        1 => MemoryRegionKind::Usable,
        other => MemoryRegionKind::UnknownBios(other),
    }
}

/// Translates a UEFI memory type (UEFI 2.10, table 7.10) as it is after the boot
/// services have ended: their memory and the loader's own are free then. What the
/// attributes set apart is not: memory that keeps its content, memory meant for
/// one purpose, and memory that can't be cached.
pub fn kind_of_uefi(kind: u32, attributes: u64) -> MemoryRegionKind {
    const WRITE_BACK: u64 = 1 << 3;
    const NON_VOLATILE: u64 = 1 << 15;
    const SPECIFIC_PURPOSE: u64 = 1 << 18;
    const RESERVED: u32 = 0;
    const PERSISTENT: u32 = 14;

    let set = |attribute| attributes & attribute != 0;
    match kind {
        KEPT => MemoryRegionKind::Bootloader,
        // Loader code and data, boot services code and data, conventional.
        1..=4 | 7 if set(NON_VOLATILE) => MemoryRegionKind::UnknownUefi(PERSISTENT),
        1..=4 | 7 if set(SPECIFIC_PURPOSE) || !set(WRITE_BACK) => {
            MemoryRegionKind::UnknownUefi(RESERVED)
        }
        1..=4 | 7 => MemoryRegionKind::Usable,
        other => MemoryRegionKind::UnknownUefi(other),
    }
}

/// The memory type under which the UEFI loader allocates what the kernel keeps,
/// from the range that is reserved for OS loaders.
pub const KEPT: u32 = 0x8000_0001;

impl fmt::Display for TooManyRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "firmware reports more than {MAX_REPORTS} memory ranges")
    }
}

#[cfg(test)]
mod tests;
