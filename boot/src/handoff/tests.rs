extern crate std;

use std::vec::Vec;

use super::*;
use crate::load::{Mapped, Stack};
use bootloader_api::info::MemoryRegionKind;

const PHYS: u64 = 0x20_0000;
const VIRT: u64 = 0xffff_8080_0000_0000;

fn loaded() -> Loaded {
    Loaded {
        tables: PhysAddr(0x1000),
        entry: VirtAddr::new(0xffff_ffff_8020_1000),
        stack: Stack {
            bottom: VirtAddr::new(0xffff_8000_0000_1000),
            len_bytes: 0x4_0000,
        },
        boot_info: Mapped {
            phys: PhysAddr(PHYS),
            virt: VirtAddr::new(VIRT),
        },
        image: VirtAddr::new(0xffff_ffff_8020_0000),
        kernel_file: PhysRange::between(PhysAddr(0x5000), PhysAddr(0x9000)),
        direct_map: Some(VirtAddr::new(0xffff_8100_0000_0000)),
        command_line: Some((VirtAddr::new(0xffff_8200_0000_0123), 18)),
        screen: None,
        rsdp: Some(PhysAddr(0xf_59e0)),
    }
}

fn map() -> Map {
    let mut map = Map::default();
    map.report(0x1000, 0x8000, MemoryRegionKind::Usable)
        .unwrap();
    map.report(0x10_0000, 0x1000, MemoryRegionKind::UnknownBios(2))
        .unwrap();
    map.keep(PhysRange::between(PhysAddr(0x2000), PhysAddr(0x3000)))
        .unwrap();
    map
}

/// The room as the kernel finds it.
struct Room(Vec<u8>);

impl Room {
    /// Reads a value that `finish` has written at `offset`.
    fn read<T: Copy>(&self, offset: u64) -> T {
        let bytes = &self.0[usize::try_from(offset).unwrap()..][..size_of::<T>()];
        // SAFETY: the bytes are those of a `T`, as each test says by its offset.
        unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
    }

    /// Reads a field of the boot information.
    fn field<T: Copy>(&self, offset: usize) -> T {
        self.read(INFO + offset as u64)
    }
}

fn finished() -> (Ready, Room) {
    let mut memory = std::vec![0; usize::try_from(ROOM).unwrap()];
    let mut arena = Arena::new(PhysAddr(PHYS), &mut memory);
    arena.allocate(ROOM).unwrap();
    let ready = finish(&loaded(), &map(), &mut arena);
    (ready, Room(memory))
}

#[test]
fn the_kernel_is_told_its_own_addresses() {
    let (ready, room) = finished();
    assert_eq!(ready.boot_info.as_u64(), VIRT + INFO);
    assert_eq!(ready.stack_top.as_u64(), 0xffff_8000_0004_1000);
    let regions: [u64; 2] = room.field(offset_of!(BootInfo, memory_regions));
    assert_eq!(regions, [VIRT + REGIONS, 4]);
    assert_eq!(room.field::<u64>(offset_of!(BootInfo, kernel_addr)), 0x5000);
    assert_eq!(room.field::<u64>(offset_of!(BootInfo, kernel_len)), 0x4000);
    assert_eq!(room.field::<u64>(offset_of!(BootInfo, ramdisk_len)), 18);
    let some = |offset| room.field::<Optional<u64>>(offset).into_option();
    assert_eq!(
        some(offset_of!(BootInfo, ramdisk_addr)),
        Some(0xffff_8200_0000_0123)
    );
    assert_eq!(some(offset_of!(BootInfo, rsdp_addr)), Some(0xf_59e0));
    let direct_map = some(offset_of!(BootInfo, physical_memory_offset));
    assert_eq!(direct_map, Some(0xffff_8100_0000_0000));
}

#[test]
fn the_regions_follow_sorted() {
    let (_, room) = finished();
    let region = |index: usize| {
        let at = REGIONS + (index * size_of::<MemoryRegion>()) as u64;
        let region: MemoryRegion = room.read(at);
        (region.start, region.end, region.kind)
    };
    assert_eq!(region(0), (0x1000, 0x2000, MemoryRegionKind::Usable));
    assert_eq!(region(1), (0x2000, 0x3000, MemoryRegionKind::Bootloader));
    assert_eq!(region(2), (0x3000, 0x9000, MemoryRegionKind::Usable));
    assert_eq!(
        region(3),
        (0x10_0000, 0x10_1000, MemoryRegionKind::UnknownBios(2))
    );
}

#[test]
fn the_segments_are_at_the_address_in_their_pointer() {
    let (ready, room) = finished();
    assert_eq!(ready.descriptors.as_u64(), VIRT);
    assert_eq!(
        room.read::<[u64; 3]>(0),
        [0, Descriptors::CODE, Descriptors::DATA]
    );
    let pointer = offset_of!(Descriptors, segment_pointer) as u64;
    assert_eq!(room.read::<u16>(pointer), 23);
    assert_eq!(room.read::<u64>(pointer + 2), VIRT);
    let interrupts = offset_of!(Descriptors, interrupt_pointer) as u64;
    assert_eq!(room.read::<u16>(interrupts), 0);
}

#[test]
fn the_switch_code_is_one_page() {
    let code = switch_code();
    assert_eq!(code.len_bytes(), PAGE_SIZE);
    let start = boot_switch as *const () as u64;
    let all = PhysRange::new(PhysAddr(start), 256).unwrap();
    assert!(code.contains(all));
}
