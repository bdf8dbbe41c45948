//! What is durable when an operation returns, where durability costs something.
//!
//! A cache line that is written back and waited for costs ten times what the
//! store itself does. How often that has to happen is not the machine's decision
//! but that of the data's owner: whether a free may be forgotten by a power
//! failure, and whether some frames may have to be asked about after one. So the
//! mode is chosen by wrapping the platform, and where nothing has to be flushed it
//! means nothing.

use core::sync::atomic::AtomicU64;

use crate::{Access, Domain, Persist};

/// How eagerly operations are made durable where that takes flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each operation, before it returns.
    #[default]
    Strict,
    /// What is taken before it is handed out; what is returned with the next sync.
    LazyFree,
    /// The same, and for many at once: what has been taken in advance when power
    /// fails, and what is being gathered, has to be asked about afterwards.
    Batched,
}

impl Mode {
    /// Returns the name by which people choose the mode.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::LazyFree => "lazy",
            Self::Batched => "batched",
        }
    }
}

/// The platform `P` in [`Mode::LazyFree`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LazyFree<P>(pub P);

/// The platform `P` in [`Mode::Batched`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batched<P>(pub P);

macro_rules! in_mode {
    ($wrapper:ident, $mode:expr) => {
        impl<P: Persist> Persist for $wrapper<P> {
            const DOMAIN: Domain = P::DOMAIN;
            const MODE: Mode = $mode;

            #[inline(always)]
            fn flush<T: ?Sized>(&self, value: &T) {
                self.0.flush(value);
            }

            #[inline(always)]
            fn fence(&self) {
                self.0.fence();
            }

            #[inline(always)]
            fn order(&self) {
                self.0.order();
            }

            #[inline(always)]
            fn before(&self, access: Access, word: &AtomicU64) {
                self.0.before(access, word);
            }

            #[inline(always)]
            fn load(&self, word: &AtomicU64) -> u64 {
                self.0.load(word)
            }

            #[inline(always)]
            fn store(&self, word: &AtomicU64, value: u64) {
                self.0.store(word, value);
            }
        }
    };
}

in_mode!(LazyFree, Mode::LazyFree);
in_mode!(Batched, Mode::Batched);

#[cfg(test)]
mod tests {
    extern crate std;

    use std::cell::Cell;

    use super::*;
    use crate::{Event, ModelledAdr, Observed, Volatile};

    const fn mode<P: Persist>(_: &P) -> (Domain, Mode) {
        (P::DOMAIN, P::MODE)
    }

    #[test]
    fn a_wrapper_changes_the_mode_and_nothing_else() {
        assert_eq!(mode(&ModelledAdr), (Domain::Adr, Mode::Strict));
        assert_eq!(mode(&Batched(Volatile)), (Domain::Volatile, Mode::Batched));
        let lazy = LazyFree(ModelledAdr);
        assert_eq!(mode(&&lazy), (Domain::Adr, Mode::LazyFree));
        let observed = Observed::new(lazy, |_: Event| {});
        assert_eq!(mode(&observed), (Domain::Adr, Mode::LazyFree));
    }

    #[test]
    fn a_wrapper_passes_every_event_on() {
        let events = Cell::new(0);
        let count = |_: Event| events.set(events.get() + 1);
        let wrapped = Batched(LazyFree(Observed::new(ModelledAdr, count)));
        let word = AtomicU64::new(0);
        wrapped.before(Access::Update, &word);
        wrapped.flush(&word);
        wrapped.order();
        wrapped.fence();
        assert_eq!(events.get(), 3, "ordering is no event");
    }
}
