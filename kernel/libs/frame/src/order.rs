//! Frames and the sizes of blocks of them.

use core::fmt;

use crate::FRAME_SIZE;

/// The size of a block as a power of two: a block of order `n` has `1 << n`
/// frames and starts at a multiple of its size.
///
/// Which orders an allocator serves is its own affair; this type only promises
/// that the size in bytes fits in a `usize`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Order(u8);

impl Order {
    /// One frame (4 KiB).
    pub const FRAME: Self = Self(0);
    /// One huge frame (2 MiB).
    pub const HUGE: Self = Self(9);
    /// One giant frame (1 GiB).
    pub const GIANT: Self = Self(18);

    /// Returns the order with this exponent, or `None` above [`Order::GIANT`].
    pub const fn new(exponent: u8) -> Option<Self> {
        if exponent <= Self::GIANT.0 {
            Some(Self(exponent))
        } else {
            None
        }
    }

    /// Returns the largest order of which this frame number is a multiple.
    pub const fn of_alignment(frame: u64) -> Self {
        let zeros = frame.trailing_zeros();
        if zeros < Self::GIANT.0 as u32 {
            #[expect(clippy::cast_possible_truncation, reason = "less than 18")]
            Self(zeros as u8)
        } else {
            Self::GIANT
        }
    }

    /// Returns the power of two.
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// Returns the number of frames in a block.
    pub const fn frames(self) -> usize {
        1 << self.0
    }

    /// Returns the number of bytes in a block.
    pub const fn bytes(self) -> usize {
        FRAME_SIZE << self.0
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order:{}", self.0)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a frame within its zone, counted from the zone's first frame.
///
/// Independent of where the zone is mapped or where the firmware put it, so it
/// may be stored on a medium.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct FrameId(pub usize);

impl FrameId {
    /// Returns whether a block of this order may start here.
    pub const fn is_aligned(self, order: Order) -> bool {
        self.0.is_multiple_of(order.frames())
    }

    /// Returns the distance from the start of the zone in bytes.
    pub const fn offset_bytes(self) -> usize {
        self.0 * FRAME_SIZE
    }
}

impl fmt::Debug for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame:{:#x}", self.0)
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_above_a_giant_frame_do_not_exist() {
        assert_eq!(Order::new(18), Some(Order::GIANT));
        assert_eq!(Order::new(19), None);
    }

    #[test]
    fn an_alignment_is_the_largest_order_that_divides() {
        let orders = [0, 1, 512, 3 << 18, 1 << 40, 1 << 17].map(Order::of_alignment);
        let expected = [18, 0, 9, 18, 18, 17].map(|exponent| Order::new(exponent).unwrap());
        assert_eq!(orders, expected);
    }

    #[test]
    fn a_block_starts_at_a_multiple_of_its_size() {
        assert!(FrameId(1024).is_aligned(Order::HUGE));
        assert!(!FrameId(1024 + 256).is_aligned(Order::HUGE));
    }
}
