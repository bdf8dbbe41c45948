//! Words of tables under test, kept past the call that named them.
//!
//! A store that waits in a buffer is written later, when the call that made it has
//! long returned. So the buffer keeps the word's address, and who empties it has
//! to know that the tables are still there.
#![expect(unsafe_code, reason = "writes to words after the borrow has ended")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// The address of a word of tables under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(NonNull<AtomicU64>);

impl Word {
    /// Keeps the address of a word.
    pub(crate) fn of(word: &AtomicU64) -> Self {
        Self(NonNull::from(word))
    }

    /// Reads the word.
    ///
    /// # Safety
    ///
    /// The word still exists.
    pub(crate) unsafe fn load(self) -> u64 {
        // SAFETY: the pointer came from a reference, and the word still exists:
        // the caller's obligation. Atomic, so a shared reference may be made.
        let word = unsafe { self.0.as_ref() };
        word.load(Ordering::Acquire)
    }

    /// Overwrites the word.
    ///
    /// # Safety
    ///
    /// The word still exists.
    pub(crate) unsafe fn store(self, value: u64) {
        // SAFETY: as in `load`.
        let word = unsafe { self.0.as_ref() };
        word.store(value, Ordering::Release);
    }
}
