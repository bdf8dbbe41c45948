//! What can go wrong with several zones. A zone is named by its number in the view.

use core::fmt;

use frame::{Order, PhysAddr};

use crate::error::{GetError, LocalError, PutError};

/// Why zones can't be seen as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodesError {
    /// Huge frames of a zone would not be what the hardware takes for one.
    Misaligned {
        /// Number of the zone.
        zone: usize,
        /// Where it starts.
        start: PhysAddr,
    },
    /// A zone would end beyond the address space.
    TooHigh {
        /// Number of the zone.
        zone: usize,
        /// Where it starts.
        start: PhysAddr,
        /// Frames in the zone.
        frames: usize,
    },
    /// Two zones have memory in common.
    Overlap {
        /// Numbers of the zones.
        zones: [usize; 2],
    },
}

impl fmt::Display for NodesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Misaligned { zone, start } => {
                write!(f, "zone {zone} starts at {start}, not at a huge frame")
            }
            Self::TooHigh {
                zone,
                start,
                frames,
            } => write!(
                f,
                "zone {zone}: {frames} frames from {start} exceed the address space"
            ),
            Self::Overlap {
                zones: [one, other],
            } => write!(f, "zones {one} and {other} overlap"),
        }
    }
}

impl core::error::Error for NodesError {}

/// Why a processor got no handle on several zones. It has got none on any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLocalError {
    /// Number of the first zone that refused.
    pub zone: usize,
    /// Why it did.
    pub cause: LocalError,
}

impl fmt::Display for NodeLocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone {}: {}", self.zone, self.cause)
    }
}

impl core::error::Error for NodeLocalError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Why no zone gave a block. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeGetError {
    /// The node that was asked for has no zone.
    NoZone {
        /// Number of the node.
        node: u32,
    },
    /// None of the zones has such a block, nor do other processors hold frames
    /// that may have been part of one.
    NoBlock {
        /// Zones that were asked.
        zones: usize,
        /// What the last one said.
        last: GetError,
    },
    /// None of the zones has such a block, but other processors hold free frames.
    /// They have been asked to give them back.
    HeldElsewhere {
        /// Order that was asked for.
        order: Order,
        /// Zones that were asked.
        zones: usize,
        /// Frames that others hold, in all these zones.
        frames: usize,
    },
}

impl fmt::Display for NodeGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoZone { node } => write!(f, "node {node} has no zone"),
            Self::NoBlock { zones, last } => write!(f, "{zones} zones asked, the last one: {last}"),
            Self::HeldElsewhere {
                order,
                zones,
                frames,
            } => write!(
                f,
                "no free block of order {order} in {zones} zones, \
                 but other processors hold {frames} frames"
            ),
        }
    }
}

impl core::error::Error for NodeGetError {}

/// Why a block could not be returned. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodePutError {
    /// No zone has memory at this address.
    NoZone {
        /// The address.
        address: PhysAddr,
    },
    /// No frame starts at this address.
    InsideFrame {
        /// The address.
        address: PhysAddr,
    },
    /// The zone of the address refused the block.
    Refused {
        /// Number of the zone.
        zone: usize,
        /// Why it did.
        cause: PutError,
    },
}

impl fmt::Display for NodePutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoZone { address } => write!(f, "no zone has memory at {address}"),
            Self::InsideFrame { address } => write!(f, "{address} is inside a frame"),
            Self::Refused { zone, cause } => write!(f, "zone {zone}: {cause}"),
        }
    }
}

impl core::error::Error for NodePutError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Refused { cause, .. } => Some(cause),
            Self::NoZone { .. } | Self::InsideFrame { .. } => None,
        }
    }
}
