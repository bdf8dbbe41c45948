//! The firmware's memory map, as a person wants to read it.
//!
//! Firmware lists dozens of neighbouring ranges that differ in nothing that
//! matters here. People want to know what lies where and how much there is of it.

use alloc::{borrow::Cow, collections::BTreeMap, format, string::String, vec::Vec};

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use record::{Record, Region};

use crate::{
    log::{info, record},
    size::Size,
};

/// Prints the map and its totals, and emits its records.
pub(crate) fn report(regions: &[MemoryRegion]) {
    let parts = merged(regions);
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    for Part { start, end, kind } in &parts {
        let (len, kind) = (end - start, name(*kind));
        info!(
            "memory",
            "{start:#014x}..{end:#014x} {:>10}  {kind}",
            Size(len)
        );
        record(&Record::Region(Region {
            start: *start,
            len,
            kind: kind.clone().into_owned(),
        }));
        *totals.entry(kind.into_owned()).or_default() += len;
    }
    for (kind, bytes) in totals {
        info!("memory", "{} {kind} in all", Size(bytes));
    }
}

/// Returns the bytes of usable memory.
pub(crate) fn usable_bytes(regions: &[MemoryRegion]) -> u64 {
    let usable = |part: &Part| part.kind == MemoryRegionKind::Usable;
    let parts = merged(regions).into_iter().filter(usable);
    parts.map(|part| part.end - part.start).sum()
}

/// A part of the memory map as people read it.
struct Part {
    /// First address.
    start: u64,
    /// Address after the last.
    end: u64,
    /// What it is.
    kind: MemoryRegionKind,
}

/// Returns the map sorted, with neighbours of one kind merged.
fn merged(regions: &[MemoryRegion]) -> Vec<Part> {
    let mut sorted: Vec<&MemoryRegion> = regions.iter().filter(|r| r.start < r.end).collect();
    sorted.sort_by_key(|region| region.start);
    let mut parts: Vec<Part> = Vec::new();
    for region in sorted {
        match parts.last_mut() {
            Some(last) if last.kind == region.kind && last.end == region.start => {
                last.end = region.end;
            }
            _ => parts.push(Part {
                start: region.start,
                end: region.end,
                kind: region.kind,
            }),
        }
    }
    parts
}

/// Names of UEFI memory types (UEFI 2.10, table 7-6) and of e820 types (ACPI
/// 6.5, table 15-4).
fn name(kind: MemoryRegionKind) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        MemoryRegionKind::Usable => "usable",
        MemoryRegionKind::Bootloader => "bootloader",
        MemoryRegionKind::UnknownUefi(0) | MemoryRegionKind::UnknownBios(2) => "reserved",
        MemoryRegionKind::UnknownUefi(1 | 2) => "loader",
        MemoryRegionKind::UnknownUefi(3 | 4) => "boot services",
        MemoryRegionKind::UnknownUefi(5) => "runtime services code",
        MemoryRegionKind::UnknownUefi(6) => "runtime services data",
        MemoryRegionKind::UnknownUefi(8) | MemoryRegionKind::UnknownBios(5) => "unusable",
        MemoryRegionKind::UnknownUefi(9) | MemoryRegionKind::UnknownBios(3) => "ACPI tables",
        MemoryRegionKind::UnknownUefi(10) | MemoryRegionKind::UnknownBios(4) => "ACPI storage",
        MemoryRegionKind::UnknownUefi(11) => "device registers",
        MemoryRegionKind::UnknownUefi(12) => "device ports",
        MemoryRegionKind::UnknownUefi(13) => "processor code",
        MemoryRegionKind::UnknownUefi(14) | MemoryRegionKind::UnknownBios(7) => "persistent",
        MemoryRegionKind::UnknownUefi(15) => "unaccepted",
        MemoryRegionKind::UnknownUefi(other) => return format!("UEFI type {other:#x}").into(),
        MemoryRegionKind::UnknownBios(other) => return format!("e820 type {other:#x}").into(),
        other => return format!("{other:?}").into(),
    })
}
