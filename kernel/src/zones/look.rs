//! Looking at a persistent range without touching it.

use core::ops::Range;

use frame::{FRAME_SIZE, HUGE_SIZE};
use llfree::media::{self, State};
use plan::ZonePlacement;

use crate::mem::{Access, MapError, Mapper, claim};

/// How much of both ends has to be zero for a range to count as blank.
const END_BYTES: usize = 1 << 20;

/// What a range holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    /// Zeros, everywhere we looked.
    Blank,
    /// Something that the superblock's place says.
    Known(State),
    /// Something that is not ours, first seen at this offset.
    Foreign {
        /// Offset in bytes.
        offset: usize,
    },
}

/// Maps a range read-only, looks at it, and unmaps it again.
///
/// # Errors
///
/// Returns [`MapError`] if it can't be mapped.
pub(super) fn look(mapper: &mut Mapper<'_>, zone: &ZonePlacement) -> Result<Content, MapError> {
    let mapped = mapper.map(zone.range, Access::Read)?;
    // SAFETY:
    // 1. The range is mapped until the end of this function.
    // 2. No other processor runs yet, and nothing else has it mapped for writing
    //    but the direct map, which nobody uses for it.
    let bytes = unsafe { claim::shared(mapped.start(), mapped.len_bytes()) };
    let content = judge(bytes);
    // SAFETY: `bytes` has been used for the last time, and no other processor
    // runs yet.
    unsafe { mapper.unmap(mapped) };
    Ok(content)
}

fn judge(bytes: &[u8]) -> Content {
    let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
        return Content::Foreign { offset: 0 };
    };
    let (first, last): (&[u8; FRAME_SIZE], &[u8; FRAME_SIZE]) = (first, last);
    match media::inspect(first, Some(last)) {
        State::Blank | State::Foreign => match first_content(bytes) {
            Some(offset) => Content::Foreign { offset },
            None => Content::Blank,
        },
        state => Content::Known(state),
    }
}

/// Returns where something other than zero is, looking at both ends and at one
/// frame of every huge frame.
fn first_content(bytes: &[u8]) -> Option<usize> {
    let len = bytes.len();
    let ends = [0..END_BYTES.min(len), len.saturating_sub(END_BYTES)..len];
    let samples = (0..len)
        .step_by(HUGE_SIZE)
        .map(|start| start..(start + FRAME_SIZE).min(len));
    let mut places = ends.into_iter().chain(samples);
    places.find_map(|place: Range<usize>| {
        let found = bytes[place.clone()].iter().position(|byte| *byte != 0)?;
        Some(place.start + found)
    })
}

const _: () = assert!(media::SUPERBLOCK_BYTES == FRAME_SIZE);
