//! What makes a table doubtful as a whole, and what doesn't.

use firmware::Refusal;
use firmware::nfit::{self, Broken, MAX_STRUCTURES};
use firmware::sdt::{Table, TableError};

use crate::build::{self, GIB, Map, Range, control, nfit as table};
use crate::golden_nfit::judged;

use super::{range, refusal_with, sound};

/// Where the first structure behind the sound ones starts.
const BEHIND: usize = 40 + 56 + 48 + 32;

fn broken_by(more: &[Vec<u8>]) -> Option<Broken> {
    match refusal_with(more) {
        Some(Refusal::BrokenTable(broken)) => Some(broken),
        None => None,
        Some(other) => panic!("refused for another reason: {other}"),
    }
}

#[test]
fn tables_that_disagree_with_themselves_are_not_read() {
    let parse = |bytes: &[u8]| {
        let table = Table::new(bytes, nfit::SIGNATURE, nfit::FIXED_LEN);
        table.map(|table| table.bytes().len())
    };
    let sound = table(&sound());
    assert_eq!(parse(&sound), Ok(sound.len()));
    // What lies behind the table is none of its business.
    assert_eq!(
        parse(&[sound.as_slice(), &[1, 2, 3]].concat()),
        Ok(sound.len())
    );

    let (declared, most) = (sound.len(), sound.len() - 1);
    assert_eq!(
        parse(&sound[..most]),
        Err(TableError::TooLong { declared, most })
    );
    let mut wrong = sound.clone();
    wrong[100] ^= 4;
    assert!(matches!(parse(&wrong), Err(TableError::Checksum { .. })));
    let found = firmware::Signature(*b"NFIS");
    wrong[3] = b'S';
    assert_eq!(parse(&wrong), Err(TableError::Signature { found }));
    let short = build::table(b"NFIT", 1, &[0; 3]);
    let (declared, least) = (39, 40);
    assert_eq!(parse(&short), Err(TableError::TooShort { declared, least }));
}

#[test]
fn a_structure_without_a_length_breaks_the_table() {
    for len in [0, 3] {
        let (offset, kind, least) = (BEHIND, 8, 4);
        let broken = Broken::TooShort {
            offset,
            kind,
            len,
            least,
        };
        let bytes = vec![8, 0, u8::try_from(len).expect("small"), 0];
        assert_eq!(broken_by(&[bytes]), Some(broken), "length {len}");
    }
}

#[test]
fn the_last_structure_must_not_overrun_the_table() {
    let mut last = build::unknown(8);
    last[2] += 1;
    let broken = Broken::Overrun {
        offset: BEHIND,
        len: 10,
        left: 9,
    };
    assert_eq!(broken_by(&[last]), Some(broken));
    let stray = Broken::Overrun {
        offset: BEHIND,
        len: 4,
        left: 3,
    };
    assert_eq!(broken_by(&[vec![8, 0, 4]]), Some(stray));
}

#[test]
fn known_types_must_not_be_shorter_than_they_are() {
    let known = [
        (
            Range {
                index: 2,
                base: 16 * GIB,
                ..Range::default()
            }
            .bytes(),
            56,
        ),
        (
            Map {
                range: 0,
                ..Map::default()
            }
            .bytes(),
            48,
        ),
        (build::interleave(1, &[]), 16),
        (build::smbios()[..8].to_vec(), 8),
        (control(2, 8), 32),
        (build::block_window(1), 40),
        (build::hints(2, &[]), 16),
        (build::capabilities(1, 3), 16),
    ];
    for (kind, (structure, least)) in (0..).zip(known) {
        let len = least - 1;
        let mut short = structure[..len].to_vec();
        short[2] = u8::try_from(len).expect("small");
        let offset = BEHIND;
        let broken = Broken::TooShort {
            offset,
            kind,
            len,
            least,
        };
        assert_eq!(broken_by(&[short]), Some(broken), "type {kind}");
    }
}

