//! Bytes of physical memory.

use core::fmt;

use crate::FRAME_SIZE;

/// A physical address, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    /// Returns the address `bytes` further up, or `None` past the address space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Returns the next multiple of `align` at or above, or `None` past the
    /// address space. `align` is a power of two.
    pub const fn align_up(self, align: u64) -> Option<Self> {
        match self.0.checked_add(align - 1) {
            Some(sum) => Some(Self(sum & !(align - 1))),
            None => None,
        }
    }

    /// Returns the last multiple of `align` at or below. `align` is a power of
    /// two.
    pub const fn align_down(self, align: u64) -> Self {
        Self(self.0 & !(align - 1))
    }

    /// Returns whether the address is a multiple of `align`, a power of two.
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & (align - 1) == 0
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pa:{:#x}", self.0)
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A range of physical memory whose end does not exceed the address space.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PhysRange {
    start: PhysAddr,
    len_bytes: u64,
}

impl PhysRange {
    /// Returns the range of `len_bytes` bytes from `start`, or `None` if it wraps
    /// around the end of the address space.
    pub const fn new(start: PhysAddr, len_bytes: u64) -> Option<Self> {
        match start.checked_add(len_bytes) {
            Some(_) => Some(Self { start, len_bytes }),
            None => None,
        }
    }

    /// Returns the range between two addresses, empty if `end` is below `start`.
    pub const fn between(start: PhysAddr, end: PhysAddr) -> Self {
        let len_bytes = end.0.saturating_sub(start.0);
        Self { start, len_bytes }
    }

    /// Returns the first address.
    pub const fn start(self) -> PhysAddr {
        self.start
    }

    /// Returns the address after the last one.
    pub const fn end(self) -> PhysAddr {
        PhysAddr(self.start.0 + self.len_bytes)
    }

    /// Returns the number of bytes.
    pub const fn len_bytes(self) -> u64 {
        self.len_bytes
    }

    /// Returns the number of whole frames' worth of bytes.
    pub const fn frames(self) -> u64 {
        self.len_bytes / FRAME_SIZE as u64
    }

    /// Returns whether the range has no byte.
    pub const fn is_empty(self) -> bool {
        self.len_bytes == 0
    }

    /// Returns whether every byte of `other` lies in this range.
    pub const fn contains(self, other: Self) -> bool {
        self.start.0 <= other.start.0 && other.end().0 <= self.end().0
    }

    /// Returns whether the two ranges share a byte.
    pub const fn overlaps(self, other: Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// Returns the bytes that both ranges have, empty if there are none.
    pub const fn intersection(self, other: Self) -> Self {
        let start = if self.start.0 > other.start.0 {
            self.start
        } else {
            other.start
        };
        let end = if self.end().0 < other.end().0 {
            self.end()
        } else {
            other.end()
        };
        Self::between(start, end)
    }

    /// Returns the largest part that starts and ends at multiples of `align`, a
    /// power of two; it may be empty.
    pub const fn shrink_to(self, align: u64) -> Self {
        match self.start.align_up(align) {
            Some(start) => Self::between(start, self.end().align_down(align)),
            None => Self::between(self.end(), self.end()),
        }
    }
}

impl fmt::Debug for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}..{:?}", self.start, self.end())
    }
}

impl fmt::Display for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start.0, self.end().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::between(PhysAddr(start), PhysAddr(end))
    }

    #[test]
    fn a_range_that_wraps_cannot_be_made() {
        assert_eq!(PhysRange::new(PhysAddr(u64::MAX), 2), None);
        assert!(PhysRange::new(PhysAddr(u64::MAX), 0).is_some());
    }

    #[test]
    fn neighbours_do_not_overlap() {
        assert!(!range(0, 0x1000).overlaps(range(0x1000, 0x2000)));
        assert!(range(0, 0x1001).overlaps(range(0x1000, 0x2000)));
    }

    #[test]
    fn shrinking_keeps_what_is_aligned_inside() {
        assert_eq!(
            range(0x1001, 0x4fff).shrink_to(0x1000),
            range(0x2000, 0x4000)
        );
        assert!(range(0x1001, 0x1fff).shrink_to(0x1000).is_empty());
        assert!(range(u64::MAX - 1, u64::MAX).shrink_to(0x1000).is_empty());
    }
}
