//! NFITs from QEMU, field by field, and one of a server made by hand.

use firmware::nfit::guid::Use;
use firmware::nfit::structure::{Capabilities, Control, Made, Map, Range, Structure};
use firmware::nfit::{self, Nfit};
use firmware::sdt::Table;
use firmware::{Domain, Node, PersistentRange, Refusal};
use frame::{PhysAddr, PhysRange};

use crate::build;
use crate::golden::golden;

fn parse(bytes: &[u8]) -> Nfit<'_> {
    let table = Table::new(bytes, nfit::SIGNATURE, nfit::FIXED_LEN).expect("sound");
    Nfit::new(table)
}

/// Returns the persistent ranges of a table.
pub(crate) fn judged(bytes: &[u8]) -> Vec<PersistentRange> {
    let mut found = arrayvec::ArrayVec::<_, 32>::new();
    nfit::judge(&parse(bytes), 40, |_| Node(0), &mut found);
    found.to_vec()
}

const BASE: Range = Range {
    index: 2,
    flags: 3,
    proximity: Some(0),
    guid: build::PERSISTENT,
    base: 0x1_0000_0000,
    len_bytes: 0x400_0000,
    attributes: 0x8008,
    cookie: None,
};

#[test]
fn the_range_of_one_nvdimm_is_read_to_the_byte() {
    let structures: Vec<_> = parse(golden!("nfit/base")).structures().collect();
    let [
        Structure::Range(range),
        Structure::Map(map),
        Structure::Control(control),
    ] = structures[..]
    else {
        panic!("{structures:?}");
    };
    assert_eq!(range, BASE);
    assert_eq!(range.usage(), Use::Persistent);
    let expected = Map {
        handle: 1,
        physical_id: 0,
        region_id: 0,
        range_index: 2,
        control_index: 3,
        region_len: 0x400_0000,
        region_offset: 0,
        device_base: 0,
        interleave_index: 0,
        interleave_ways: 1,
        flags: 0,
    };
    assert_eq!(map, expected);
    let expected = Control {
        index: 3,
        vendor: 0x8086,
        device: 1,
        revision: 1,
        subsystem: [0; 3],
        made: None,
        serial: 0x12_3456,
        format: 0x0301,
        windows: 0,
    };
    assert_eq!(control, expected);
}

#[test]
fn capabilities_are_read_and_masked() {
    let last = parse(golden!("nfit/mc")).structures().last();
    let Some(Structure::Capabilities(capabilities)) = last else {
        panic!("{last:?}");
    };
    assert_eq!(
        capabilities,
        Capabilities {
            highest: 1,
            bits: 2
        }
    );
    let mask = |highest, bits| {
        let said = Capabilities { highest, bits };
        (
            said.flushes_caches(),
            said.flushes_controller(),
            said.mirrors(),
        )
    };
    assert_eq!(mask(0, 0b111), (true, true, false));
    assert_eq!(mask(0, 0b110), (false, false, false));
    assert_eq!(mask(1, 0b110), (false, true, false));
    assert_eq!(mask(2, 0b100), (false, false, true));
    assert_eq!(mask(31, u32::MAX), (true, true, true));
}

#[test]
fn the_domain_is_what_the_platform_says_or_the_weakest_that_fits() {
    let domain = |bytes: &[u8]| judged(bytes)[0].domain;
    assert_eq!(domain(golden!("nfit/base")), Domain::AssumedAdr);
    assert_eq!(domain(golden!("nfit/mc")), Domain::Adr);
    assert_eq!(domain(golden!("nfit/cpu")), Domain::Eadr);
    let with = |more: &[Vec<u8>]| {
        let device = [
            build::Range::default().bytes(),
            build::Map::default().bytes(),
            build::control(1, 7),
        ];
        domain(&build::nfit(&[&device, more].concat()))
    };
    let hints = build::hints(1, &[0xfe00_0000]);
    assert_eq!(with(std::slice::from_ref(&hints)), Domain::FlushHints);
    assert_eq!(with(&[build::hints(1, &[])]), Domain::AssumedAdr);
    assert_eq!(with(&[build::hints(2, &[0xfe00_0000])]), Domain::AssumedAdr);
    assert_eq!(with(&[build::capabilities(31, 0)]), Domain::None);
    assert_eq!(
        with(&[build::capabilities(31, 0), hints]),
        Domain::FlushHints
    );
}

