//! When a store of the ledger is as durable as it gets.

use core::sync::atomic::{AtomicU64, Ordering, compiler_fence};

/// The memory that a ledger lives in.
pub trait Medium {
    /// Makes the stores to `words`, and all before them, reach the medium
    /// before any store that follows.
    fn settle(&self, words: &[AtomicU64]);
}

/// Memory whose caches survive: stores are durable in the order in which other
/// processors see them, and x86 shows them in program order.
///
/// So only the compiler has to be kept from reordering; no instruction is
/// needed, and none is issued that could hide a missing one in the allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ordered;

impl Medium for Ordered {
    fn settle(&self, _words: &[AtomicU64]) {
        compiler_fence(Ordering::SeqCst);
    }
}

impl<M: Medium + ?Sized> Medium for &M {
    fn settle(&self, words: &[AtomicU64]) {
        (**self).settle(words);
    }
}
