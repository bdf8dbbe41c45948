//! A formatted region in ordinary memory, and damage to it.

use frame::{FrameId, Order};
use llfree::{
    Memory, Zone,
    media::{self, Format, Geometry, OpenError, Opened, SUPERBLOCK_BYTES},
};
use persist::Eadr;

use crate::input::Input;

/// Huge frames of 128 frames, trees of two: all structures occur, and a run
/// takes microseconds.
pub(crate) type Small<'m> = Zone<'m, Eadr, 2, 2>;

/// Two trees and a half, and a tail.
pub(crate) const FRAMES: usize = 5 * 128 + 40;
pub(crate) const CPUS: usize = 2;
/// Words of a line: nothing needs a larger alignment.
const ALIGN: usize = 64;

/// Superblock, lower tables and replica, one after the other.
pub(crate) struct Region {
    raw: Vec<u8>,
    lower_len: usize,
}

/// Where everything would be in a region.
pub(crate) fn geometry() -> Geometry {
    let lower = Small::layout(FRAMES, CPUS).lower_bytes as u64;
    Geometry {
        region_id: 0x1234_5678_9abc_def0,
        region_len: 0x40_0000,
        lower_offset: 4096,
        lower_len: lower,
        annex_offset: 4096 + lower,
        annex_len: 8192,
        managed_offset: 0x10_0000,
        frames: FRAMES as u64,
        base_in_giant: 0x20_0000,
        words: 2,
        tree: 2,
    }
}

impl Region {
    /// A region that was formatted and used: blocks of several orders are
    /// allocated, and it was either closed or left as a crash leaves it.
    pub(crate) fn used(closed: bool) -> Self {
        let lower_len = Small::layout(FRAMES, CPUS).lower_bytes;
        let len = 2 * SUPERBLOCK_BYTES + lower_len + ALIGN;
        let mut region = Self {
            raw: vec![0; len],
            lower_len,
        };
        let opened = region.open(Format::Allowed, |zone, _| {
            let mut local = zone.local(0).expect("nobody else has it");
            for exponent in [0, 0, 3, 6, 7, 1] {
                let order = Order::new(exponent).expect("a small order");
                local.get(order).expect("nearly everything is free");
            }
        });
        opened.expect("formatting is permitted");
        if closed {
            region
                .open_and_close()
                .expect("it is ours, and nobody uses it");
        }
        region
    }

    /// Opens the zone and hands it to `work`.
    pub(crate) fn open(
        &mut self,
        permission: Format,
        work: impl FnOnce(&Small<'_>, &mut [u8]),
    ) -> Result<Opened, OpenError> {
        let upper_len = Small::layout(FRAMES, CPUS).upper_bytes;
        let mut upper = vec![0xee; upper_len + ALIGN];
        let skip = upper.as_ptr().align_offset(ALIGN);
        let (superblock, lower, replica) = self.parts();
        let memory = Memory {
            lower,
            upper: &mut upper[skip..skip + upper_len],
        };
        let expected = geometry();
        let opened = media::open(
            superblock, replica, memory, &expected, permission, CPUS, Eadr,
        );
        let (zone, how): (Small<'_>, _) = opened?;
        work(&zone, superblock);
        Ok(how)
    }

    fn open_and_close(&mut self) -> Result<Opened, OpenError> {
        self.open(Format::Never, |zone, superblock| {
            media::close(zone, superblock).expect("all handles are gone");
        })
    }

    /// Superblock, lower tables, replica.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let start = self.start();
        let (superblock, rest) = self.raw[start..].split_at_mut(SUPERBLOCK_BYTES);
        let (lower, rest) = rest.split_at_mut(self.lower_len);
        (superblock, lower, &mut rest[..SUPERBLOCK_BYTES])
    }

    /// The offset of the first byte that is aligned.
    fn start(&self) -> usize {
        self.raw.as_ptr().align_offset(ALIGN)
    }
}

impl Clone for Region {
    /// Not derived: the copy begins elsewhere in its buffer.
    fn clone(&self) -> Self {
        let len = self.raw.len();
        let mut copy = Self {
            raw: vec![0; len],
            lower_len: self.lower_len,
        };
        let (from, to) = (self.start(), copy.start());
        let used = len - ALIGN;
        copy.raw[to..to + used].copy_from_slice(&self.raw[from..from + used]);
        copy
    }
}

/// Changes bytes as an input says: offset, then what is different about the byte.
pub(crate) fn damage(bytes: &mut [u8], input: &mut Input<'_>, most: usize) {
    for _ in 0..most {
        if input.is_empty() || bytes.is_empty() {
            return;
        }
        let at = usize::from(input.u16()) % bytes.len();
        bytes[at] ^= input.u8();
    }
}

/// Takes all that there is, frame by frame and from both processors: no frame
/// comes twice, or in spite of being allocated.
pub(crate) fn exhaust(zone: &Small<'_>) {
    let was_allocated: Vec<bool> = (0..FRAMES)
        .map(|frame| zone.is_allocated(FrameId(frame)))
        .collect();
    let mut taken = vec![false; FRAMES];
    for cpu in 0..CPUS {
        let mut local = zone.local(cpu).expect("nobody else has it");
        for exponent in [7, 5, 0] {
            let order = Order::new(exponent).expect("a small order");
            while let Ok(FrameId(first)) = local.get(order) {
                for frame in first..first + order.frames() {
                    assert!(!taken[frame], "frame {frame} came twice");
                    assert!(!was_allocated[frame], "frame {frame} was allocated");
                    taken[frame] = true;
                }
            }
        }
    }
}
