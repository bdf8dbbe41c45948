mod adopting;
mod deciding;
mod golden;
mod hostile;
mod many;
mod probing;
mod specimen;
mod tokens;

use std::{vec, vec::Vec};

use frame::{FRAME_SIZE, HUGE_SIZE};
use llfree::{
    Layout, Memory, Zone,
    media::{self, Geometry},
};
use persist::Eadr;

const LEN: usize = 4 * HUGE_SIZE + FRAME_SIZE;
/// Identity of the regions in these tests.
const REGION: u64 = 7;

/// Memory whose first byte is aligned to a frame.
#[derive(Clone)]
struct Region {
    bytes: Vec<u8>,
    len: usize,
}

impl Region {
    fn blank() -> Self {
        Self::of(LEN)
    }

    fn of(len: usize) -> Self {
        let bytes = vec![0; len + FRAME_SIZE];
        Self { bytes, len }
    }

    fn bytes(&mut self) -> &mut [u8] {
        let skip = self.bytes.as_ptr().align_offset(FRAME_SIZE);
        &mut self.bytes[skip..skip + self.len]
    }

    /// A region that the allocator itself has formatted.
    fn ours() -> Self {
        let mut region = Self::blank();
        format(region.bytes());
        region
    }
}

/// Formats a range of [`LEN`] bytes with the allocator itself.
fn format(range: &mut [u8]) {
    let frames = 3 * 512;
    let layout = Layout::for_frames(frames, 1);
    let geometry = Geometry {
        region_id: REGION,
        region_len: LEN as u64,
        lower_offset: FRAME_SIZE as u64,
        lower_len: layout.lower_bytes as u64,
        annex_offset: 2 * FRAME_SIZE as u64,
        annex_len: 0,
        managed_offset: HUGE_SIZE as u64,
        frames: frames as u64,
        base_in_giant: 0,
        words: 8,
        tree: 32,
    };
    let mut upper = Region::blank();
    let (superblock, rest) = range.split_at_mut(FRAME_SIZE);
    let (lower, rest) = rest.split_at_mut(FRAME_SIZE);
    let replica = rest.last_chunk_mut::<FRAME_SIZE>().unwrap();
    let memory = Memory {
        lower,
        upper: upper.bytes(),
    };
    let opened = media::open(
        superblock,
        replica,
        memory,
        &geometry,
        media::Format::Allowed,
        1,
        Eadr,
    );
    let (_zone, how): (Zone<'_, Eadr>, _) = opened.unwrap();
    assert_eq!(how, media::Opened::Created);
}
