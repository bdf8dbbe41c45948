//! Why one range is refused.

use firmware::nfit::Broken;
use firmware::nfit::guid::Use;
use firmware::{Refusal, Topology};

use crate::build::{self, GIB, Map, Range, control, nfit as table};
use crate::golden_nfit::judged;

use super::{range, refusal, refusal_with, sound};

fn refusal_of_range(range: &Range) -> Option<Refusal> {
    refusal(&[
        range.bytes(),
        Map {
            len: range.len,
            ..Map::default()
        }
        .bytes(),
        control(1, 7),
    ])
}

fn refusal_of_map(map: &Map) -> Option<Refusal> {
    refusal(&[Range::default().bytes(), map.bytes(), control(1, 7)])
}

#[test]
fn the_sound_range_is_not_refused() {
    assert_eq!(refusal(&sound()), None);
}

#[test]
fn only_persistent_ranges_are_listed() {
    let volatile = Range {
        guid: build::VOLATILE,
        ..Range::default()
    };
    assert_eq!(judged(&table(&[volatile.bytes()])), []);
    let unknown = Range {
        guid: [7; 16],
        ..Range::default()
    };
    assert_eq!(judged(&table(&[unknown.bytes()])), []);
}

#[test]
fn disk_images_belong_to_somebody() {
    let disk = Range {
        guid: build::PERSISTENT_DISK,
        index: 0,
        ..Range::default()
    };
    let usage = Use::PersistentDisk;
    assert_eq!(refusal_of_range(&disk), Some(Refusal::DiskImage { usage }));
}

#[test]
fn a_range_without_index_is_refused_even_if_maps_have_none_either() {
    let range = Range {
        index: 0,
        ..Range::default()
    };
    let map = Map {
        range: 0,
        ..Map::default()
    };
    let refusal = refusal(&[range.bytes(), map.bytes(), control(1, 7)]);
    assert_eq!(refusal, Some(Refusal::NoIndex));
}

#[test]
fn addresses_must_be_possible() {
    let with = |base, len| {
        refusal_of_range(&Range {
            base,
            len,
            ..Range::default()
        })
    };
    let beyond = |base, len_bytes| {
        Some(Refusal::BeyondAddressSpace {
            base,
            len_bytes,
            bits: 40,
        })
    };
    let misaligned = |base, len_bytes| Some(Refusal::Misaligned { base, len_bytes });
    assert_eq!(with(4 * GIB, 0), Some(Refusal::Empty { index: 1 }));
    assert_eq!(with(u64::MAX - 4095, 4096), beyond(u64::MAX - 4095, 4096));
    assert_eq!(with(4 * GIB, u64::MAX), beyond(4 * GIB, u64::MAX));
    assert_eq!(with(1 << 40, 4096), beyond(1 << 40, 4096));
    assert_eq!(with((1 << 40) - 4096, 4096), None);
    assert_eq!(with((1 << 40) - 4096, 8192), beyond((1 << 40) - 4096, 8192));
    assert_eq!(with(4 * GIB + 2048, GIB), misaligned(4 * GIB + 2048, GIB));
    assert_eq!(with(4 * GIB, GIB + 512), misaligned(4 * GIB, GIB + 512));
    assert_eq!(
        with(0xf_f000, GIB),
        Some(Refusal::FirstMebibyte { base: 0xf_f000 })
    );
    assert_eq!(with(0x10_0000, GIB), None);
}

#[test]
fn ranges_must_not_overlap_whatever_they_are() {
    for guid in [build::PERSISTENT, build::VOLATILE, [7; 16]] {
        let other = Range {
            index: 2,
            guid,
            base: 5 * GIB - 4096,
            ..Range::default()
        };
        let overlap = Refusal::OverlapsRange {
            index: 2,
            other: range(5 * GIB - 4096, GIB),
        };
        assert_eq!(refusal_with(&[other.bytes()]), Some(overlap));
        let neighbour = Range {
            base: 5 * GIB,
            ..other
        };
        assert_eq!(refusal_with(&[neighbour.bytes()]), None);
    }
}

#[test]
fn a_range_needs_a_device() {
    let refused = Some(Refusal::NoDevice { index: 1 });
    assert_eq!(refusal(&[Range::default().bytes()]), refused);
    assert_eq!(
        refusal_of_map(&Map {
            range: 2,
            ..Map::default()
        }),
        refused
    );
}

#[test]
fn devices_that_failed_or_are_not_armed_are_refused() {
    let handle = 1;
    for flags in [1, 2, 4, 0x40, 0x49] {
        let refused = Some(Refusal::Failed { handle, flags });
        assert_eq!(
            refusal_of_map(&Map {
                flags,
                ..Map::default()
            }),
            refused
        );
    }
    let refused = Some(Refusal::NotArmed {
        handle,
        flags: 0x18,
    });
    assert_eq!(
        refusal_of_map(&Map {
            flags: 0x18,
            ..Map::default()
        }),
        refused
    );
    for flags in [0x10, 0x20, 0xff80] {
        assert_eq!(
            refusal_of_map(&Map {
                flags,
                ..Map::default()
            }),
            None
        );
    }
}

