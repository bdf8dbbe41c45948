//! What can go wrong, with the facts.

use core::fmt;

use frame::{FrameId, Order};

/// Why a zone could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZoneError {
    /// A zone without frames.
    NoFrames,
    /// A zone without processors.
    NoProcessors,
    /// The lower tables do not start at a cache line.
    LowerMisaligned {
        /// Address of the first byte.
        address: usize,
    },
    /// The lower tables do not fit.
    LowerTooShort {
        /// Bytes that the tables need.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
    /// The upper structures do not start at a cache line.
    UpperMisaligned {
        /// Address of the first byte.
        address: usize,
    },
    /// The upper structures do not fit.
    UpperTooShort {
        /// Bytes that the structures need.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoFrames => write!(f, "a zone needs at least one frame"),
            Self::NoProcessors => write!(f, "a zone needs at least one processor"),
            Self::LowerMisaligned { address } => {
                write!(
                    f,
                    "lower tables at {address:#x} do not start at a multiple of 64 bytes"
                )
            }
            Self::LowerTooShort { needed, given } => {
                write!(f, "lower tables need {needed} bytes, {given} were given")
            }
            Self::UpperMisaligned { address } => write!(
                f,
                "upper structures at {address:#x} do not start at a multiple of 64 bytes"
            ),
            Self::UpperTooShort { needed, given } => {
                write!(
                    f,
                    "upper structures need {needed} bytes, {given} were given"
                )
            }
        }
    }
}

/// Why a processor got no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalError {
    /// The zone was made for fewer processors.
    OutOfRange {
        /// Number that was asked for.
        cpu: usize,
        /// Processors of the zone.
        cpus: usize,
    },
    /// The processor's handle is in use.
    Busy {
        /// Number that was asked for.
        cpu: usize,
    },
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { cpu, cpus } => {
                write!(f, "processor {cpu} of a zone for {cpus} processors")
            }
            Self::Busy { cpu } => write!(f, "the handle of processor {cpu} is in use"),
        }
    }
}

/// Why a block could not be allocated. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetError {
    /// No tree had such a block when it was looked at.
    OutOfMemory {
        /// Order that was asked for.
        order: Order,
    },
    /// No tree had such a block, but other processors hold free frames that may
    /// have been part of one. They have been asked to give them back.
    HeldElsewhere {
        /// Order that was asked for.
        order: Order,
        /// Frames that they hold.
        frames: usize,
    },
    /// The zone does not serve this order.
    BadOrder {
        /// Order that was asked for.
        order: Order,
        /// Largest order that it serves, but for giant frames.
        max: Order,
        /// The order of giant frames.
        giant: Order,
    },
    /// Giant frames of this zone would not be what the hardware takes for one.
    Unaligned {
        /// Order that was asked for.
        order: Order,
        /// The largest order of which the zone starts at a multiple.
        alignment: Order,
    },
    /// A block of this order does not start at this frame.
    Misaligned {
        /// Frame that was asked for.
        frame: FrameId,
        /// Order that was asked for.
        order: Order,
    },
    /// The block is not entirely inside the zone.
    OutOfRange {
        /// Frame that was asked for.
        frame: FrameId,
        /// Order that was asked for.
        order: Order,
        /// Frames in the zone.
        frames: usize,
    },
    /// A part of the block that was asked for is offline.
    Offline {
        /// A frame that is.
        frame: FrameId,
    },
    /// The block that was asked for is not entirely free.
    NotFree {
        /// Frame that was asked for.
        frame: FrameId,
        /// Order that was asked for.
        order: Order,
    },
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfMemory { order } => write!(f, "no free block of order {order}"),
            Self::HeldElsewhere { order, frames } => write!(
                f,
                "no free block of order {order}, but other processors hold {frames} free frames"
            ),
            Self::BadOrder { order, max, giant } => bad_order(f, order, max, giant),
            Self::Unaligned { order, alignment } => write!(
                f,
                "no block of order {order} in a zone that is aligned to order {alignment}"
            ),
            Self::Misaligned { frame, order } => {
                write!(f, "frame {frame} does not start a block of order {order}")
            }
            Self::OutOfRange {
                frame,
                order,
                frames,
            } => {
                write!(
                    f,
                    "block of order {order} at frame {frame} in a zone of {frames} frames"
                )
            }
            Self::Offline { frame } => write!(f, "frame {frame} is offline"),
            Self::NotFree { frame, order } => {
                write!(
                    f,
                    "block of order {order} at frame {frame} is not entirely free"
                )
            }
        }
    }
}

/// Why a block could not be freed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError {
    /// The zone does not serve this order.
    BadOrder {
        /// Order that was given.
        order: Order,
        /// Largest order that it serves, but for giant frames.
        max: Order,
        /// The order of giant frames.
        giant: Order,
    },
    /// A block of this order does not start at this frame.
    Misaligned {
        /// Frame that was given.
        frame: FrameId,
        /// Order that was given.
        order: Order,
    },
    /// The block is not entirely inside the zone.
    OutOfRange {
        /// Frame that was given.
        frame: FrameId,
        /// Order that was given.
        order: Order,
        /// Frames in the zone.
        frames: usize,
    },
    /// Part of the block is free already: freed twice, or never allocated.
    NotAllocated {
        /// A frame that is free.
        frame: FrameId,
    },
    /// A huge frame of the block is allocated in parts, not as a whole.
    NotWhole {
        /// First frame of that huge frame.
        frame: FrameId,
    },
    /// A part of the block is offline: not the caller's, whoever it was before.
    Offline {
        /// A frame that is.
        frame: FrameId,
    },
    /// The giant frame is allocated in parts, not as one.
    NotGiant {
        /// First frame of that giant frame.
        frame: FrameId,
    },
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadOrder { order, max, giant } => bad_order(f, order, max, giant),
            Self::Misaligned { frame, order } => {
                write!(f, "frame {frame} does not start a block of order {order}")
            }
            Self::OutOfRange {
                frame,
                order,
                frames,
            } => {
                write!(
                    f,
                    "block of order {order} at frame {frame} in a zone of {frames} frames"
                )
            }
            Self::NotAllocated { frame } => write!(f, "frame {frame} is free already"),
            Self::NotWhole { frame } => {
                write!(
                    f,
                    "the huge frame at frame {frame} is not allocated as a whole"
                )
            }
            Self::Offline { frame } => write!(f, "frame {frame} is offline"),
            Self::NotGiant { frame } => {
                write!(
                    f,
                    "the giant frame at frame {frame} is not allocated as one"
                )
            }
        }
    }
}

fn bad_order(f: &mut fmt::Formatter<'_>, order: Order, max: Order, giant: Order) -> fmt::Result {
    write!(
        f,
        "order {order}: up to {max} is served, and {giant}, a giant frame"
    )
}

/// Why blocks could not be reserved. Nothing is reserved then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReserveError {
    /// Blocks of this order are larger than a row, of 64 frames: they are made
    /// durable one by one.
    TooLarge {
        /// Order that was asked for.
        order: Order,
    },
    /// A processor has no room to write down more rows.
    TooMany {
        /// Blocks that there was room for.
        done: usize,
    },
    /// A block could not be taken.
    Refused(GetError),
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { order } => write!(f, "blocks of order {order} are larger than a row"),
            Self::TooMany { done } => write!(f, "there is room for {done} blocks"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReserveError {}
impl core::error::Error for ZoneError {}
impl core::error::Error for LocalError {}
impl core::error::Error for GetError {}
impl core::error::Error for PutError {}
