extern crate std;

use std::vec::Vec;

use super::*;
use crate::testing::{Found, walk};
use proptest::prelude::*;

const ARENA: u64 = 0x40_0000;

fn memory(pages: usize) -> Vec<u8> {
    std::vec![0xEE; pages * 0x1000]
}

fn arena(memory: &mut [u8]) -> Arena<'_> {
    Arena::new(PhysAddr(ARENA), memory)
}

#[test]
fn the_walk_finds_what_was_mapped_and_nothing_beside() {
    let mut memory = memory(16);
    let mut arena = arena(&mut memory);
    let mut tables = PageTables::new(&mut arena, Levels::Four).unwrap();
    let virt = VirtAddr::new(0xffff_ffff_8020_0000);
    let phys = PhysAddr(0x1234_5000);
    tables
        .map(
            &mut arena,
            virt,
            phys,
            0x3000,
            Access::ReadExecute,
            PageSize::Giant,
        )
        .unwrap();
    let at = |offset: i64| {
        let virt = VirtAddr::new(virt.as_u64().wrapping_add_signed(offset));
        walk(&arena, tables.root(), Levels::Four, virt)
    };
    assert_eq!(
        at(0x2fff),
        Some(Found {
            phys: 0x1234_7fff,
            page_bytes: 0x1000,
            writable: false,
            executable: true,
        })
    );
    assert_eq!(at(-1), None);
    assert_eq!(at(0x3000), None);
}

#[test]
fn access_is_what_was_asked_for_on_every_level() {
    for (access, writable, executable) in [
        (Access::Read, false, false),
        (Access::ReadExecute, false, true),
        (Access::ReadWrite, true, false),
    ] {
        for size in [PageSize::Base, PageSize::Huge, PageSize::Giant] {
            let mut memory = memory(8);
            let mut arena = arena(&mut memory);
            let mut tables = PageTables::new(&mut arena, Levels::Four).unwrap();
            let virt = VirtAddr::new(1 << 40);
            let phys = PhysAddr(1 << 33);
            tables
                .map(&mut arena, virt, phys, size.bytes(), access, size)
                .unwrap();
            let found = walk(&arena, tables.root(), Levels::Four, virt).unwrap();
            assert_eq!((found.writable, found.executable), (writable, executable));
            assert_eq!(found.page_bytes, size.bytes());
        }
    }
}

#[test]
fn five_levels_map_the_same_addresses() {
    let mut memory = memory(16);
    let mut arena = arena(&mut memory);
    let mut tables = PageTables::new(&mut arena, Levels::Five).unwrap();
    for virt in [
        0x1000,
        0x7fff_ffff_f000,
        0xffff_8000_0000_0000,
        u64::MAX - 0xfff,
    ] {
        let virt = VirtAddr::new(virt);
        tables
            .map(
                &mut arena,
                virt,
                PhysAddr(0x5000),
                0x1000,
                Access::Read,
                PageSize::Base,
            )
            .unwrap();
        let found = walk(&arena, tables.root(), Levels::Five, virt).unwrap();
        assert_eq!(found.phys, 0x5000);
    }
}

#[test]
fn large_pages_are_used_where_both_sides_are_aligned() {
    let mut memory = memory(16);
    let mut arena = arena(&mut memory);
    let mut tables = PageTables::new(&mut arena, Levels::Four).unwrap();
    let virt = VirtAddr::new(0xffff_8000_3fff_f000);
    let phys = PhysAddr(0x3fff_f000);
    let len = 0x1000 + (1 << 30) + (2 << 20) + 0x1000;
    tables
        .map(
            &mut arena,
            virt,
            phys,
            len,
            Access::ReadWrite,
            PageSize::Giant,
        )
        .unwrap();
    let size = |offset| {
        walk(&arena, tables.root(), Levels::Four, virt + offset)
            .unwrap()
            .page_bytes
    };
    assert_eq!(size(0), 0x1000);
    assert_eq!(size(0x1000), 1 << 30);
    assert_eq!(size((1 << 30) + 0x1000), 2 << 20);
    assert_eq!(size(len - 1), 0x1000);
}

#[test]
fn nothing_is_mapped_twice() {
    let mut memory = memory(16);
    let mut arena = arena(&mut memory);
    let mut tables = PageTables::new(&mut arena, Levels::Four).unwrap();
    let virt = VirtAddr::new(2 << 30);
    let mut map =
        |virt, len, largest| tables.map(&mut arena, virt, PhysAddr(0), len, Access::Read, largest);
    map(virt, 2 << 20, PageSize::Huge).unwrap();
    for (at, len, largest) in [
        (virt, 0x1000, PageSize::Base),
        (virt + 0x1000, 0x1000, PageSize::Base),
        (virt, 2 << 20, PageSize::Huge),
        (virt, 1 << 30, PageSize::Giant),
    ] {
        assert_eq!(map(at, len, largest), Err(MapError::Occupied { virt: at }));
    }
}

#[test]
fn what_cannot_be_mapped_is_an_error() {
    let mut memory = memory(8);
    let mut arena = arena(&mut memory);
    let mut tables = PageTables::new(&mut arena, Levels::Four).unwrap();
    let mut map = |virt, phys, len| {
        let virt = VirtAddr::new(virt);
        tables.map(
            &mut arena,
            virt,
            PhysAddr(phys),
            len,
            Access::Read,
            PageSize::Base,
        )
    };
    for (virt, phys, len) in [
        (1, 0, 0x1000),
        (0, 1, 0x1000),
        (0, 0, 1),
        (0, 1 << 52, 0x1000),
    ] {
        assert!(matches!(
            map(virt, phys, len),
            Err(MapError::Unaligned { .. })
        ));
    }
    for virt in [0x7fff_ffff_f000, 0xffff_ffff_ffff_f000] {
        assert!(matches!(
            map(virt, 0, 0x2000),
            Err(MapError::OutOfRange { .. })
        ));
    }
    // Eight pages do not hold a table for each of these.
    let many = (0..8).try_for_each(|index| map(index << 39, 0, 0x1000));
    assert!(matches!(many, Err(MapError::OutOfMemory(_))));
}

proptest! {
    /// The estimate is an upper bound wherever the range begins.
    #[test]
    fn no_mapping_takes_more_tables_than_estimated(
        page in 0..1_u64 << 35,
        pages in 1..5000_u64,
        huge in any::<bool>(),
        five in any::<bool>(),
    ) {
        let size = if huge { PageSize::Huge } else { PageSize::Base };
        let levels = if five { Levels::Five } else { Levels::Four };
        let virt = VirtAddr::new_truncate((page * size.bytes()) & ((1 << 46) - 1));
        let len = pages * size.bytes();
        let estimate = tables_for(len, size);
        let mut memory = memory(usize::try_from(estimate).unwrap());
        let mut arena = arena(&mut memory);
        let mut tables = PageTables::new(&mut arena, levels).unwrap();
        let mapped = tables.map(&mut arena, virt, PhysAddr(0), len, Access::Read, size);
        prop_assert_eq!(mapped, Ok(()));
    }
}
