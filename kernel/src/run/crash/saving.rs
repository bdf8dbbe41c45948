//! How the ledger's own stores are made to outlive a crash.
//!
//! Where caches survive, or where only the allocator's tables are under a cache
//! that is lost, stores in program order are enough, and no instruction is issued
//! that could hide a missing one in the allocator. Where DRAM stands in for
//! persistent memory, the processors' real caches may be lost by a reset: there
//! every entry and every stamp is written back.

use core::sync::atomic::AtomicU64;

use frame::{FRAME_SIZE, FrameId, Order};
use persist::{Adr, Persist, WriteBack};
use workload::{
    ledger::{Ledger, Medium, Ordered},
    stamp::{FrameStamps, Stamp, Stamper, Stamps, stamped},
};

use crate::zones::Store;

const FRAME_WORDS: usize = FRAME_SIZE / size_of::<u64>();

/// What it takes to save an entry.
#[derive(Clone, Copy)]
pub(crate) enum Saving {
    /// Program order.
    Ordered,
    /// A write-back.
    Flushed(Adr),
}

impl Saving {
    /// Returns what it takes in this memory.
    pub(super) fn of(store: &Store) -> Self {
        match WriteBack::detect() {
            Some(instruction) if store.persistent.emulated && store.cut.is_none() => {
                Self::Flushed(Adr::new(instruction))
            }
            _ => Self::Ordered,
        }
    }
}

impl Medium for Saving {
    fn settle(&self, words: &[AtomicU64]) {
        match self {
            Self::Ordered => Ordered.settle(words),
            Self::Flushed(adr) => {
                // PERSIST: the entry, before whatever it announces is done and
                // whatever relies on it is written.
                adr.flush(words);
                adr.fence();
            }
        }
    }
}

/// Returns the ledger of a zone, if there is one that can be read.
pub(crate) fn ledger_of(store: &Store) -> Option<Ledger<'static, Saving>> {
    Ledger::open(store.annex, Saving::of(store)).ok()
}

/// Stamps that are saved like the ledger.
pub(super) struct SavedStamps {
    stamps: FrameStamps<'static>,
    content: &'static [AtomicU64],
    saving: Saving,
}

impl SavedStamps {
    /// Stamps the frames of a zone for the ledger of this epoch.
    pub(super) fn new(epoch: u64, store: &Store) -> Self {
        Self {
            stamps: FrameStamps::new(epoch, store.content),
            content: store.content,
            saving: Saving::of(store),
        }
    }
}

impl Stamps for SavedStamps {
    fn check(&self, block: FrameId, order: Order, generation: u64) -> bool {
        self.stamps.check(block, order, generation)
    }
}

impl Stamper for SavedStamps {
    fn stamp(&self, block: FrameId, order: Order, generation: u64) {
        self.stamps.stamp(block, order, generation);
        for FrameId(frame) in stamped(block, order) {
            let start = frame * FRAME_WORDS;
            if let Some(words) = self.content.get(start..start + Stamp::WORDS) {
                // PERSIST: the stamp, before the entry that says it is there.
                self.saving.settle(words);
            }
        }
    }
}
