//! Which ranges have the same name.

use firmware::{PersistentRange, Refusal};

use crate::build::{GIB, Map, Range, control, nfit as table};
use crate::golden_nfit::judged;

use super::range;

/// Two ranges on devices of their own, whose serial numbers are given.
fn two(first: u32, second: u32, len: u64) -> Vec<PersistentRange> {
    let other = Range {
        index: 2,
        base: 16 * GIB,
        len,
        ..Range::default()
    };
    let map = Map {
        handle: 2,
        range: 2,
        control: 2,
        len,
        ..Map::default()
    };
    let more = vec![other.bytes(), map.bytes(), control(2, second)];
    let device = vec![
        Range::default().bytes(),
        Map::default().bytes(),
        control(1, first),
    ];
    judged(&table(&[device, more].concat()))
}

#[test]
fn ranges_that_cannot_be_told_apart_are_both_refused() {
    let twins = two(7, 7, GIB);
    let id = twins[0].id;
    assert_eq!(id, twins[1].id);
    let refused = |other| Some(Refusal::SameIdentity { id, other });
    assert_eq!(twins[0].refusal, refused(range(16 * GIB, GIB)));
    assert_eq!(twins[1].refusal, refused(range(4 * GIB, GIB)));
    for others in [two(7, 8, GIB), two(7, 7, 2 * GIB)] {
        assert_ne!(others[0].id, others[1].id);
        assert!(others.iter().all(|range| range.refusal.is_none()));
    }
}

#[test]
fn identity_depends_on_devices_and_not_on_places() {
    let id = |range: &Range, map: &Map, serial| {
        judged(&table(&[
            map.bytes(),
            control(map.control, serial),
            range.bytes(),
        ]))[0]
            .id
    };
    let known = id(&Range::default(), &Map::default(), 7);
    let moved = Range {
        base: 64 * GIB,
        index: 5,
        proximity: 3,
        ..Range::default()
    };
    let replugged = Map {
        handle: 0x123,
        range: 5,
        control: 9,
        region_id: 4,
        ..Map::default()
    };
    assert_eq!(id(&moved, &replugged, 7), known);
    let changes = [
        id(&Range::default(), &Map::default(), 8),
        id(
            &Range {
                len: 2 * GIB,
                ..Range::default()
            },
            &Map::default(),
            7,
        ),
        id(
            &Range::default(),
            &Map {
                offset: 64,
                ..Map::default()
            },
            7,
        ),
        id(
            &Range::default(),
            &Map {
                device_base: 64,
                ..Map::default()
            },
            7,
        ),
        id(
            &Range::default(),
            &Map {
                len: 64,
                ..Map::default()
            },
            7,
        ),
    ];
    for change in changes {
        assert_ne!(change, known);
    }
}

#[test]
fn index_0_refers_to_nothing_that_identity_depends_on() {
    let id = |structures: &[Vec<u8>]| judged(&table(structures))[0].id;
    let device = Map {
        control: 0,
        ..Map::default()
    };
    let bare = [Range::default().bytes(), device.bytes()];
    let with_control = [bare.as_slice(), &[control(0, 7)]].concat();
    assert_eq!(id(&bare), id(&with_control));

    let unnamed = Range {
        index: 0,
        ..Range::default()
    };
    let unmapped = Map {
        range: 0,
        ..Map::default()
    };
    let with_map = [unnamed.bytes(), unmapped.bytes()];
    assert_eq!(id(&[unnamed.bytes()]), id(&with_map));
}
