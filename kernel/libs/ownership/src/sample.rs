//! The bytes of a range that are looked at.
//!
//! They answer two questions, whether a range is blank and whether it is still what
//! a token was given for. Both are asked of the same bytes: of all that the table of
//! marks reads, and of samples of everything else. What is asked of fewer would let
//! a file system that was made anew pass for the one that somebody gave up.

use core::{iter::once, ops::Range};

use crc::{CRC_64_XZ, Crc, Digest};
use frame::FRAME_SIZE;

use crate::marks::{SECTOR, SECTORS, Sightings, starts};

/// How much of both ends has to be zero for a range to count as blank. All marks
/// that are found from the end are in there.
pub(crate) const END_BYTES: usize = 1 << 20;

/// Returns what is looked at in a range of this length, the sightings apart: both
/// ends and, wherever a format may start, its first frame and the sectors behind
/// that in which it may have a mark. That is 11 KiB of each huge frame.
pub(crate) fn places(len: usize) -> impl Iterator<Item = Range<usize>> {
    let ends = [0..END_BYTES.min(len), len.saturating_sub(END_BYTES)..len];
    let formats = starts(len).flat_map(|start| {
        let sectors = SECTORS
            .iter()
            .map(move |at| (start.saturating_add(*at), SECTOR));
        once((start, FRAME_SIZE)).chain(sectors)
    });
    let formats = formats.map(move |(start, bytes)| cut(start, bytes, len));
    ends.into_iter().chain(formats)
}

/// So many bytes, as far as the range has them.
fn cut(start: usize, bytes: usize, len: usize) -> Range<usize> {
    start.min(len)..start.saturating_add(bytes).min(len)
}

/// Returns the offset of a byte that is not zero.
pub(crate) fn trace(range: &[u8]) -> Option<usize> {
    places(range.len()).find_map(|place| {
        let start = place.start;
        let found = range[place].iter().position(|byte| *byte != 0)?;
        Some(start + found)
    })
}

/// Returns a digest of all that decides about a range: its identity and length,
/// the part that may become ours, the marks in there with the frames around them,
/// and every byte that was looked at.
pub(crate) fn digest(region: u64, range: &[u8], part: &Range<usize>, marks: &Sightings) -> u64 {
    static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);
    let mut digest = CRC.digest();
    let lengths = [range.len(), part.start, part.end];
    let numbers = lengths.map(|bytes| bytes as u64);
    for number in once(region).chain(numbers) {
        digest.update(&number.to_le_bytes());
    }
    add_samples(&mut digest, range);
    // A part has been looked at from its own start as well.
    let data = &range[part.clone()];
    if data.len() < range.len() {
        add_samples(&mut digest, data);
    }
    add_marks(&mut digest, data, marks);
    digest.finalize()
}

fn add_samples(digest: &mut Digest<'_, u64>, range: &[u8]) {
    places(range.len()).for_each(|place| digest.update(&range[place]));
}

fn add_marks(digest: &mut Digest<'_, u64>, range: &[u8], marks: &Sightings) {
    for sighting in marks.iter() {
        digest.update(sighting.mark.name.as_bytes());
        digest.update(&(sighting.offset as u64).to_le_bytes());
        let start = sighting.offset / FRAME_SIZE * FRAME_SIZE;
        digest.update(&range[cut(start, FRAME_SIZE, range.len())]);
    }
}
