//! Addresses that the loader left unused, handed out once.

use frame::{GIANT_SIZE, HUGE_SIZE, PhysAddr};
use x86_64::VirtAddr;

use super::MapError;

/// A stretch of unused addresses.
#[derive(Debug)]
pub(crate) struct Window {
    next: VirtAddr,
    end: VirtAddr,
}

impl Window {
    /// Returns the window of `len_bytes` from `start`.
    pub(crate) fn new(start: VirtAddr, len_bytes: u64) -> Self {
        Self {
            next: start,
            end: start + len_bytes,
        }
    }

    /// Takes `len_bytes` addresses that have the same place within a giant page
    /// as `target`, so that the largest pages fit; the addresses before and after
    /// stay unused.
    ///
    /// # Errors
    ///
    /// Returns [`MapError::OutOfAddresses`] if the window is used up.
    pub(crate) fn take(&mut self, target: PhysAddr, len_bytes: u64) -> Result<VirtAddr, MapError> {
        // Small ranges need no giant alignment, only room for a guard.
        let align = if len_bytes < HUGE_SIZE as u64 {
            HUGE_SIZE as u64
        } else {
            GIANT_SIZE as u64
        };
        let fail = MapError::OutOfAddresses { len_bytes };
        let first = self.next.as_u64() / align * align + target.0 % align;
        let start = if first < self.next.as_u64() {
            first + align
        } else {
            first
        };
        let after = start
            .checked_add(len_bytes)
            .and_then(|end| end.checked_add(HUGE_SIZE as u64))
            .filter(|after| *after <= self.end.as_u64())
            .ok_or(fail)?;
        self.next = VirtAddr::try_new(after).map_err(|_| fail)?;
        VirtAddr::try_new(start).map_err(|_| fail)
    }
}
