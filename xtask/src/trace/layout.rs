//! Where the parts of a zone lie in its file, and what of them a trace follows.

use std::{fs::File, ops::Range, os::unix::fs::FileExt as _};

use anyhow::{Result, bail};
use frame::FRAME_SIZE;
use llfree::media::{self, Geometry, State};

use super::WORD_BYTES;

/// A zone that begins at the first byte of its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) geometry: Geometry,
}

/// What a word of the file is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Superblock, replica or lower tables: by number, in this order of the parts.
    Tables(usize),
    /// The ledger.
    Ledger(usize),
    /// A frame, and which of its words.
    Frame(usize, usize),
}

/// Words in a superblock.
pub(super) const PAGE_WORDS: usize = FRAME_SIZE / WORD_BYTES;

/// Reads the superblock and its replica, whatever they hold.
pub(super) fn superblocks(file: &File) -> Result<[Vec<u8>; 2]> {
    let last = file.metadata()?.len() - FRAME_SIZE as u64;
    let mut pages = [0, last].map(|at| (at, vec![0; FRAME_SIZE]));
    for (at, page) in &mut pages {
        file.read_exact_at(page, *at)?;
    }
    Ok(pages.map(|(_, page)| page))
}

impl Layout {
    /// Reads the superblocks of a zone that is complete.
    pub(super) fn read(file: &File) -> Result<Self> {
        Self::of(&superblocks(file)?)
    }

    /// Returns what these superblocks say of a zone that is complete.
    pub(super) fn of([page, replica]: &[Vec<u8>; 2]) -> Result<Self> {
        match media::inspect(page, Some(replica)) {
            State::Ready(header) => Ok(Self {
                geometry: header.geometry,
            }),
            other => bail!("no zone was made in the file: {other:?}"),
        }
    }

    /// Returns the bytes of superblock, replica and lower tables.
    pub(super) fn tables(&self) -> [Range<u64>; 3] {
        let Geometry {
            region_len,
            lower_offset,
            lower_len,
            ..
        } = self.geometry;
        let page = FRAME_SIZE as u64;
        [
            0..page,
            region_len - page..region_len,
            lower_offset..lower_offset + lower_len,
        ]
    }

    /// Returns the bytes of the ledger.
    pub(super) fn ledger(&self) -> Range<u64> {
        self.geometry.annex_offset..self.geometry.annex_offset + self.geometry.annex_len
    }

    /// Returns where a frame begins.
    pub(super) fn frame(&self, frame: usize) -> u64 {
        self.geometry.managed_offset + (frame * FRAME_SIZE) as u64
    }

    /// Returns the number of frames.
    pub(super) fn frames(&self) -> usize {
        usize::try_from(self.geometry.frames).expect("frames of a file that fits into memory")
    }

    /// Returns what the word at an offset is part of, if anything.
    pub(super) fn part(&self, offset: u64) -> Option<Part> {
        let words = |bytes: u64| usize::try_from(bytes).ok().map(|bytes| bytes / WORD_BYTES);
        let mut before = 0;
        for range in self.tables() {
            if range.contains(&offset) {
                return Some(Part::Tables(before + words(offset - range.start)?));
            }
            before += words(range.end - range.start)?;
        }
        if self.ledger().contains(&offset) {
            return Some(Part::Ledger(words(offset - self.ledger().start)?));
        }
        let word = words(offset.checked_sub(self.frame(0))?)?;
        let frame = word / PAGE_WORDS;
        (frame < self.frames()).then_some(Part::Frame(frame, word % PAGE_WORDS))
    }
}
