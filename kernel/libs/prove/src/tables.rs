//! Memory for the tables of a zone.

use std::ops::Range;

use llfree::{Layout, Memory};

use persist::LINE_BYTES;

use crate::lines::Lines;

/// Bytes behind the upper tables, for what a host has to know.
const HOST_BYTES: usize = LINE_BYTES;

/// Lower and upper tables.
pub(crate) struct Tables {
    lower: Lines,
    upper: Lines,
    upper_bytes: usize,
}

impl Tables {
    /// Memory for a zone of this size.
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            lower: Lines::new(layout.lower_bytes),
            upper: Lines::new(layout.upper_bytes + HOST_BYTES),
            upper_bytes: layout.upper_bytes,
        }
    }

    /// Lends the memory to a zone.
    pub(crate) fn memory(&mut self) -> Memory<'_> {
        self.with_host().0
    }

    /// The same, and memory for a host of it.
    pub(crate) fn with_host(&mut self) -> (Memory<'_>, &mut [u8]) {
        let lower = self.lower.get();
        let (upper, host) = self.upper.get().split_at_mut(self.upper_bytes);
        (Memory { lower, upper }, host)
    }

    /// Overwrites the lower tables.
    pub(crate) fn set_lower(&mut self, image: &[u64]) {
        self.lower.fill(image);
    }

    /// Returns where lower and upper tables are.
    pub(crate) fn ranges(&mut self) -> [Range<usize>; 2] {
        [self.lower.get(), self.upper.get()].map(|bytes| {
            let Range { start, end } = bytes.as_ptr_range();
            start.addr()..end.addr()
        })
    }
}