#[test]
fn unarmed_devices_are_refused_and_their_neighbour_is_not() {
    let ranges = judged(golden!("nfit/cpu"));
    // Slots 1, 0, 2: the firmware's order is not the order of addresses.
    let bases: Vec<_> = ranges.iter().map(|range| range.range.start().0).collect();
    assert_eq!(bases, [0x1_0400_0000, 0x1_0000_0000, 0x1_0800_0000]);
    let indices: Vec<_> = ranges.iter().map(|range| range.index).collect();
    assert_eq!(indices, [4, 2, 6]);
    let flags = 8;
    let refusals: Vec<_> = ranges.iter().map(|range| range.refusal).collect();
    let unarmed = |handle| Some(Refusal::NotArmed { handle, flags });
    assert_eq!(refusals, [None, unarmed(1), unarmed(3)]);
    assert_eq!(ranges[2].range.len_bytes(), 0x200_0000);
}

/// Written to media: these must never change.
#[test]
fn identities_are_pinned() {
    let ids = |bytes: &[u8]| -> Vec<_> {
        let ranges = judged(bytes);
        ranges.iter().map(|range| range.id.to_string()).collect()
    };
    assert_eq!(ids(golden!("nfit/mc")), ids(golden!("nfit/base")));
    let all = [golden!("nfit/base"), golden!("nfit/cpu"), &build::server()].map(ids);
    let pinned = [
        "dd0d7d805022eaf1",
        "6fd01150b357f5bf",
        "dd0d7d805022eaf1",
        "fee4ef5db17eb9e1",
        "553749e79480c4ba",
        "0d69529789556ebc",
    ];
    assert_eq!(all.concat(), pinned);
}

#[test]
fn a_server_with_interleaved_devices_is_understood() {
    let server = build::server();
    let nfit = parse(&server);
    assert_eq!(nfit.broken(), None);
    let expected = |base, node| (PhysRange::new(PhysAddr(base), 2 << 30), Node(node));
    let ranges = judged(&server);
    let places: Vec<_> = ranges
        .iter()
        .map(|range| (Some(range.range), range.node))
        .collect();
    assert_eq!(places, [expected(8 << 30, 1), expected(4 << 30, 0)]);
    // Bits beyond the highest valid one are set in this table.
    assert!(ranges.iter().all(|range| range.domain == Domain::Adr));
    assert!(ranges.iter().all(|range| range.refusal.is_none()));
}

#[test]
fn every_type_of_structure_is_decoded() {
    let server = build::server();
    let mut kinds = std::collections::BTreeMap::new();
    for structure in parse(&server).structures() {
        let kind = match structure {
            Structure::Range(_) => 0,
            Structure::Map(_) => 1,
            Structure::Interleave(interleave) => {
                assert_eq!(interleave.line_len, 4096);
                let expected = if interleave.index == 7 {
                    [0, 2]
                } else {
                    [1, 3]
                };
                assert!(interleave.line_offsets().eq(expected));
                2
            }
            Structure::Smbios(bytes) => {
                assert_eq!(bytes.as_slice(), [17, 8, 1, 0, 2, 0, 3, 0]);
                3
            }
            Structure::Control(control) => {
                let made = Made {
                    location: 0xa2,
                    date: 0x1820,
                };
                assert_eq!(control.made, Some(made));
                assert_eq!(control.subsystem, [0x8980, 0x18, 4]);
                assert_eq!((control.device, control.revision), (0x097a, 3));
                assert_eq!(control.windows, u16::from(control.index == 10));
                4
            }
            Structure::BlockWindow(window) => {
                assert_eq!((window.control_index, window.windows), (10, 1));
                assert_eq!(window.capacity, 1 << 30);
                5
            }
            Structure::FlushHints(hints) => {
                assert_eq!(hints.handle, 0x11);
                assert!(hints.addresses().eq([0xfe00_0000, 0xfe00_0040]));
                6
            }
            Structure::Capabilities(capabilities) => {
                assert_eq!(capabilities.highest, 2);
                7
            }
            Structure::Unknown { kind } => kind,
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let expected = [
        (0, 3),
        (1, 4),
        (2, 2),
        (3, 1),
        (4, 4),
        (5, 1),
        (6, 1),
        (7, 1),
        (8, 1),
    ];
    assert!(kinds.into_iter().eq(expected));
}

#[test]
fn every_use_of_a_range_is_known_by_its_guid() {
    assert_eq!(Use::from_bytes(build::VOLATILE), Use::Volatile);
    assert_eq!(Use::from_bytes(build::PERSISTENT_DISK), Use::PersistentDisk);
    assert_eq!(Use::from_bytes([7; 16]), Use::Unknown([7; 16]));
    // 92f701f6-13b4-405d-910b-299367e8234c, as it is stored.
    let control = [
        0xf6, 0x01, 0xf7, 0x92, 0xb4, 0x13, 0x5d, 0x40, 0x91, 0x0b, 0x29, 0x93, 0x67, 0xe8, 0x23,
        0x4c,
    ];
    assert_eq!(Use::from_bytes(control), Use::ControlRegion);
}
