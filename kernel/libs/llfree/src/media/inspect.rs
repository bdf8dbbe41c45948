//! What a range holds, by looking only.

use super::SUPERBLOCK_BYTES;
use super::header::{Decoded, Geometry, Version, array_at, decode, u64_at};
use super::mount::{Mount, last_mount};
use super::page::{FORMATTING, READY, STATE_AT, STATE_NONE};

/// What the first and the last frame of a range say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The first frame is all zero and the last one is not ours. That alone does
    /// not mean that the range is empty.
    Blank,
    /// Something that we have not written.
    Foreign,
    /// Ours, but formatting was never finished: there is nothing to recover.
    Formatting,
    /// Ours and complete.
    Ready(Header),
    /// Ours and intact, but of a version that this code can't read.
    Unknown(Version),
    /// Ours, but neither copy of the superblock is intact.
    Damaged,
    /// The first frame was given only in part.
    TooShort {
        /// Bytes that a superblock needs.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
}

/// A complete superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where everything lies.
    pub geometry: Geometry,
    /// The version that has formatted the range.
    pub version: Version,
    /// Which copy this was read from.
    pub source: Source,
    /// Whether the replica says the same.
    pub replica_intact: bool,
    /// The latest mount, if the first frame still tells of one.
    pub mount: Option<Mount>,
}

/// A copy of the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first frame; the replica need not be intact.
    Primary,
    /// The last frame, because the first one is not intact.
    Replica,
}

/// What one copy says.
enum Copy {
    Ready(Geometry, Version),
    Formatting,
    Unknown(Version),
    Damaged,
    Blank,
    Foreign,
}

/// Returns what a range holds, given its first frame and, where it can be read,
/// its last one.
///
/// An intact first frame is believed. If it is damaged or blank and the replica is
/// complete, the replica is: so to give up a range, clear both. If it is foreign,
/// somebody else has taken the range over, whatever the replica says.
pub fn inspect(first_frame: &[u8], replica: Option<&[u8]>) -> State {
    let (needed, given) = (SUPERBLOCK_BYTES, first_frame.len());
    if given < needed {
        return State::TooShort { needed, given };
    }
    let second = replica.map_or(Copy::Blank, read);
    let header = |(geometry, version), source| {
        let mount = last_mount(first_frame);
        let replica_intact = matches!(second, Copy::Ready(other, _) if other == geometry);
        State::Ready(Header {
            geometry,
            version,
            source,
            replica_intact,
            mount,
        })
    };
    match (read(first_frame), &second) {
        (Copy::Ready(geometry, version), _) => header((geometry, version), Source::Primary),
        (Copy::Formatting, _) => State::Formatting,
        (Copy::Unknown(version), _) => State::Unknown(version),
        (Copy::Foreign, _) => State::Foreign,
        (Copy::Damaged | Copy::Blank, &Copy::Ready(geometry, version)) => {
            header((geometry, version), Source::Replica)
        }
        (Copy::Damaged | Copy::Blank, &Copy::Unknown(version)) => State::Unknown(version),
        (Copy::Damaged, _) => State::Damaged,
        (Copy::Blank, _) => State::Blank,
    }
}

fn read(page: &[u8]) -> Copy {
    let state = u64_at(page, STATE_AT);
    // First of all: while this word stands there, the header may be half written.
    if state == FORMATTING {
        return Copy::Formatting;
    }
    match (decode(&array_at(page, 0)), state) {
        (Decoded::Known(geometry, version), READY) => Copy::Ready(geometry, version),
        (Decoded::Unknown(version), _) => Copy::Unknown(version),
        (Decoded::Known(..), _)
        | (
            Decoded::Bad {
                claims_to_be_ours: true,
            },
            _,
        ) => Copy::Damaged,
        (Decoded::Bad { .. }, READY) => Copy::Damaged,
        (Decoded::Bad { .. }, STATE_NONE) if page.iter().all(|&byte| byte == 0) => Copy::Blank,
        (Decoded::Bad { .. }, _) => Copy::Foreign,
    }
}
