//! *memory*: what the metadata of a gibibyte weigh.

use serde::Serialize;

use super::{case::frames, rival::LlfreeMemory};

/// The zone that is weighed; large enough that rounding does not matter.
const GIB: usize = 64;

/// Metadata for a gibibyte, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Weight {
    pub(super) lower: usize,
    pub(super) upper: usize,
}

impl Weight {
    /// Weighs a zone; the lines of its two processors are part of the upper part.
    pub(super) fn measure() -> Self {
        let layout = LlfreeMemory::new(frames(GIB), 2).layout();
        Self {
            lower: layout.lower_bytes.div_ceil(GIB),
            upper: layout.upper_bytes.div_ceil(GIB),
        }
    }
}
