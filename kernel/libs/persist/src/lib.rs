//! What it takes to make a store durable, as a trait.
//!
//! Whether a store survives a power failure depends on the machine: with caches
//! that the platform flushes (eADR) it does as soon as it is visible, with a
//! flushed memory controller only (ADR) once its cache line has been written
//! back and fenced, and in ordinary memory never. A data structure that is to
//! live on all three says *what must be durable before what*, through
//! [`Persist`], and the machine decides what that costs: nothing for
//! [`Volatile`] and [`Eadr`], one instruction a line and a fence for [`Adr`].
//!
//! The same trait is the place where checkers look in: [`Observed`] reports
//! every flush, fence and atomic access to a callback, which may count them,
//! keep a model of the medium, hand over to another thread, or end the world. A
//! checker with store buffers of its own is a platform that replaces
//! [`Persist::load`] and [`Persist::store`].
//!
//! The only unsafe code is in `x86`: the instructions themselves.
#![no_std]
#![deny(unsafe_code)]

mod domain;
mod mode;
mod observed;
#[cfg(target_arch = "x86_64")]
mod x86;

use core::sync::atomic::{AtomicU64, Ordering};

pub use domain::{Domain, Eadr, ModelledAdr, Volatile};
pub use mode::{Batched, LazyFree, Mode};
pub use observed::{Event, Observed};
#[cfg(target_arch = "x86_64")]
pub use x86::{Adr, Clflush, Clflushopt, Clwb, FlushInstruction, NoWriteBack, WriteBack};

/// Bytes in a cache line, the unit that reaches the medium.
pub const LINE_BYTES: usize = 64;

/// How a platform makes stores durable.
///
/// A store is durable on every platform once [`flush`](Self::flush) has been
/// called on it and then [`fence`](Self::fence), in the same thread. It *may*
/// become durable at any time before that, in any order: whoever needs an order
/// fences in between.
pub trait Persist {
    /// What the platform saves when power fails.
    ///
    /// A constant, so that steps which only a weaker domain needs vanish from
    /// the others' code.
    const DOMAIN: Domain;

    /// What has to be durable when an operation returns.
    ///
    /// A constant for the same reason.
    const MODE: Mode = Mode::Strict;

    /// Starts to write back every cache line that holds a byte of `value`.
    fn flush<T: ?Sized>(&self, value: &T);

    /// Returns once everything flushed before is durable.
    fn fence(&self);

    /// Lets no later [update](Access::Update) of this thread take effect before
    /// everything flushed before is durable.
    ///
    /// That is less than a fence, which also holds back what the thread tells others
    /// by plain stores. Most write-back instructions are ordered before a locked
    /// instruction anyway, and nothing is left to do.
    #[inline(always)]
    fn order(&self) {
        self.fence();
    }

    /// Is called before each atomic access to memory that can be shared.
    ///
    /// Real platforms do nothing here, and the call vanishes. A checker may
    /// switch threads or stop the program: the access has not happened yet.
    #[inline(always)]
    fn before(&self, access: Access, word: &AtomicU64) {
        let _ = (access, word);
    }

    /// Reads a word that can be shared; acquires what its last store released.
    ///
    /// A checker that keeps stores back looks for the thread's own ones here.
    #[inline(always)]
    fn load(&self, word: &AtomicU64) -> u64 {
        self.before(Access::Load, word);
        word.load(Ordering::Acquire)
    }

    /// Overwrites a word that can be shared, and releases what came before.
    ///
    /// A checker may keep the store back until the thread's next locked
    /// instruction or fence, as processors do.
    #[inline(always)]
    fn store(&self, word: &AtomicU64, value: u64) {
        self.before(Access::Store, word);
        word.store(value, Ordering::Release);
    }
}

/// A kind of atomic access, as [`Persist::before`] announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads the word.
    Load,
    /// Overwrites the word.
    Store,
    /// Reads and writes the word in one step; a failed compare-exchange too.
    Update,
}

impl<P: Persist> Persist for &P {
    const DOMAIN: Domain = P::DOMAIN;
    const MODE: Mode = P::MODE;

    #[inline(always)]
    fn flush<T: ?Sized>(&self, value: &T) {
        (**self).flush(value);
    }

    #[inline(always)]
    fn fence(&self) {
        (**self).fence();
    }

    #[inline(always)]
    fn order(&self) {
        (**self).order();
    }

    #[inline(always)]
    fn before(&self, access: Access, word: &AtomicU64) {
        (**self).before(access, word);
    }

    #[inline(always)]
    fn load(&self, word: &AtomicU64) -> u64 {
        (**self).load(word)
    }

    #[inline(always)]
    fn store(&self, word: &AtomicU64, value: u64) {
        (**self).store(word, value);
    }
}
