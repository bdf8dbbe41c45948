extern crate std;

use std::vec::Vec;

use super::*;
use proptest::prelude::*;

use MemoryRegionKind::{Bootloader, UnknownBios, UnknownUefi, Usable};

fn map(reports: &[(u64, u64, MemoryRegionKind)]) -> Map {
    let mut map = Map::default();
    for &(start, end, kind) in reports {
        map.report(start, end - start, kind).unwrap();
    }
    map
}

fn regions(map: &Map) -> Vec<(u64, u64, MemoryRegionKind)> {
    map.regions()
        .map(|region| (region.start, region.end, region.kind))
        .collect()
}

/// As SeaBIOS reports it on a machine with 2 GiB, not sorted.
#[test]
fn an_e820_map_comes_out_sorted_in_whole_pages() {
    let map = map(&[
        (0x10_0000, 0x7ffd_f000, Usable),
        (0, 0x9_fc00, Usable),
        (0x9_fc00, 0xa_0000, UnknownBios(2)),
        (0xf_0000, 0x10_0000, UnknownBios(2)),
        (0x7ffd_f000, 0x8000_0000, UnknownBios(2)),
    ]);
    assert_eq!(
        regions(&map),
        [
            (0, 0x9_f000, Usable),
            (0x9_f000, 0xa_0000, UnknownBios(2)),
            (0xf_0000, 0x10_0000, UnknownBios(2)),
            (0x10_0000, 0x7ffd_f000, Usable),
            (0x7ffd_f000, 0x8000_0000, UnknownBios(2)),
        ]
    );
    assert_eq!(map.end(), 0x8000_0000);
}

#[test]
fn what_the_loader_keeps_is_cut_out() {
    let mut map = map(&[(0x1000, 0x9000, Usable)]);
    map.keep(PhysRange::between(PhysAddr(0x3800), PhysAddr(0x4801)))
        .unwrap();
    assert_eq!(
        regions(&map),
        [
            (0x1000, 0x3000, Usable),
            (0x3000, 0x5000, Bootloader),
            (0x5000, 0x9000, Usable),
        ]
    );
}

#[test]
fn a_page_that_is_partly_reserved_is_reserved() {
    let map = map(&[(0, 0x4000, Usable), (0x1fff, 0x2001, UnknownUefi(5))]);
    assert_eq!(
        regions(&map),
        [
            (0, 0x1000, Usable),
            (0x1000, 0x3000, UnknownUefi(5)),
            (0x3000, 0x4000, Usable),
        ]
    );
}

#[test]
fn empty_and_wrapping_ranges_do_no_harm() {
    let mut map = Map::default();
    map.report(0x1000, 0, UnknownBios(2)).unwrap();
    map.report(0x1001, 0xffe, Usable).unwrap();
    map.report(u64::MAX - 0x10, u64::MAX, UnknownBios(2))
        .unwrap();
    assert_eq!(regions(&map), []);
    map.report(0x5000, u64::MAX, Usable).unwrap();
    assert_eq!(regions(&map), [(0x5000, !0xfff, Usable)]);
}

#[test]
fn a_room_is_found_where_it_may_be_and_nothing_else_is() {
    let mut map = map(&[(0x1000, 0x9000, Usable), (0x10000, 0x20000, Usable)]);
    map.keep(PhysRange::between(PhysAddr(0x4000), PhysAddr(0x5000)))
        .unwrap();
    let within = PhysRange::between(PhysAddr(0x2800), PhysAddr(0x18000));
    let start = |len| map.find(len, within).map(|range| range.start().0);
    assert_eq!(start(0x1000), Some(0x3000));
    assert_eq!(start(0x1001), Some(0x5000));
    assert_eq!(start(0x4001), Some(0x10000));
    assert_eq!(start(0x8001), None);
}

#[test]
fn neighbours_of_one_kind_take_one_place() {
    let mut map = Map::default();
    for page in 0..10 * MAX_REPORTS as u64 {
        map.report(page * 0x1000, 0x1000, Usable).unwrap();
    }
    assert_eq!(map.regions().count(), 1);
}

#[test]
fn too_many_ranges_are_an_error() {
    let mut map = Map::default();
    for index in 0..MAX_REPORTS as u64 {
        map.report(index * 0x2000, 0x1000, Usable).unwrap();
    }
    let one_more = map.report(1 << 40, 0x1000, Usable);
    assert_eq!(one_more, Err(TooManyRegions));
    assert_eq!(map.regions().count(), MAX_REPORTS);
}

/// Uncached, write-combining, write-through and write-back are possible.
const CACHED: u64 = 0xF;

#[test]
fn memory_types_are_translated() {
    assert_eq!(kind_of_e820(1), Usable);
    assert_eq!(kind_of_e820(7), UnknownBios(7));
    // Conventional and boot services: free. Runtime services, ACPI, persistent,
    // unaccepted: not.
    for kind in [1, 2, 3, 4, 7] {
        assert_eq!(kind_of_uefi(kind, CACHED), Usable);
    }
    for kind in [0, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 0x8000_0000] {
        assert_eq!(kind_of_uefi(kind, CACHED), UnknownUefi(kind));
    }
    assert_eq!(kind_of_uefi(KEPT, CACHED), Bootloader);
}

#[test]
fn conventional_memory_that_is_set_apart_is_not_usable() {
    const NON_VOLATILE: u64 = 0x8000;
    const SPECIFIC_PURPOSE: u64 = 0x4_0000;
    for kind in [1, 2, 3, 4, 7] {
        assert_eq!(kind_of_uefi(kind, CACHED | NON_VOLATILE), UnknownUefi(14));
        assert_eq!(
            kind_of_uefi(kind, CACHED | SPECIFIC_PURPOSE),
            UnknownUefi(0)
        );
        assert_eq!(kind_of_uefi(kind, 0x7), UnknownUefi(0));
    }
}

fn report() -> impl Strategy<Value = (u64, u64, MemoryRegionKind)> {
    let kind = prop_oneof![
        Just(Usable),
        Just(UnknownBios(2)),
        Just(UnknownBios(3)),
        Just(Bootloader),
    ];
    (0..0x2_0000_u64, 0..0x8000_u64, kind).prop_map(|(start, len, kind)| (start, start + len, kind))
}

proptest! {
    /// Each page is judged on its own, and compared with what comes out.
    #[test]
    fn every_page_has_the_most_cautious_kind_reported(
        reports in prop::collection::vec(report(), 0..20),
    ) {
        let map = map(&reports);
        let regions = regions(&map);
        prop_assert!(regions.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        prop_assert!(regions.iter().all(|&(start, end, _)| start < end));
        for page in (0..0x2_9000).step_by(0x1000) {
            let found = regions.iter().find(|region| (region.0..region.1).contains(&page));
            let touching = |report: &&(u64, u64, _)| {
                report.0 < report.1 && report.0 < page + 0x1000 && page < report.1
            };
            let covering = |report: &&(u64, u64, _)| report.0 <= page && page + 0x1000 <= report.1;
            let cautious = reports.iter().filter(touching).map(|report| caution(report.2)).max();
            let usable = reports.iter().filter(|report| report.2 == Usable).any(|r| covering(&r));
            match found.map(|region| caution(region.2)) {
                Some(0) => prop_assert!(usable && cautious == Some(0)),
                Some(kind) => prop_assert_eq!(Some(kind), cautious),
                None => prop_assert!(!usable && cautious.unwrap_or(0) == 0),
            }
        }
    }
}