#[test]
fn one_bad_device_of_a_set_is_enough() {
    let part = |handle, offset, flags| {
        let len = GIB / 2;
        Map {
            handle,
            offset,
            flags,
            len,
            ways: 2,
            ..Map::default()
        }
        .bytes()
    };
    let set = |flags| {
        refusal(&[
            part(1, 0, 0),
            control(1, 7),
            part(2, 64, flags),
            Range::default().bytes(),
        ])
    };
    assert_eq!(set(0), None);
    assert_eq!(
        set(8),
        Some(Refusal::NotArmed {
            handle: 2,
            flags: 8
        })
    );
}

#[test]
fn devices_must_add_up_to_the_range() {
    let map = Map {
        len: GIB - 4096,
        ..Map::default()
    };
    let refused = Refusal::SizeMismatch {
        devices_bytes: GIB - 4096,
        range_bytes: GIB,
    };
    assert_eq!(refusal_of_map(&map), Some(refused));
    // Sums don't wrap around to the right value.
    let half = |handle, len| {
        Map {
            handle,
            len,
            ways: 2,
            ..Map::default()
        }
        .bytes()
    };
    let wrapped = [
        Range::default().bytes(),
        half(1, u64::MAX),
        half(2, GIB + 1),
        control(1, 7),
    ];
    let refused = Refusal::SizeMismatch {
        devices_bytes: u64::MAX,
        range_bytes: GIB,
    };
    assert_eq!(refusal(&wrapped), Some(refused));
}

#[test]
fn interleave_sets_must_be_complete() {
    let (handle, claimed, found) = (1, 2, 1);
    let refused = Some(Refusal::WaysMismatch {
        handle,
        claimed,
        found,
    });
    assert_eq!(
        refusal_of_map(&Map {
            ways: 2,
            ..Map::default()
        }),
        refused
    );
    assert_eq!(
        refusal_of_map(&Map {
            ways: 0,
            ..Map::default()
        }),
        None
    );

    let map = Map {
        interleave: 5,
        ..Map::default()
    };
    let refused = Some(Refusal::NoInterleave { handle, index: 5 });
    assert_eq!(refusal_of_map(&map), refused);
    let described = [
        Range::default().bytes(),
        map.bytes(),
        control(1, 7),
        build::interleave(5, &[0]),
    ];
    assert_eq!(refusal(&described), None);
}

#[test]
fn control_regions_must_exist_if_named() {
    let refused = Some(Refusal::NoControlRegion {
        handle: 1,
        index: 2,
    });
    assert_eq!(
        refusal_of_map(&Map {
            control: 2,
            ..Map::default()
        }),
        refused
    );
    assert_eq!(
        refusal_of_map(&Map {
            control: 0,
            ..Map::default()
        }),
        None
    );
}

#[test]
fn memory_must_be_cached_write_back() {
    let refused = Some(Refusal::NotWriteBack { attributes: 0x8001 });
    assert_eq!(
        refusal_of_range(&Range {
            attributes: 0x8001,
            ..Range::default()
        }),
        refused
    );
}

#[test]
fn memory_that_is_in_use_is_refused() {
    let mut topology = Topology::new();
    topology.persistent.extend(judged(&table(&sound())));
    let free = [range(0, 4 * GIB), range(5 * GIB, GIB)];
    topology.refuse_occupied(free.into_iter());
    assert_eq!(topology.persistent[0].refusal, None);
    let by = range(5 * GIB - 1, 1);
    topology.refuse_occupied(free.into_iter().chain([by]));
    assert_eq!(
        topology.persistent[0].refusal,
        Some(Refusal::Occupied { by })
    );
    // The first reason stays.
    topology.refuse_occupied([range(4 * GIB, GIB)].into_iter());
    assert_eq!(
        topology.persistent[0].refusal,
        Some(Refusal::Occupied { by })
    );
}

#[test]
fn a_refusal_says_what_where_and_what_to_do() {
    let said = [
        (
            Refusal::NotArmed {
                handle: 1,
                flags: 8,
            },
            "memory device 0x1 is not armed (flags 0x8): it would lose its content with power; \
             check its energy source and the firmware's set-up (QEMU: no unarmed=on)",
        ),
        (
            Refusal::Occupied {
                by: range(GIB, 4096),
            },
            "the memory map has something else at 0x40000000..0x40001000; \
             let the firmware's set-up place it elsewhere",
        ),
        (
            Refusal::BrokenTable(Broken::Overrun {
                offset: 208,
                len: 10,
                left: 9,
            }),
            "its table NFIT is doubtful: the structure at offset 208 has 10 bytes, but the table \
             ends after 9; update the firmware, or create the range anew in its set-up",
        ),
    ];
    for (refusal, sentence) in said {
        assert_eq!(refusal.to_string(), sentence);
    }
}
