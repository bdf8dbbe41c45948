//! Shared words, and how caller-owned bytes become them.
//!
//! Every table of the allocator is an array of [`Cell`]s. A cell is only ever
//! accessed as a whole: Rust's memory model knows no atomic accesses of two
//! sizes to one place. And each access goes through the platform first, so that
//! a checker which schedules threads or cuts the power misses none.
//!
//! There is no ordering to choose: loads acquire, stores release, updates do
//! both. The partner is always another access to the same cell: who takes a
//! frame acquires what the one who returned it released. On x86-64 the weaker
//! orderings are the same instructions.
#![expect(unsafe_code, reason = "casts bytes that it borrows exclusively")]

use core::sync::atomic::{AtomicU64, Ordering};

use persist::{Access, Persist};

/// Bytes in a cell.
pub(crate) const CELL_BYTES: usize = size_of::<Cell>();

/// Bits in a cell.
const BITS: usize = u64::BITS as usize;

/// A word that several processors may access.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    /// Returns a word of its own, in nobody's table.
    pub(crate) const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Reads the word.
    #[inline(always)]
    pub(crate) fn load(&self, persist: &impl Persist) -> u64 {
        persist.load(&self.0)
    }

    /// Overwrites the word.
    #[inline(always)]
    pub(crate) fn store(&self, persist: &impl Persist, value: u64) {
        persist.store(&self.0, value);
    }

    /// Adds to the word, wrapping around, and returns what it was.
    #[inline(always)]
    pub(crate) fn fetch_add(&self, persist: &impl Persist, value: u64) -> u64 {
        persist.before(Access::Update, &self.0);
        self.0.fetch_add(value, Ordering::AcqRel)
    }

    /// Clears these bits of the word and returns what it was.
    #[inline(always)]
    pub(crate) fn clear(&self, persist: &impl Persist, bits: u64) -> u64 {
        persist.before(Access::Update, &self.0);
        self.0.fetch_and(!bits, Ordering::AcqRel)
    }

    /// Clears one bit of the word and returns whether it was set.
    ///
    /// This is one instruction, and does not read the word first: where another
    /// processor has changed it last, its line comes over once instead of twice.
    #[inline(always)]
    pub(crate) fn clear_bit(&self, persist: &impl Persist, bit: usize) -> bool {
        persist.before(Access::Update, &self.0);
        let bit = 1 << (bit % BITS);
        self.0.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// Sets these bits of the word and returns what it was.
    #[inline(always)]
    pub(crate) fn set(&self, persist: &impl Persist, bits: u64) -> u64 {
        persist.before(Access::Update, &self.0);
        self.0.fetch_or(bits, Ordering::AcqRel)
    }

    /// Replaces `old` by `new`; what the word is instead is the error.
    #[inline(always)]
    pub(crate) fn replace(&self, persist: &impl Persist, old: u64, new: u64) -> Result<(), u64> {
        persist.before(Access::Update, &self.0);
        self.0
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// Replaces the word by what `step` makes of it and returns what it was, or
    /// leaves it and returns it as the error once `step` refuses.
    ///
    /// Repeats only if another processor's update came in between.
    #[inline(always)]
    pub(crate) fn update(
        &self,
        persist: &impl Persist,
        step: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let seen = self.load(persist);
        self.update_from(persist, seen, step)
    }

    /// The same for one who has read the word already. A load waits for the locked
    /// operation before it, so operations of several steps load everything first.
    #[inline(always)]
    pub(crate) fn update_from(
        &self,
        persist: &impl Persist,
        seen: u64,
        step: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let mut old = seen;
        while let Some(new) = step(old) {
            match self.replace(persist, old, new) {
                Ok(()) => return Ok(old),
                Err(found) => old = found,
            }
        }
        Err(old)
    }
}

/// Returns the whole words in `bytes`, or `None` unless it starts at a multiple
/// of `align`, which is one of [`CELL_BYTES`].
pub(crate) fn cells(bytes: &mut [u8], align: usize) -> Option<&[Cell]> {
    const { assert!(align_of::<Cell>() == CELL_BYTES) };
    let start = bytes.as_mut_ptr();
    if !start.addr().is_multiple_of(align) || !align.is_multiple_of(CELL_BYTES) {
        return None;
    }
    // SAFETY:
    // - Aligned: tested above, with the assertion.
    // - In bounds: the length is rounded down to whole words.
    // - Valid values: every bit pattern is one, and `bytes` is initialised.
    // - Shared and mutable: the exclusive borrow is given up for the lifetime of
    //   the result, and all who access it do so atomically, as whole words.
    Some(unsafe { core::slice::from_raw_parts(start.cast::<Cell>(), bytes.len() / CELL_BYTES) })
}

#[cfg(test)]
mod tests {
    use persist::Volatile;

    use super::*;

    #[test]
    fn a_step_that_refuses_leaves_the_word_alone() {
        let cell = Cell(AtomicU64::new(7));
        assert_eq!(cell.update(&Volatile, |_| None), Err(7));
        assert_eq!(cell.update(&Volatile, |old| Some(old + 1)), Ok(7));
        assert_eq!(cell.load(&Volatile), 8);
    }

    #[test]
    fn bytes_that_start_between_two_lines_are_refused() {
        #[repr(align(64))]
        struct Aligned([u8; 128]);
        let mut memory = Aligned([0; 128]);
        assert_eq!(cells(&mut memory.0, 64).map(<[Cell]>::len), Some(16));
        assert_eq!(cells(&mut memory.0[8..], 8).map(<[Cell]>::len), Some(15));
        assert!(cells(&mut memory.0[8..], 64).is_none());
        assert!(cells(&mut memory.0[4..], 8).is_none());
    }
}
