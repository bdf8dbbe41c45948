//! The lower tables as a crash has left them, before any recovery.
//!
//! A bitfield of 64 bytes for each huge frame, then an entry of 16 bits for each.
//! Counts are soft: an entry only matters where it says that the huge frame is
//! allocated as a whole, which it also is while it is being split.

use anyhow::{Result, ensure};
use frame::FrameId;
use workload::ledger::Allocated;

/// Frames in a huge frame.
const HUGE_FRAMES: usize = 512;
const FIELD_BYTES: usize = HUGE_FRAMES / 8;
const ENTRY_BYTES: usize = 2;

/// The largest count.
const ALL_FREE: u16 = 512;
const HUGE: u16 = 0x8000;
const FREEING: u16 = 0x8001;
const SPLITTING: u16 = 0x8002;
const SPLIT_DONE: u16 = 0x8003;
/// Part of a giant frame.
const MEMBER: u16 = 0x8004;

pub(super) struct Tables {
    bytes: Vec<u8>,
    huge_frames: usize,
}

impl Tables {
    /// Checks that the tables are of this size and that every entry is known.
    pub(super) fn new(bytes: Vec<u8>, frames: usize) -> Result<Self> {
        let huge_frames = frames.div_ceil(HUGE_FRAMES);
        let (needed, given) = (huge_frames * (FIELD_BYTES + ENTRY_BYTES), bytes.len());
        ensure!(
            given >= needed,
            "lower tables of {given} bytes for {frames} frames, which take {needed}"
        );
        let tables = Self { bytes, huge_frames };
        for huge in 0..huge_frames {
            let entry = tables.entry(huge);
            let known = matches!(
                entry,
                0..=ALL_FREE | HUGE | FREEING | SPLITTING | SPLIT_DONE | MEMBER
            );
            ensure!(known, "the entry of huge frame {huge} is {entry:#x}");
        }
        Ok(tables)
    }

    fn entry(&self, huge: usize) -> u16 {
        let at = self.huge_frames * FIELD_BYTES + huge * ENTRY_BYTES;
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

impl Allocated for Tables {
    fn is_allocated(&self, FrameId(frame): FrameId) -> bool {
        match self.entry(frame / HUGE_FRAMES) {
            HUGE | SPLITTING | MEMBER => true,
            _ => self.bytes[frame / 8] >> (frame % 8) & 1 != 0,
        }
    }
}
