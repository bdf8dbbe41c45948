//! The rows of the table, each by itself.
//!
//! The specimens show that formats are recognised. They do not reach every row: a
//! tool writes one copy of a header in one place. So the bytes of each row are laid
//! down here alone, in each of its places.

use std::{collections::BTreeSet, vec, vec::Vec};

use frame::{FRAME_SIZE, HUGE_SIZE};

use super::{FIRST_PARTITION, MARKS, MOST, Mark, Place, SECTOR, SECTORS, Sightings, View, starts};
use crate::sample::{END_BYTES, places};

/// Up to the row that is farthest from its start, and not a multiple of 2 MiB.
const LEN: usize = 33 * HUGE_SIZE + FRAME_SIZE;
/// Starts of formats, one of each kind.
const STARTS: [usize; 4] = [0, FRAME_SIZE, FIRST_PARTITION, HUGE_SIZE];

/// A row's bytes in one of its places, seen from one start.
struct Laid {
    mark: &'static Mark,
    /// Where the magic bytes are, from the start of the range.
    offset: usize,
    /// All bytes that the row wants.
    bytes: Vec<(usize, &'static [u8])>,
}

/// Every row in every place, from every kind of start.
fn all(len: usize) -> impl Iterator<Item = Laid> {
    let places = MARKS
        .iter()
        .flat_map(|mark| mark.places.iter().map(move |place| (mark, *place)));
    places.flat_map(move |(mark, place)| {
        let laid = move |&start: &usize| laid(mark, place, start, len);
        STARTS.iter().filter_map(laid)
    })
}

fn laid(mark: &'static Mark, place: Place, start: usize, len: usize) -> Option<Laid> {
    let range: &[u8] = &vec![0; len];
    let offset = place.offset(View { range, start })?;
    // A format that is found from the end starts with its bytes.
    let format = match place {
        Place::Start(_) => start,
        Place::End { .. } => offset,
    };
    let others = others(mark, offset - format);
    let others = others.into_iter().map(|(at, bytes)| (format + at, bytes));
    let mut bytes: Vec<_> = others.collect();
    bytes.push((offset, mark.magic));
    Some(Laid {
        mark,
        offset,
        bytes,
    })
}

/// What a row wants besides its own bytes, which are at `magic`; offsets count from
/// the start of the format.
fn others(mark: &Mark, magic: usize) -> Vec<(usize, &'static [u8])> {
    match mark.name {
        "nova" => vec![(12, &[0, 16, 0, 0])],
        "gpt" => vec![(magic + 12, &[92])],
        "mbr" => vec![(446 + 4, &[0x83]), (446 + 12, &[1])],
        "luks1" => vec![(6, &[0, 1])],
        "luks2" => vec![(6, &[0, 2])],
        "lvm2" => vec![(magic + 24, b"LVM2 001")],
        "md1" => vec![(magic + 4, &[1])],
        "ext2" => vec![(0x400, &[1])],
        "ext3" => vec![(0x400, &[1]), (0x45c, &[4])],
        "ext4" => vec![(0x400, &[1]), (0x460, &[0x40])],
        "xfs" => vec![(4, &[0, 0, 16, 0])],
        "fat" => vec![(510, &[0x55, 0xaa])],
        "nilfs2" => vec![(0x400, &[2]), (0x408, &[64])],
        "hfs+" => vec![(1025, &[b'+', 0, 4])],
        _ => vec![],
    }
}

impl Laid {
    fn lay(&self, range: &mut [u8]) {
        for (at, bytes) in &self.bytes {
            range[*at..][..bytes.len()].copy_from_slice(bytes);
        }
    }

    fn clear(&self, range: &mut [u8]) {
        for (at, bytes) in &self.bytes {
            range[*at..][..bytes.len()].fill(0);
        }
    }

    fn is_found(&self, range: &[u8]) -> bool {
        let found = Sightings::find(range);
        let is_it = |name, offset| name == self.mark.name && offset == self.offset;
        found
            .iter()
            .any(|found| is_it(found.mark.name, found.offset))
    }
}

#[test]
fn the_bytes_of_each_row_are_found_in_each_of_its_places() {
    let (mut range, mut count) = (vec![0; LEN], 0);
    for laid in all(LEN) {
        laid.lay(&mut range);
        let (mark, offset) = (laid.mark, laid.offset);
        assert!(
            laid.is_found(&range),
            "{mark:?} {:x?} at {offset:#x}",
            mark.magic
        );
        // Control: without its last byte it is not.
        range[offset + mark.magic.len() - 1] ^= 0x80;
        assert!(!laid.is_found(&range), "{mark:?} at {offset:#x}");
        laid.clear(&mut range);
        count += 1;
    }
    assert!(count > STARTS.len() * (MARKS.len() - 10), "{count} rows");
}

#[test]
fn every_byte_that_a_row_wants_is_looked_at() {
    for len in [LEN, LEN - SECTOR, 3 * HUGE_SIZE - FRAME_SIZE, 5 << 20] {
        let places: Vec<_> = places(len).collect();
        for laid in all(len) {
            for (at, bytes) in &laid.bytes {
                let end = at + bytes.len();
                let is_in = places
                    .iter()
                    .any(|place| place.start <= *at && end <= place.end);
                // Nor does it look beyond the end.
                assert!(is_in || end > len, "{:?} at {at:#x} of {len:#x}", laid.mark);
            }
        }
    }
}

#[test]
fn sectors_are_looked_at_for_a_row_each_and_no_row_reads_others() {
    let mut read = BTreeSet::new();
    for mark in &MARKS {
        for place in mark.places {
            match *place {
                Place::Start(at) => {
                    let last = at + mark.magic.len() - 1;
                    read.extend([at / SECTOR * SECTOR, last / SECTOR * SECTOR]);
                }
                Place::End { align, back } => assert!(align + back <= END_BYTES, "{mark:?}"),
            }
        }
    }
    read.retain(|at| *at >= FRAME_SIZE);
    assert!(read.iter().eq(SECTORS.iter()), "{read:x?}");
}

#[test]
fn each_name_has_room() {
    let names: BTreeSet<_> = MARKS.iter().map(|mark| mark.name).collect();
    assert_eq!(names.len(), MOST);
}

#[test]
fn a_start_of_each_kind_is_tried() {
    let starts: Vec<_> = starts(LEN).collect();
    assert!(STARTS.iter().all(|start| starts.contains(start)));
}
