//! What persistent memory holds at one moment of a trace.
//!
//! The allocator's tables lie behind a cache: what of them is durable, the enumerator
//! of the proofs knows. Ledger and stamps are what the allocator is held against and
//! durable at once, as in an emulated power cut: what they acknowledge has to be
//! durable no later. Nor do their locked instructions wait for write-backs of the
//! allocator's: it must not rely on those of its users.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Result, ensure};
use crash_images::medium::{LINE_WORDS, Medium, Write};
use frame::{FrameId, Order};
use trace_plugin::{Event, What};
use workload::{
    ledger::{Ledger, Ordered},
    stamp::{Stamp, Stamps, stamped},
};

use super::{
    WORD_BYTES,
    layout::{Layout, Part},
};

/// Stores to a line that may all be lost; before that, something has evicted it.
const MOST_LOST: usize = 16;

/// The content at one moment.
pub(super) struct World {
    pub(super) layout: Layout,
    pub(super) medium: Medium,
    pub(super) ledger: Vec<AtomicU64>,
    /// Whether somebody keeps account already.
    is_kept: bool,
    stamps: Vec<[u64; Stamp::WORDS]>,
    pub(super) counts: Counts,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Words stored to the tables.
    pub(super) stores: u64,
    /// Lines of the tables that were written back.
    pub(super) flushes: u64,
    /// Fences.
    pub(super) fences: u64,
    /// Write-backs of nobody knows what.
    pub(super) unpaired: u64,
}

/// What an event has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that a crash could tell from the moment before.
    Nothing,
    /// The images that there can be.
    Tables,
    /// What they are held against.
    Account,
    /// The content of a frame.
    Frame,
}

impl World {
    /// Reads the content of a file, all of which is durable.
    pub(super) fn read(file: &File, layout: Layout, cpus: usize) -> Result<Self> {
        let mut tables = Vec::new();
        for range in layout.tables() {
            tables.extend(words(file, range.start, range.end)?);
        }
        let ledger = words(file, layout.ledger().start, layout.ledger().end)?;
        let stamps = (0..layout.frames()).map(|frame| {
            let at = layout.frame(frame);
            let found = words(file, at, at + (Stamp::WORDS * WORD_BYTES) as u64)?;
            Ok(std::array::from_fn(|word| found[word]))
        });
        let ledger: Vec<_> = ledger.into_iter().map(AtomicU64::new).collect();
        Ok(Self {
            medium: Medium::new(tables, cpus),
            is_kept: Ledger::open(&ledger, Ordered).is_ok(),
            ledger,
            stamps: stamps.collect::<Result<_>>()?,
            layout,
            counts: Counts::default(),
        })
    }

    /// Takes an event.
    pub(super) fn apply(&mut self, event: Event) -> Change {
        let cpu = usize::from(event.cpu);
        match event.what {
            What::Store { offset, value } => return self.store(u64::from(offset), value),
            What::Flush { offset } => {
                if let Some(Part::Tables(word)) = self.layout.part(u64::from(offset)) {
                    self.counts.flushes += 1;
                    self.medium.flush(cpu, word..word + 1);
                }
            }
            What::Fence => {
                self.counts.fences += 1;
                self.medium.fence(cpu);
            }
            What::Locked { offset } => {
                let part = offset.and_then(|offset| self.layout.part(u64::from(offset)));
                if !matches!(part, Some(Part::Ledger(_) | Part::Frame(..))) {
                    self.medium.fence(cpu);
                }
            }
            What::Unpaired => self.counts.unpaired += 1,
        }
        Change::Nothing
    }

    fn store(&mut self, offset: u64, value: u64) -> Change {
        match self.layout.part(offset) {
            Some(Part::Tables(word)) => {
                self.counts.stores += 1;
                let changed = self.medium.write(Write { word, value });
                self.medium.evict(word / LINE_WORDS, MOST_LOST);
                if changed {
                    Change::Tables
                } else {
                    Change::Nothing
                }
            }
            Some(Part::Ledger(word)) => {
                let before = self.ledger[word].swap(value, Ordering::Relaxed);
                let was_kept = self.is_kept;
                if word < LINE_WORDS {
                    self.is_kept = Ledger::open(&self.ledger, Ordered).is_ok();
                }
                // While it is being made, it says nothing.
                if before == value || !was_kept && !self.is_kept {
                    Change::Nothing
                } else {
                    Change::Account
                }
            }
            Some(Part::Frame(frame, word)) if word < Stamp::WORDS => {
                let before = std::mem::replace(&mut self.stamps[frame][word], value);
                if before == value {
                    Change::Nothing
                } else {
                    Change::Frame
                }
            }
            Some(Part::Frame(..)) | None => Change::Nothing,
        }
    }

    /// Returns the stamps of the ledger of an epoch.
    pub(super) fn stamps(&self, epoch: u64) -> Content<'_> {
        Content {
            epoch,
            stamps: &self.stamps,
        }
    }

    /// Checks that the trace has led to what is in the file: none was missed.
    pub(super) fn check(&self, file: &File) -> Result<()> {
        let there = Self::read(file, self.layout, 1)?;
        let words = |ledger: &[AtomicU64]| -> Vec<u64> {
            ledger
                .iter()
                .map(|word| word.load(Ordering::Relaxed))
                .collect()
        };
        ensure!(
            self.medium.visible() == there.medium.visible()
                && words(&self.ledger) == words(&there.ledger)
                && self.stamps == there.stamps,
            "the trace does not lead to what is in the file: stores are missing"
        );
        Ok(())
    }

    /// Writes this moment into a file, with one of the images of the tables.
    pub(super) fn write(&self, file: &File, image: &[u64]) -> Result<()> {
        let mut image = image.iter();
        for range in self.layout.tables() {
            for (at, word) in range.step_by(WORD_BYTES).zip(&mut image) {
                file.write_all_at(&word.to_le_bytes(), at)?;
            }
        }
        for (at, word) in self.layout.ledger().step_by(WORD_BYTES).zip(&self.ledger) {
            file.write_all_at(&word.load(Ordering::Relaxed).to_le_bytes(), at)?;
        }
        for (frame, stamp) in self.stamps.iter().enumerate() {
            file.write_all_at(
                &stamp.map(u64::to_le_bytes).concat(),
                self.layout.frame(frame),
            )?;
        }
        Ok(())
    }
}

/// What frames hold.
pub(super) struct Content<'w> {
    epoch: u64,
    stamps: &'w [[u64; Stamp::WORDS]],
}

impl Stamps for Content<'_> {
    fn check(&self, block: FrameId, order: Order, generation: u64) -> bool {
        stamped(block, order).all(|frame| {
            let expected = Stamp::new(self.epoch, frame, generation).words();
            self.stamps.get(frame.0) == Some(&expected)
        })
    }
}

fn words(file: &File, start: u64, end: u64) -> Result<Vec<u64>> {
    let mut bytes = vec![0; usize::try_from(end - start)?];
    file.read_exact_at(&mut bytes, start)?;
    let words = bytes.as_chunks().0.iter();
    Ok(words.map(|&word| u64::from_le_bytes(word)).collect())
}
