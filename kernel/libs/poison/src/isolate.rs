//! Taking a huge frame out of use.

use frame::{FrameId, Order};

/// Frames of a huge frame.
pub(crate) const HUGE_FRAMES: usize = Order::HUGE.frames();

/// An allocator of which a given block can be taken.
pub trait TakesAt {
    /// Takes this very block, or nothing.
    fn take_at(&mut self, frame: FrameId, order: Order) -> bool;
}

/// What became of a huge frame that is to be kept from use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// Frames that nobody will get, taken just now.
    pub kept: usize,
    /// Frames that were not free: in use, or taken before.
    pub left: usize,
}

/// Takes all free frames of the huge frame around `frame`, in a zone of so many
/// frames, and never returns them.
///
/// Frames in use stay with their owners. Calling this again after they were
/// returned takes them as well.
pub fn isolate(alloc: &mut impl TakesAt, frame: FrameId, frames: usize) -> Isolation {
    let first = frame.0 - frame.0 % HUGE_FRAMES;
    let count = HUGE_FRAMES.min(frames.saturating_sub(first));
    if count == HUGE_FRAMES && alloc.take_at(FrameId(first), Order::HUGE) {
        return Isolation {
            kept: count,
            left: 0,
        };
    }
    let singles = first..first + count;
    let kept = singles
        .filter(|frame| alloc.take_at(FrameId(*frame), Order::FRAME))
        .count();
    Isolation {
        kept,
        left: count - kept,
    }
}
