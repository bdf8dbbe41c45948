//! Why a range isn't used.

use core::fmt;

use firmware::{Node, Refusal};
use frame::{FRAME_SIZE, PhysRange};

use crate::MAX_ZONES;

/// A persistent range that is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The range.
    pub range: PhysRange,
    /// Why it is left alone.
    pub reason: RefusedReason,
}

/// Why a persistent range is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedReason {
    /// The firmware's description is no basis for writing to it.
    Firmware(Refusal),
    /// The tables leave no room for a huge frame.
    TooSmall {
        /// Bytes that it has.
        given: u64,
        /// Bytes that it needs.
        needed: u64,
    },
    /// It was asked to stand in for persistent memory, but isn't usable DRAM throughout.
    NotUsable,
    /// It was asked to stand in, but doesn't consist of whole frames.
    Misaligned,
    /// No DRAM has room for its upper tables.
    NoDram {
        /// Bytes that they need.
        needed: u64,
        /// The node that they belong to.
        node: Node,
    },
    /// There are more ranges than zones.
    NoZoneLeft,
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware(refusal) => refusal.fmt(f),
            Self::TooSmall { given, needed } => write!(
                f,
                "it has {given} bytes, tables and one huge frame need {needed}; give it more"
            ),
            Self::NotUsable => f.write_str(
                "the memory map doesn't say that all of it is usable DRAM above 1 MiB; choose another range for the emulation",
            ),
            Self::Misaligned => write!(
                f,
                "it isn't made of whole frames; choose multiples of {FRAME_SIZE} bytes"
            ),
            Self::NoDram { needed, node } => write!(
                f,
                "its upper tables need {needed} bytes of DRAM, near node {node} or anywhere; add memory or processors less"
            ),
            Self::NoZoneLeft => write!(f, "there is room for {MAX_ZONES} zones; merge ranges"),
        }
    }
}

impl core::error::Error for RefusedReason {}

/// DRAM that is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The range.
    pub range: PhysRange,
    /// Why it is left alone.
    pub reason: LeftOutReason,
}

/// Why DRAM is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// Firmware and the start of processors need it.
    FirstMebibyte,
    /// A zone of its own isn't worth it, or doesn't fit.
    TooSmall {
        /// Bytes that it needs.
        needed: u64,
    },
    /// There are more ranges than zones.
    NoZoneLeft,
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstMebibyte => f.write_str("the first mebibyte is left to firmware"),
            Self::TooSmall { needed } => write!(f, "a zone needs {needed} bytes"),
            Self::NoZoneLeft => write!(f, "there is room for {MAX_ZONES} zones"),
        }
    }
}
