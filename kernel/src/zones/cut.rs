//! A cache that is lost with the power.
//!
//! A reset of a virtual machine leaves every store that was visible; a missing
//! flush can't be seen that way. So the tables of a zone can be placed in DRAM, as
//! if in a write-back cache over the persistent range. A flush puts its lines on a
//! list, a fence copies the lines on its processor's list to the medium, and now and then
//! a processor evicts a line that nobody has flushed. That counts where the line was
//! dirty: half of the time any line is drawn, and most are not. A reset loses the rest:
//! the next boot fills the cache from the medium.
//!
//! Lines are copied under a lock each. Without it, a copy that was read earlier
//! could land after a later one, which no cache does. Words of a line are copied
//! one by one while others store to them, so that lines tear at eight bytes.

use alloc::{boxed::Box, vec::Vec};
use core::{
    arch::asm,
    ops::Range,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use arrayvec::ArrayVec;
use persist::{Access, Domain, LINE_BYTES, Persist};
use record::Cache as Figures;
use spin::Mutex;
use workload::ledger::MAX_CPUS;

use crate::{arch::tsc, smp};

/// Lines that a processor may flush before it fences; more are copied at once.
const PENDING: usize = 64;
/// One in so many stores evicts a line, half of them the very line stored to.
const EVICT_ONE_IN: u64 = 8;

/// Persistent memory behind caches that are lost.
#[derive(Clone, Copy)]
pub(crate) struct Cut(&'static Cache);

/// Lines in DRAM and where each belongs.
pub(crate) struct Cache {
    parts: ArrayVec<Part, 3>,
    locks: Vec<Mutex<()>>,
    pending: Vec<Mutex<ArrayVec<usize, PENDING>>>,
    dice: AtomicU64,
    flushed: AtomicU64,
    evicted: AtomicU64,
}

/// A run of lines, by address.
struct Part {
    /// Where the lines are in DRAM.
    cached: Range<usize>,
    /// Where the first one belongs.
    medium: usize,
    /// Number of the first one.
    first: usize,
}

impl Cut {
    /// Puts a cache over these bytes, which start at a line and have whole lines;
    /// returns their copies too.
    pub(crate) fn over<const PARTS: usize>(
        media: [&'static mut [u8]; PARTS],
    ) -> (Self, [&'static mut [u8]; PARTS]) {
        let mut parts = ArrayVec::new();
        let mut lines = 0;
        let copies = media.map(|medium| {
            let copy = lines_like(medium);
            let start = copy.as_mut_ptr().expose_provenance();
            parts.push(Part {
                cached: start..start + copy.len(),
                medium: medium.as_mut_ptr().expose_provenance(),
                first: lines,
            });
            lines += copy.len() / LINE_BYTES;
            copy
        });
        let cache = Cache {
            parts,
            locks: (0..lines).map(|_| Mutex::new(())).collect(),
            pending: (0..MAX_CPUS).map(|_| Mutex::new(ArrayVec::new())).collect(),
            dice: AtomicU64::new(tsc::ticks()),
            flushed: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        };
        (Self(Box::leak(Box::new(cache))), copies)
    }

    /// Returns what the cache has done, while others may use it.
    pub(crate) fn figures(self) -> Figures {
        let lines = 0..self.0.locks.len();
        let dirty = lines.filter(|&line| self.0.is_dirty(line)).count();
        Figures {
            flushed: self.0.flushed.load(Ordering::Relaxed),
            evicted: self.0.evicted.load(Ordering::Relaxed),
            dirty: dirty as u64,
        }
    }
}

/// Returns a copy in DRAM that starts at a line.
fn lines_like(medium: &[u8]) -> &'static mut [u8] {
    let room = alloc::vec![0; medium.len() + LINE_BYTES].leak();
    let skipped = room.as_ptr().align_offset(LINE_BYTES);
    let copy = &mut room[skipped..][..medium.len()];
    copy.copy_from_slice(medium);
    copy
}

impl Persist for Cut {
    const DOMAIN: Domain = Domain::Adr;

    fn flush<T: ?Sized>(&self, value: &T) {
        let start = ptr::from_ref(value).addr();
        let mut pending = self.0.pending[smp::cpu()].lock();
        for line in self.0.lines(start..start + size_of_val(value)) {
            if cfg!(mutant = "flush_does_nothing") {
                continue;
            }
            if pending.try_push(line).is_err() {
                self.0.write_back(line);
            }
        }
    }

    fn fence(&self) {
        let mut pending = self.0.pending[smp::cpu()].lock();
        for line in pending.drain(..) {
            self.0.write_back(line);
        }
    }

    fn before(&self, access: Access, word: &AtomicU64) {
        // Where nothing was stored since, there is nothing new to evict.
        if access == Access::Load {
            return;
        }
        let at = word.as_ptr().addr();
        let roll = self.0.roll();
        if !roll.is_multiple_of(EVICT_ONE_IN) {
            return;
        }
        let total = self.0.locks.len() as u64;
        let line = match roll / EVICT_ONE_IN % 2 {
            0 => self.0.lines(at..at + 1).next(),
            _ => usize::try_from((roll >> 32) % total).ok(),
        };
        if let Some(line) = line {
            self.0.evict(line);
        }
    }
}

impl Cache {
    /// Returns the numbers of the lines that hold these bytes; none for memory
    /// that is not cached here.
    fn lines(&self, bytes: Range<usize>) -> impl Iterator<Item = usize> {
        let part = self.parts.iter();
        let part = part
            .into_iter()
            .find(|part| part.cached.contains(&bytes.start));
        let lines = part.map_or(0..0, |part| {
            let last = bytes.end.min(part.cached.end).max(bytes.start + 1) - 1;
            let number = |at: usize| part.first + (at - part.cached.start) / LINE_BYTES;
            number(bytes.start)..number(last) + 1
        });
        lines.into_iter()
    }

    /// Returns where a line is in DRAM and where it belongs.
    fn place(&self, line: usize) -> Option<(usize, usize)> {
        let part = self.parts.iter().rfind(|part| part.first <= line)?;
        let offset = (line - part.first) * LINE_BYTES;
        Some((part.cached.start + offset, part.medium + offset))
    }

    /// Writes a line back because it was flushed, dirty or not.
    fn write_back(&self, line: usize) {
        let _alone = self.locks[line].lock();
        self.copy(line);
        self.flushed.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a line back on its own account, if it is dirty.
    fn evict(&self, line: usize) {
        let _alone = self.locks[line].lock();
        if self.is_dirty(line) {
            self.copy(line);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Copies a line to the medium; its lock is held.
    fn copy(&self, line: usize) {
        let Some((cached, medium)) = self.place(line) else {
            return;
        };
        for offset in (0..LINE_BYTES).step_by(size_of::<u64>()) {
            // SAFETY: both words lie in the part that the line is of.
            let word = unsafe { load(cached + offset) };
            // SAFETY: as above; nothing else writes to the medium under a cache.
            unsafe { store(medium + offset, word) };
        }
    }

    /// Returns whether a line differs from the medium: exact under its lock, as far as
    /// nobody stores to it.
    fn is_dirty(&self, line: usize) -> bool {
        let Some((cached, medium)) = self.place(line) else {
            return false;
        };
        (0..LINE_BYTES).step_by(size_of::<u64>()).any(|offset| {
            // SAFETY: the word lies in the part that the line is of.
            let here = unsafe { load(cached + offset) };
            // SAFETY: as above.
            let there = unsafe { load(medium + offset) };
            here != there
        })
    }

    /// Returns a number that nobody foresees.
    fn roll(&self) -> u64 {
        // A step of a Weyl sequence, mixed as in SplitMix64.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.dice.fetch_add(STEP, Ordering::Relaxed);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Reads a word as the cache does: whatever is there, in one piece.
///
/// # Safety
///
/// 1. The eight bytes at `address`, a multiple of 8, are mapped.
unsafe fn load(address: usize) -> u64 {
    let word;
    // SAFETY: clause 1. That others store to the word at the same time is what
    // the instruction is made for; the compiler does not see the access.
    unsafe {
        asm!("mov {word}, [{address}]", word = out(reg) word, address = in(reg) address,
             options(nostack, preserves_flags));
    }
    word
}

/// Writes a word as the cache does: in one piece.
///
/// # Safety
///
/// 1. The eight bytes at `address`, a multiple of 8, are mapped and writable.
/// 2. No reference relies on what they hold.
unsafe fn store(address: usize, word: u64) {
    // SAFETY: clauses 1 and 2.
    unsafe {
        asm!("mov [{address}], {word}", word = in(reg) word, address = in(reg) address,
             options(nostack, preserves_flags));
    }
}
