//! What a range holds.

use core::ops::Range;

use frame::FRAME_SIZE;
use llfree::media::{self, State, Version};
use options::Token;

use crate::{
    devdax,
    marks::Sightings,
    sample::{digest, trace},
};

const _: () = assert!(media::SUPERBLOCK_BYTES == FRAME_SIZE);

/// What a range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the crate has no heap, and a machine few ranges"
)]
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
        /// What it is, as far as it is known by name.
        marks: Sightings,
        /// Offset of a byte that is not zero.
        offset: usize,
    },
}

/// What looking at a range has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The part of the range that may become ours: all of it, or the data of a
    /// devdax namespace.
    pub place: Range<usize>,
    /// Whether the rest belongs to a devdax namespace, which stays as it is.
    pub adopted: bool,
    /// What that part holds.
    pub content: Content,
    /// What permits to format it, as long as nothing changes.
    pub token: Token,
}

/// Looks at a whole range, whose identity is `region`.
///
/// Superblocks of ours are looked for first. If there are none, a sound devdax
/// namespace narrows the range down to its data; then marks of others are looked
/// for, at both ends and at each huge frame. That finds whatever a file system or
/// a partition table leaves behind, but it proves nothing: a range that counts as
/// blank may hold something in between.
pub fn probe(region: u64, range: &[u8]) -> Finding {
    let whole = content(range);
    let data = match whole {
        Content::Blank | Content::Foreign { .. } => devdax::data_of(range),
        _ => None,
    };
    let adopted = data.is_some();
    let place = data.unwrap_or(0..range.len());
    let content = if adopted {
        content(&range[place.clone()])
    } else {
        whole
    };
    let token = Token {
        region,
        digest: match &content {
            // Formatting it is not in question.
            Content::Ours | Content::OtherVersion(_) | Content::Damaged => 0,
            Content::Foreign { marks, .. } => digest(region, range, &place, marks),
            Content::Blank | Content::Unfinished => digest(region, range, &place, &Sightings::NONE),
        },
    };
    Finding {
        place,
        adopted,
        content,
        token,
    }
}

fn content(range: &[u8]) -> Content {
    let first = range.get(..FRAME_SIZE).unwrap_or(range);
    let last = range.last_chunk::<FRAME_SIZE>();
    match media::inspect(first, last.map(<[u8; FRAME_SIZE]>::as_slice)) {
        State::Ready(_) => Content::Ours,
        State::Formatting => Content::Unfinished,
        State::Unknown(version) => Content::OtherVersion(version),
        State::Damaged => Content::Damaged,
        // A first frame of zeros says nothing about the rest.
        State::Blank | State::Foreign | State::TooShort { .. } => {
            let marks = Sightings::find(range);
            let marked = marks.iter().map(|sighting| sighting.offset).next();
            match trace(range).or(marked) {
                Some(offset) => Content::Foreign { marks, offset },
                None => Content::Blank,
            }
        }
    }
}
