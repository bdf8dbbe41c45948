//! What a range holds.

use core::ops::Range;

use frame::{FRAME_SIZE, HUGE_SIZE};
use llfree::media::{self, State, Version};

/// How much of both ends has to be zero for a range to count as blank.
pub(crate) const END_BYTES: usize = 1 << 20;

const _: () = assert!(media::SUPERBLOCK_BYTES == FRAME_SIZE);

/// What a range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A zone of ours, complete.
    Ours,
    /// A zone of ours whose formatting was never finished.
    Unfinished,
    /// A zone of ours, of a version that this build can't read.
    OtherVersion(Version),
    /// A zone of ours, neither of whose superblocks is intact.
    Damaged,
    /// Zeros, everywhere we looked.
    Blank,
    /// Something else.
    Foreign {
        /// Offset of a byte that is not zero.
        offset: usize,
    },
}

/// Looks at a whole range: at both superblocks and, unless they are ours, at
/// both ends and at one frame of every huge frame.
///
/// That finds whatever a file system or a partition table leaves behind, but it
/// proves nothing: a range that counts as blank may hold a few bytes in between.
pub fn probe(range: &[u8]) -> Content {
    let first = range.get(..FRAME_SIZE).unwrap_or(range);
    let last = range.last_chunk::<FRAME_SIZE>();
    match media::inspect(first, last.map(<[u8; FRAME_SIZE]>::as_slice)) {
        State::Ready(_) => Content::Ours,
        State::Formatting => Content::Unfinished,
        State::Unknown(version) => Content::OtherVersion(version),
        State::Damaged => Content::Damaged,
        // A first frame of zeros says nothing about the rest.
        State::Blank | State::Foreign | State::TooShort { .. } => match trace(range) {
            Some(offset) => Content::Foreign { offset },
            None => Content::Blank,
        },
    }
}

/// Returns the offset of a byte that is not zero.
fn trace(range: &[u8]) -> Option<usize> {
    let len = range.len();
    let ends = [0..END_BYTES.min(len), len.saturating_sub(END_BYTES)..len];
    let samples = (0..len)
        .step_by(HUGE_SIZE)
        .map(|start| start..(start + FRAME_SIZE).min(len));
    ends.into_iter()
        .chain(samples)
        .find_map(|place: Range<usize>| {
            let start = place.start;
            let found = range[place].iter().position(|byte| *byte != 0)?;
            Some(start + found)
        })
}
