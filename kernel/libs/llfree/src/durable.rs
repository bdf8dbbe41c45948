//! Values that must not be relied upon before something is durable.
//!
//! Who returns a block in a mode that lets frees wait may have to do something once
//! the block can't come back: reuse the record that named it, say. Doing it too
//! early is a mistake that shows after a power failure only. So the value that is
//! needed for it is locked away, and the proof of a sync is the key: it borrows the
//! handle, so everything that the handle has returned was returned before.

use core::fmt;
use core::marker::PhantomData;

/// Proof that everything that a handle has done is durable.
#[derive(Debug)]
pub struct Synced<'l> {
    handle: usize,
    /// The handle does nothing else as long as this exists.
    rests: PhantomData<&'l mut ()>,
}

impl Synced<'_> {
    pub(crate) const fn new(handle: usize) -> Self {
        let rests = PhantomData;
        Self { handle, rests }
    }
}

/// A value that can be had once what it stands for is durable.
///
/// ```
/// use frame::Order;
/// use llfree::{Layout, Memory, Zone};
/// use persist::Volatile;
///
/// #[repr(align(64))]
/// struct Tables([u8; 4096]);
/// let (mut lower, mut upper) = (Tables([0; 4096]), Tables([0; 4096]));
/// let memory = Memory { lower: &mut lower.0, upper: &mut upper.0 };
/// let zone: Zone<'_, Volatile> = Zone::create(512, 1, memory, Volatile).unwrap();
/// let mut local = zone.local(0).unwrap();
///
/// let frame = local.get(Order::FRAME).unwrap();
/// let returned = local.put_unsynced(frame, Order::FRAME).unwrap();
/// // Here a power failure may leave the frame allocated.
/// let forgotten = returned.persisted(&local.sync()).unwrap();
/// assert_eq!(forgotten, frame);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use = "what it stands for is not durable yet"]
pub struct Unpersisted<T> {
    value: T,
    handle: usize,
}

impl<T> Unpersisted<T> {
    pub(crate) const fn new(value: T, handle: usize) -> Self {
        Self { value, handle }
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// Returns this again if it was another handle that was synced.
    pub fn persisted(self, synced: &Synced<'_>) -> Result<T, Self> {
        if synced.handle == self.handle {
            Ok(self.value)
        } else {
            Err(self)
        }
    }
}

impl<T> fmt::Debug for Unpersisted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpersisted").finish_non_exhaustive()
    }
}
