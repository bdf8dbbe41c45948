//! The content of frames, read from the file where it is asked for.

use std::{fs::File, os::unix::fs::FileExt as _};

use frame::{FrameId, Order};
use workload::stamp::{Stamp, Stamps, stamped};

pub(super) struct Content<'a> {
    pub(super) file: &'a File,
    /// Where frame 0 starts in the file.
    pub(super) start: u64,
    /// Epoch of the ledger.
    pub(super) epoch: u64,
}

impl Content<'_> {
    fn stamp(&self, frame: FrameId) -> std::io::Result<[u64; Stamp::WORDS]> {
        let mut bytes = [0; 8 * Stamp::WORDS];
        let at = self.start + frame.offset_bytes() as u64;
        self.file.read_exact_at(&mut bytes, at)?;
        let words = bytes.as_chunks().0;
        Ok(std::array::from_fn(|index| {
            u64::from_le_bytes(words[index])
        }))
    }
}

impl Stamps for Content<'_> {
    fn check(&self, block: FrameId, order: Order, generation: u64) -> bool {
        stamped(block, order).all(|frame| {
            let expected = Stamp::new(self.epoch, frame, generation).words();
            // All frames lie in the file; what can't be read is not there.
            self.stamp(frame).is_ok_and(|found| found == expected)
        })
    }
}
