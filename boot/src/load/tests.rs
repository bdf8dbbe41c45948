extern crate std;

use std::vec::Vec;

use super::*;
use crate::paging::Levels;
use crate::testing::{Found, Order, START, walk};
use bootloader_api::BootloaderConfig;
use bootloader_api::info::PixelFormat;

const ARENA: u64 = 0x100_0000;

const CPU: Cpu = Cpu {
    largest_page: PageSize::Huge,
    levels: Levels::Four,
};

fn config() -> BootloaderConfig {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::Dynamic);
    config.kernel_stack_size = 0x1_0001;
    config
}

fn screen() -> Screen {
    Screen {
        start: PhysAddr(0xc000_0000),
        info: FrameBufferInfo {
            byte_len: 0x30_0000,
            width: 1024,
            height: 768,
            pixel_format: PixelFormat::Bgr,
            bytes_per_pixel: 4,
            stride: 1024,
        },
    }
}

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::between(PhysAddr(start), PhysAddr(end))
}

/// Loads a kernel with this configuration into an arena of just the size asked
/// for, and hands both to `check`.
fn loaded<R>(
    config: &BootloaderConfig,
    cpu: Cpu,
    memory_end: u64,
    check: impl FnOnce(Result<Loaded, LoadError>, &Arena<'_>) -> R,
) -> R {
    let file = Order::kernel(config).file();
    let kernel = Kernel::parse(&file).unwrap();
    let len = arena_len(&kernel, Some(screen()), memory_end, cpu);
    let mut memory: Vec<u8> = std::vec![0xEE; usize::try_from(len).unwrap()];
    let mut arena = Arena::new(PhysAddr(ARENA), &mut memory);
    let request = Request {
        kernel: &kernel,
        kernel_file: range(0x5000, 0x9000),
        command_line: Some(range(0x2_0123, 0x2_1125)),
        screen: Some(screen()),
        rsdp: Some(PhysAddr(0xf_59e0)),
        memory_end,
        cpu,
        switch_code: range(0x30_0000, 0x30_1000),
    };
    let result = load(&request, &mut arena);
    check(result, &arena)
}

#[test]
fn every_segment_is_where_it_was_linked_with_its_rights_and_its_bytes() {
    loaded(&config(), CPU, 1 << 31, |loaded, arena| {
        let loaded = loaded.unwrap();
        assert_eq!(
            (loaded.entry.as_u64(), loaded.image.as_u64()),
            (START + 0x2010, START)
        );
        for (offset, byte, writable, executable) in [
            (0x0000, 0xaa, false, false),
            (0x17f8, 0xaa, false, false),
            (0x2000, 0xbb, false, true),
            (0x4000, 0xcc, true, false),
            // The rest of the last page of data, and `.bss`.
            (0x5800, 0x00, true, false),
            (0x7000, 0x00, true, false),
        ] {
            let virt = VirtAddr::new(START + offset);
            let found = walk(arena, loaded.tables, CPU.levels, virt).unwrap();
            assert_eq!(
                (found.writable, found.executable),
                (writable, executable),
                "{offset:#x}"
            );
            assert_eq!(
                arena.word(PhysAddr(found.phys)),
                u64::from_ne_bytes([byte; 8])
            );
        }
        let after = VirtAddr::new(START + 0x8000);
        assert_eq!(walk(arena, loaded.tables, CPU.levels, after), None);
    });
}

#[test]
fn the_stack_is_whole_pages_above_one_that_is_not_mapped() {
    loaded(&config(), CPU, 1 << 31, |loaded, arena| {
        let loaded = loaded.unwrap();
        let Stack { bottom, len_bytes } = loaded.stack;
        assert_eq!(len_bytes, 0x1_1000);
        let at = |virt| walk(arena, loaded.tables, CPU.levels, virt);
        assert_eq!(at(bottom - 1), None);
        assert!(at(bottom).is_some_and(|found| found.writable && !found.executable));
        assert!(at(loaded.stack.top() - 1).is_some());
        assert_eq!(at(loaded.stack.top()), None);
    });
}

#[test]
fn the_direct_map_covers_memory_and_at_least_four_gibibytes() {
    let giant = Cpu {
        largest_page: PageSize::Giant,
        ..CPU
    };
    for (cpu, memory_end, len) in [
        (CPU, 1 << 31, 4 << 30),
        (CPU, (5 << 30) + 0x1000, (5 << 30) + (2 << 20)),
        (giant, (5 << 30) + 0x1000, 6 << 30),
        // What firmware reports on some machines: devices just below 1 TiB.
        (giant, 1 << 40, 1 << 40),
        (giant, !0xfff, DIRECT_MAP_MAX),
    ] {
        loaded(&config(), cpu, memory_end, |loaded, arena| {
            let loaded = loaded.unwrap();
            let start = loaded.direct_map.unwrap();
            for offset in [0, 0x1234_5678, len - 1] {
                let found = walk(arena, loaded.tables, cpu.levels, start + offset);
                let expected = Found {
                    phys: offset,
                    page_bytes: cpu.largest_page.bytes(),
                    writable: true,
                    executable: false,
                };
                assert_eq!(found, Some(expected), "{offset:#x} of {memory_end:#x}");
            }
            // Where it ends, something else may begin.
            let after = walk(arena, loaded.tables, cpu.levels, start + len);
            assert!(after.is_none_or(|found| found.phys != len));
        });
    }
}

#[test]
fn command_line_and_screen_are_mapped_to_the_byte() {
    loaded(&config(), CPU, 1 << 31, |loaded, arena| {
        let loaded = loaded.unwrap();
        let phys = |virt| walk(arena, loaded.tables, CPU.levels, virt).unwrap().phys;
        let (text, len) = loaded.command_line.unwrap();
        assert_eq!((phys(text), len), (0x2_0123, 0x1002));
        assert_eq!(phys(text + (len - 1)), 0x2_1124);
        let (pixels, info) = loaded.screen.unwrap();
        assert_eq!((phys(pixels), info.byte_len), (0xc000_0000, 0x30_0000));
        assert_eq!(phys(pixels + 0x2f_ffff), 0xc02f_ffff);
    });
}

#[test]
fn the_switch_code_stays_where_it_is_and_can_not_be_written() {
    for levels in [Levels::Four, Levels::Five] {
        let cpu = Cpu { levels, ..CPU };
        loaded(&config(), cpu, 1 << 31, |loaded, arena| {
            let found = walk(
                arena,
                loaded.unwrap().tables,
                levels,
                VirtAddr::new(0x30_0040),
            );
            let found = found.unwrap();
            assert_eq!(found.phys, 0x30_0040);
            assert!(found.executable && !found.writable);
        });
    }
}

#[test]
fn addresses_that_the_kernel_fixes_are_respected() {
    let mut config = config();
    config.mappings.physical_memory = Some(Mapping::FixedAddress(0xffff_9000_0000_0000));
    config.mappings.kernel_stack = Mapping::FixedAddress(0xf_0000_0000);
    loaded(&config, CPU, 1 << 31, |loaded, _| {
        let loaded = loaded.unwrap();
        let direct_map = loaded.direct_map.map(VirtAddr::as_u64);
        assert_eq!(direct_map, Some(0xffff_9000_0000_0000));
        assert_eq!(loaded.stack.bottom.as_u64(), 0xf_0000_1000);
    });
}

#[test]
fn without_a_direct_map_there_is_none() {
    loaded(
        &BootloaderConfig::new_default(),
        CPU,
        1 << 31,
        |loaded, _| {
            assert_eq!(loaded.unwrap().direct_map, None);
        },
    );
}

#[test]
fn wishes_that_are_not_granted_are_refused_by_name() {
    let refused = |change: fn(&mut BootloaderConfig)| {
        let mut config = config();
        change(&mut config);
        loaded(&config, CPU, 1 << 31, |loaded, _| loaded.err())
    };
    let unsupported = |field| Some(LoadError::Unsupported { field });
    assert_eq!(
        refused(|config| config.mappings.aslr = true),
        unsupported("aslr")
    );
    assert_eq!(
        refused(|config| config.mappings.page_table_recursive = Some(Mapping::Dynamic)),
        unsupported("page_table_recursive")
    );
    assert_eq!(
        refused(|config| config.mappings.kernel_base = Mapping::FixedAddress(0)),
        unsupported("kernel_base")
    );
    for size in [0, STACK_MAX + 1, u64::MAX] {
        let mut config = config();
        config.kernel_stack_size = size;
        let refused = loaded(&config, CPU, 1 << 31, |loaded, _| loaded.err());
        assert_eq!(refused, unsupported("kernel_stack_size"));
    }
}

#[test]
fn places_that_collide_are_an_error() {
    let mut config = config();
    config.mappings.kernel_stack = Mapping::FixedAddress(START);
    loaded(&config, CPU, 1 << 31, |loaded, _| {
        assert!(matches!(loaded, Err(LoadError::Map(_))));
    });
}
