//! The bytes of a range that are looked at.

use core::ops::Range;

use crc::{CRC_64_XZ, Crc};
use frame::{FRAME_SIZE, HUGE_SIZE};

use crate::marks::Sightings;

/// How much of both ends has to be zero for a range to count as blank.
pub(crate) const END_BYTES: usize = 1 << 20;

/// Both ends, and one frame of every huge frame.
fn places(len: usize) -> impl Iterator<Item = Range<usize>> {
    let ends = [0..END_BYTES.min(len), len.saturating_sub(END_BYTES)..len];
    let samples = (0..len)
        .step_by(HUGE_SIZE)
        .map(move |start| start..len.min(start.saturating_add(FRAME_SIZE)));
    ends.into_iter().chain(samples)
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
/// the marks, and every byte that was looked at.
pub(crate) fn digest(region: u64, range: &[u8], marks: &Sightings) -> u64 {
    static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);
    let mut digest = CRC.digest();
    digest.update(&region.to_le_bytes());
    digest.update(&(range.len() as u64).to_le_bytes());
    for sighting in marks.iter() {
        digest.update(sighting.mark.name.as_bytes());
        digest.update(&(sighting.offset as u64).to_le_bytes());
    }
    places(range.len()).for_each(|place| digest.update(&range[place]));
    digest.finalize()
}
