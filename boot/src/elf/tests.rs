extern crate std;

use std::vec::Vec;

use super::*;
use crate::testing::{Order, Part, Piece, START};

fn order() -> Order {
    Order::kernel(&BootloaderConfig::new_default())
}

/// Returns why a kernel is refused that differs in what `change` does to it.
fn refusal(change: impl FnOnce(&mut Order)) -> Option<ElfError> {
    let mut order = order();
    change(&mut order);
    Kernel::parse(&order.file()).err()
}

#[test]
fn a_kernel_like_ours_is_accepted_as_it_is() {
    let mut config = BootloaderConfig::new_default();
    config.kernel_stack_size = 0x4_3210;
    let file = Order::kernel(&config).file();
    let kernel = Kernel::parse(&file).unwrap();
    assert_eq!(kernel.config.kernel_stack_size, 0x4_3210);
    assert_eq!(kernel.entry.as_u64(), START + 0x2010);
    assert_eq!(kernel.start().as_u64(), START);
    let found: Vec<_> = kernel
        .segments
        .iter()
        .map(|segment| {
            (
                segment.start.as_u64(),
                segment.data[0],
                segment.len_bytes,
                segment.access,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (START, 0xaa, 0x1800, Access::Read),
            (START + 0x2000, 0xbb, 0x1800, Access::ReadExecute),
            (START + 0x4000, 0xcc, 0x3001, Access::ReadWrite),
        ]
    );
}

#[test]
fn segments_may_come_in_any_order() {
    let mut order = order();
    order.parts.reverse();
    let file = order.file();
    let kernel = Kernel::parse(&file).unwrap();
    assert!(kernel.segments.is_sorted_by_key(|segment| segment.start));
    assert_eq!(kernel.start().as_u64(), START);
}

#[test]
fn only_static_executables_for_this_machine_are_accepted() {
    let error = |kind, machine| Some(ElfError::NotStaticExecutable { kind, machine });
    assert_eq!(refusal(|order| order.kind = 3), error(3, 62));
    assert_eq!(refusal(|order| order.machine = 3), error(2, 3));
    let dynamic = |kind| Part {
        kind,
        ..order().parts[0].clone()
    };
    for kind in [2, 3, 7] {
        assert_eq!(
            refusal(|order| order.parts.push(dynamic(kind))),
            Some(ElfError::UnsupportedSegment { kind })
        );
    }
    // Notes and the like say nothing about loading.
    assert_eq!(refusal(|order| order.parts.push(dynamic(4))), None);
}

#[test]
fn access_is_readable_and_never_writable_and_executable() {
    for flags in [0, 1, 2, 3, 7] {
        let address = START;
        assert_eq!(
            refusal(|order| order.parts[0].flags = flags),
            Some(ElfError::BadAccess { address, flags })
        );
    }
}

#[test]
fn segments_do_not_share_pages() {
    let address = START + 0x2000;
    assert_eq!(
        refusal(|order| order.parts[0].memory_len = 0x2001),
        Some(ElfError::Overlap { address })
    );
    assert_eq!(refusal(|order| order.parts[0].memory_len = 0x2000), None);
}

#[test]
fn segments_are_whole_pages_within_the_address_space() {
    let address = START + 8;
    assert_eq!(
        refusal(|order| order.parts[0].address = address),
        Some(ElfError::UnalignedSegment { address })
    );
    for address in [0, 0x8000_0000_0000, 0x7fff_ffff_f000, u64::MAX - 0xfff] {
        assert_eq!(
            refusal(|order| order.parts[0].address = address),
            Some(ElfError::OutOfRange { address }),
            "{address:#x}"
        );
    }
    assert_eq!(
        refusal(|order| order.parts[0].memory_len = 0x17ff),
        Some(ElfError::DataExceedsSegment { address: START })
    );
}

#[test]
fn the_entry_point_must_be_executable() {
    for entry in [0, START, START + 0x1fff, START + 0x3800, START + 0x4000] {
        assert_eq!(
            refusal(|order| order.entry = entry),
            Some(ElfError::BadEntry { entry })
        );
    }
    assert_eq!(refusal(|order| order.entry = START + 0x37ff), None);
}

#[test]
fn relocations_of_memory_are_refused_but_not_those_of_debugging_data() {
    let relocations = |kind, flags| Piece {
        name: ".rela",
        kind,
        flags,
        data: std::vec![0; 24],
    };
    for kind in [4, 9] {
        assert_eq!(
            refusal(|order| order.pieces.push(relocations(kind, 2))),
            Some(ElfError::Relocations)
        );
        assert_eq!(
            refusal(|order| order.pieces.push(relocations(kind, 0))),
            None
        );
    }
}

#[test]
fn the_configuration_must_be_there_and_whole() {
    assert_eq!(
        refusal(|order| order.pieces.clear()),
        Some(ElfError::NoConfig)
    );
    let refused = refusal(|order| order.pieces[0].data.truncate(10));
    assert_eq!(
        refused,
        Some(ElfError::BadConfig {
            reason: "invalid len"
        })
    );
    let refused = refusal(|order| order.pieces[0].data[0] ^= 1);
    assert_eq!(
        refused,
        Some(ElfError::BadConfig {
            reason: "invalid UUID"
        })
    );
}

#[test]
fn too_many_segments_are_an_error() {
    let many = |order: &mut Order, count: u64| {
        let last = order.parts[2].clone();
        order.parts.extend((1..count).map(|index| Part {
            address: last.address + index * 0x1_0000,
            ..last.clone()
        }));
    };
    assert_eq!(
        refusal(|order| many(order, 7)),
        Some(ElfError::TooManySegments)
    );
    assert_eq!(refusal(|order| many(order, 6)), None);
}

#[test]
fn no_prefix_of_a_kernel_panics_or_is_accepted() {
    let file = order().file();
    for len in 0..file.len() {
        assert!(
            Kernel::parse(&file[..len]).is_err(),
            "{len} of {} bytes",
            file.len()
        );
    }
}

/// Every byte of the headers, with values around which checks usually fail. Most
/// changes are refused; those that are accepted still give a loadable kernel.
#[test]
fn no_corrupted_header_byte_panics() {
    let file = order().file();
    let sections = usize::try_from(u64::from_le_bytes(file[40..48].try_into().unwrap())).unwrap();
    let mut refused = 0;
    for at in (0..64 + 3 * 56).chain(sections..file.len()) {
        for value in [0, 1, 0x7f, 0x80, 0xff, file[at] ^ 0x10] {
            let mut file = file.clone();
            file[at] = value;
            match Kernel::parse(&file) {
                Ok(kernel) => check_apart(&kernel.segments).unwrap(),
                Err(_) => refused += 1,
            }
        }
    }
    std::println!("{refused} corrupted headers refused");
    assert!(refused > 400);
}