#[test]
fn counts_must_fit_the_structure() {
    let offset = BEHIND;
    let mut interleave = build::interleave(1, &[0, 1]);
    interleave[8] = 3;
    let (kind, len) = (2, 24);
    assert_eq!(
        broken_by(&[interleave]),
        Some(Broken::Overfull { offset, kind, len })
    );
    let mut huge = build::interleave(1, &[0, 1]);
    huge[8..12].fill(0xff);
    assert_eq!(
        broken_by(&[huge]),
        Some(Broken::Overfull { offset, kind, len })
    );
    let mut hints = build::hints(2, &[0x1000]);
    hints[8] = 2;
    let (kind, len) = (6, 24);
    assert_eq!(
        broken_by(&[hints]),
        Some(Broken::Overfull { offset, kind, len })
    );
    let mut windows = control(2, 8);
    windows[30] = 1;
    let (kind, len) = (4, 32);
    assert_eq!(
        broken_by(&[windows]),
        Some(Broken::Overfull { offset, kind, len })
    );
}

#[test]
fn contradictions_break_the_table() {
    let offset = BEHIND;
    let twin = Range {
        base: 16 * GIB,
        ..Range::default()
    };
    let broken = Broken::RepeatedRange { offset, index: 1 };
    assert_eq!(broken_by(&[twin.bytes()]), Some(broken));

    let broken = Broken::RepeatedMap {
        offset,
        handle: 1,
        index: 1,
    };
    assert_eq!(broken_by(&[Map::default().bytes()]), Some(broken));

    let said = build::capabilities(1, 3);
    let offset = BEHIND + said.len();
    let broken = Broken::TwoCapabilities { offset };
    assert_eq!(
        broken_by(&[said.clone(), build::capabilities(1, 2)]),
        Some(broken)
    );
    assert_eq!(broken_by(&[said.clone(), said]), None);

    let (offset, highest) = (BEHIND, 32);
    let broken = Broken::HighestCapability { offset, highest };
    assert_eq!(broken_by(&[build::capabilities(32, 3)]), Some(broken));
    assert_eq!(broken_by(&[build::capabilities(31, 3)]), None);
}

#[test]
fn index_0_is_none_and_may_be_repeated() {
    let unmapped = Map {
        range: 0,
        ..Map::default()
    };
    assert_eq!(broken_by(&[unmapped.bytes(), unmapped.bytes()]), None);
    let image = |base| Range {
        index: 0,
        guid: build::PERSISTENT_DISK,
        base,
        ..Range::default()
    };
    let images = [image(16 * GIB).bytes(), image(32 * GIB).bytes()];
    assert_eq!(broken_by(&images), None);
}

#[test]
fn the_number_of_structures_is_bounded() {
    let empty = vec![8, 0, 4, 0];
    let room = MAX_STRUCTURES - sound().len();
    assert_eq!(broken_by(&vec![empty.clone(); room]), None);
    let offset = BEHIND + 4 * room;
    let broken = Broken::TooMany { offset };
    assert_eq!(broken_by(&vec![empty; room + 1]), Some(broken));
}

#[test]
fn ranges_before_the_break_are_reported_and_refused() {
    let mut structures = sound();
    structures.push(vec![0; 4]);
    let behind = Range {
        index: 2,
        base: 16 * GIB,
        ..Range::default()
    };
    structures.push(behind.bytes());
    let ranges = judged(&table(&structures));
    let [reported] = ranges.as_slice() else {
        panic!("{ranges:?}");
    };
    assert!(matches!(reported.refusal, Some(Refusal::BrokenTable(_))));
    assert_eq!(reported.range, range(4 * GIB, GIB));
}

#[test]
fn what_does_not_matter_is_ignored() {
    let unknown_use = Range {
        index: 2,
        guid: [7; 16],
        base: 16 * GIB,
        ..Range::default()
    };
    let mut longer = Map {
        range: 0,
        ..Map::default()
    }
    .bytes();
    longer[2] += 8;
    longer.extend([0xff; 8]);
    let cookie = [Range {
        index: 3,
        flags: 6,
        base: 20 * GIB,
        ..Range::default()
    }
    .bytes()];
    let mut cookie = cookie.concat();
    cookie[2] = 64;
    cookie.extend([1; 8]);
    let harmless = [
        build::unknown(8),
        build::unknown(0xffff),
        build::smbios(),
        build::block_window(77),
        unknown_use.bytes(),
        longer,
        cookie,
        Map {
            range: 99,
            ..Map::default()
        }
        .bytes(),
    ];
    for structure in &harmless {
        assert_eq!(
            refusal_with(core::slice::from_ref(structure)),
            None,
            "{structure:?}"
        );
    }
    assert_eq!(refusal_with(&harmless), None);
}
