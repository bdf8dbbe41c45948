//! A platform that tells a callback what is asked of it.
//!
//! Counting flushes, modelling the medium, scheduling threads and cutting the
//! power are different checkers, but all of them need the same thing: to be
//! called at each event, *before* it happens. There is no buffer here, so no
//! heap: the callback decides what to keep.

use core::sync::atomic::AtomicU64;

use crate::{Access, Domain, Mode, Persist};

/// Something that a program is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Write back the lines that hold these bytes.
    Flush {
        /// Address of the first byte.
        start: usize,
        /// Number of bytes.
        len_bytes: usize,
    },
    /// Wait until everything flushed is durable.
    Fence,
    /// Access an atomic word.
    Access {
        /// What kind of access.
        access: Access,
        /// Address of the word.
        address: usize,
    },
}

/// The platform `P`, with `sink` called before each event.
///
/// The callback may panic: to unwinding code the event then never happened,
/// which is how a power failure at this point looks under eADR.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<P, F> {
    inner: P,
    sink: F,
}

impl<P: Persist, F: Fn(Event)> Observed<P, F> {
    /// Observes `inner` with `sink`.
    pub const fn new(inner: P, sink: F) -> Self {
        Self { inner, sink }
    }
}

impl<P: Persist, F: Fn(Event)> Persist for Observed<P, F> {
    const DOMAIN: Domain = P::DOMAIN;
    const MODE: Mode = P::MODE;

    fn flush<T: ?Sized>(&self, value: &T) {
        (self.sink)(Event::Flush {
            start: core::ptr::from_ref(value).addr(),
            len_bytes: size_of_val(value),
        });
        self.inner.flush(value);
    }

    fn fence(&self) {
        (self.sink)(Event::Fence);
        self.inner.fence();
    }

    /// Is no event: whoever models a medium takes what was flushed before an update
    /// of the same thread to be durable when the update is.
    fn order(&self) {
        self.inner.order();
    }

    fn before(&self, access: Access, word: &AtomicU64) {
        (self.sink)(Event::Access {
            access,
            address: word.as_ptr().addr(),
        });
        self.inner.before(access, word);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::cell::RefCell;
    use std::vec::Vec;

    use super::*;
    use crate::Eadr;

    #[test]
    fn every_event_is_reported_in_order_with_its_address() {
        let events = RefCell::new(Vec::new());
        let observed = Observed::new(Eadr, |event| events.borrow_mut().push(event));
        let word = AtomicU64::new(0);
        let address = word.as_ptr().addr();

        observed.before(Access::Update, &word);
        observed.flush(&word);
        observed.fence();

        let access = Access::Update;
        assert_eq!(
            *events.borrow(),
            [
                Event::Access { access, address },
                Event::Flush {
                    start: address,
                    len_bytes: 8
                },
                Event::Fence,
            ]
        );
    }

    #[test]
    fn a_slice_is_flushed_with_its_whole_length() {
        let len = core::cell::Cell::new(0);
        let observed = Observed::new(Eadr, |event| {
            if let Event::Flush { len_bytes, .. } = event {
                len.set(len_bytes);
            }
        });
        observed.flush(&[0_u64; 24][..]);
        assert_eq!(len.get(), 192);
    }
}
