//! The lower tables as a crash has left them, before any recovery.
//!
//! A bitfield of 64 bytes for each huge frame, then an entry of 16 bits for each.
//! Counts are soft: an entry only matters where it says that the huge frame is
//! allocated as a whole, which it also is while it is being split.
//!
//! Then, from the next line on, a line of eight words for each processor, with
//! what it held: two records of a head and a mask each. The low three bits of a
//! head are the state, the others the number of a row of 64 frames. Frames that
//! are *owned* by a processor are free, whatever their bits say. Those *announced*
//! or *returning* are nobody knows whose, as are those of a third record, which
//! an earlier recovery has left.
//!
//! Last, a word for each whole GiB. An entry may say that its huge frame is a
//! member of a giant frame: whether that is allocated, its word says.

use anyhow::{Result, bail, ensure};
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
/// Out of service: nobody's, whatever its bits say.
const OFFLINE: u16 = 0x8005;

/// Huge frames in a giant frame.
const GIANT_HUGE: usize = 512;
/// States of a giant frame in which its members are allocated.
const GIANT: u64 = 2;
const GIANT_SPLITTING: u64 = 3;

/// Frames in a row.
const ROW_FRAMES: usize = 64;
const LINE_BYTES: usize = 64;

const NONE: u64 = 0;
const ANNOUNCED: u64 = 1;
const OWNED: u64 = 2;
const RETURNING: u64 = 3;
const DOUBT: u64 = 4;

pub(super) struct Tables {
    bytes: Vec<u8>,
    huge_frames: usize,
    /// For each whole GiB, whether its members are allocated.
    giants: Vec<bool>,
    /// Rows and masks of frames that processors held.
    owned: Vec<(usize, u64)>,
    /// The same of frames in doubt.
    uncertain: Vec<(usize, u64)>,
}

impl Tables {
    /// Checks that the tables are of this size and that every entry is known.
    pub(super) fn new(bytes: Vec<u8>, frames: usize) -> Result<Self> {
        let huge_frames = frames.div_ceil(HUGE_FRAMES);
        let giants = frames / (HUGE_FRAMES * GIANT_HUGE);
        let giant_lines = giants.div_ceil(8);
        // Entries go by fours. A slot for each 32 huge frames, less the lines of the
        // giant frames, from 4 to 256.
        let entries = huge_frames.next_multiple_of(4) * ENTRY_BYTES;
        let slots_at = (huge_frames * FIELD_BYTES + entries).next_multiple_of(LINE_BYTES);
        let slots_end =
            slots_at + (huge_frames / 32).saturating_sub(giant_lines).clamp(4, 256) * LINE_BYTES;
        let (needed, given) = (slots_end + giant_lines * LINE_BYTES, bytes.len());
        ensure!(
            given >= needed,
            "lower tables of {given} bytes for {frames} frames, which take {needed}"
        );
        let mut tables = Self {
            bytes,
            huge_frames,
            giants: Vec::new(),
            owned: Vec::new(),
            uncertain: Vec::new(),
        };
        for huge in 0..huge_frames {
            let entry = tables.entry(huge);
            let known = matches!(
                entry,
                0..=ALL_FREE | HUGE | FREEING | SPLITTING | SPLIT_DONE | MEMBER | OFFLINE
            );
            ensure!(known, "the entry of huge frame {huge} is {entry:#x}");
        }
        for giant in 0..giants {
            let state = tables.word(slots_end + giant * 8);
            ensure!(
                state <= GIANT_SPLITTING,
                "the word of giant frame {giant} is {state:#x}"
            );
            let is_allocated = matches!(state, GIANT | GIANT_SPLITTING);
            tables.giants.push(is_allocated);
        }
        for record in (slots_at..slots_end).step_by(LINE_BYTES) {
            for at in [0, 16, 32] {
                tables.read_record(record + at)?;
            }
        }
        Ok(tables)
    }

    fn read_record(&mut self, at: usize) -> Result<()> {
        let (head, mask) = (self.word(at), self.word(at + 8));
        let row = usize::try_from(head >> 3)?;
        ensure!(
            row < self.huge_frames * HUGE_FRAMES / ROW_FRAMES,
            "the record at {at:#x} of the tables is of row {row}"
        );
        match head & 7 {
            NONE if head == NONE => {}
            OWNED => self.owned.push((row, mask)),
            ANNOUNCED | RETURNING | DOUBT => self.uncertain.push((row, mask)),
            state => bail!("the record at {at:#x} of the tables has state {state}"),
        }
        Ok(())
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|index| self.bytes[at + index]))
    }

    fn entry(&self, huge: usize) -> u16 {
        let at = self.huge_frames * FIELD_BYTES + huge * ENTRY_BYTES;
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

impl Tables {
    /// Returns how many huge frames were being split.
    pub(super) fn splits(&self) -> usize {
        let entries = (0..self.huge_frames).map(|huge| self.entry(huge));
        let splits = entries.filter(|entry| matches!(*entry, SPLITTING | SPLIT_DONE));
        splits.count()
    }

    fn is_in_giant(&self, huge: usize) -> bool {
        let giant = self.giants.get(huge / GIANT_HUGE);
        giant.is_some_and(|&is_allocated| is_allocated)
    }
}

impl Allocated for Tables {
    fn is_allocated(&self, FrameId(frame): FrameId) -> bool {
        match self.entry(frame / HUGE_FRAMES) {
            HUGE | SPLITTING => true,
            MEMBER if self.is_in_giant(frame / HUGE_FRAMES) => true,
            OFFLINE => false,
            _ => self.bytes[frame / 8] >> (frame % 8) & 1 != 0 && !is_in(&self.owned, frame),
        }
    }

    fn is_uncertain(&self, FrameId(frame): FrameId) -> bool {
        is_in(&self.uncertain, frame)
    }
}

fn is_in(records: &[(usize, u64)], frame: usize) -> bool {
    let (row, bit) = (frame / ROW_FRAMES, frame % ROW_FRAMES);
    (records.iter()).any(|&(held, mask)| held == row && mask >> bit & 1 != 0)
}
