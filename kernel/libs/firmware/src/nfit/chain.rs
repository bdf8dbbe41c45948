//! The chain of structures, and what makes the table doubtful as a whole.
//!
//! Structures refer to each other across the table. If one of them can't be
//! read, or two contradict each other, it is open which references are missing,
//! so no range of such a table may be written to.

use core::fmt;

use crate::Bytes;

use super::structure::{Capabilities, Map, Structure, least_len};
use super::{FIXED_LEN, MAX_STRUCTURES};

/// What makes a table doubtful; offsets are in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// A structure is shorter than its type needs.
    TooShort {
        /// Where it starts.
        offset: usize,
        /// Its type.
        kind: u16,
        /// Its length in bytes.
        len: usize,
        /// Least length in bytes.
        least: usize,
    },
    /// A structure ends behind the end of the table.
    Overrun {
        /// Where it starts.
        offset: usize,
        /// Its length in bytes; 4 if not even type and length fit.
        len: usize,
        /// Bytes left in the table.
        left: usize,
    },
    /// A structure's counts exceed its length.
    Overfull {
        /// Where it starts.
        offset: usize,
        /// Its type.
        kind: u16,
        /// Its length in bytes.
        len: usize,
    },
    /// There are more structures than [`MAX_STRUCTURES`].
    TooMany {
        /// Where the first that isn't read starts.
        offset: usize,
    },
    /// Two ranges have one index.
    RepeatedRange {
        /// Where the second starts.
        offset: usize,
        /// The index.
        index: u16,
    },
    /// One region of a device is mapped twice into one range.
    RepeatedMap {
        /// Where the second map starts.
        offset: usize,
        /// The device.
        handle: u32,
        /// Index of the range.
        index: u16,
    },
    /// Two sets of capabilities contradict each other.
    TwoCapabilities {
        /// Where the second starts.
        offset: usize,
    },
    /// The highest valid capability is none of the 32 there can be.
    HighestCapability {
        /// Where the structure starts.
        offset: usize,
        /// Number of the bit.
        highest: u8,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort {
                offset,
                kind,
                len,
                least,
            } => write!(
                f,
                "the structure of type {kind} at offset {offset} has {len} bytes, at least {least} needed"
            ),
            Self::Overrun { offset, len, left } => write!(
                f,
                "the structure at offset {offset} has {len} bytes, but the table ends after {left}"
            ),
            Self::Overfull { offset, kind, len } => write!(
                f,
                "the structure of type {kind} at offset {offset} has {len} bytes, less than it counts"
            ),
            Self::TooMany { offset } => write!(
                f,
                "more than {MAX_STRUCTURES} structures, the next one at offset {offset}"
            ),
            Self::RepeatedRange { offset, index } => {
                write!(f, "the range at offset {offset} repeats index {index}")
            }
            Self::RepeatedMap {
                offset,
                handle,
                index,
            } => write!(
                f,
                "the map at offset {offset} repeats memory device {handle:#x} in range {index}"
            ),
            Self::TwoCapabilities { offset } => {
                write!(
                    f,
                    "the capabilities at offset {offset} contradict earlier ones"
                )
            }
            Self::HighestCapability { offset, highest } => write!(
                f,
                "the highest capability at offset {offset} is bit {highest}, beyond 31"
            ),
        }
    }
}

impl core::error::Error for Broken {}

/// The structures of a table with their offsets; the first error is the last item.
#[derive(Clone, Debug)]
pub struct Structures<'a> {
    offset: usize,
    rest: Bytes<'a>,
    read: usize,
}

impl<'a> Structures<'a> {
    /// Starts at the first structure of a whole table.
    pub fn new(table: Bytes<'a>) -> Self {
        Self {
            offset: FIXED_LEN,
            rest: table.skip(FIXED_LEN),
            read: 0,
        }
    }

    /// Returns the next structure and its length.
    fn split(&self) -> Result<(Structure<'a>, usize), Broken> {
        let (offset, left) = (self.offset, self.rest.len());
        if self.read == MAX_STRUCTURES {
            return Err(Broken::TooMany { offset });
        }
        let header = (self.rest.u16(0), self.rest.u16(2));
        let (Some(kind), Some(len)) = header else {
            let len = 4;
            return Err(Broken::Overrun { offset, len, left });
        };
        let (len, least) = (usize::from(len), least_len(kind));
        if len < least {
            return Err(Broken::TooShort {
                offset,
                kind,
                len,
                least,
            });
        }
        let bytes = self.rest.first(len);
        let bytes = bytes.ok_or(Broken::Overrun { offset, len, left })?;
        let structure = Structure::decode(kind, bytes);
        let structure = structure.ok_or(Broken::Overfull { offset, kind, len })?;
        Ok((structure, len))
    }
}

impl<'a> Iterator for Structures<'a> {
    type Item = Result<(usize, Structure<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = self.split();
        let offset = self.offset;
        let len = split.map_or(self.rest.len(), |(_, len)| len);
        self.offset += len;
        self.rest = self.rest.skip(len);
        self.read += 1;
        Some(split.map(|(structure, _)| (offset, structure)))
    }
}

/// Returns the first thing that makes the table doubtful.
pub(super) fn find_broken(table: Bytes<'_>) -> Option<Broken> {
    let mut indices = Indices::new();
    let mut capabilities: Option<Capabilities> = None;
    let mut repeated = |offset, structure| match structure {
        Structure::Range(range) => {
            let index = range.index;
            let first = indices.insert(index) || index == 0;
            (!first).then_some(Broken::RepeatedRange { offset, index })
        }
        Structure::Map(map) => repeats(table, offset, map),
        Structure::Capabilities(found) => {
            let earlier = *capabilities.get_or_insert(found);
            contradicts(offset, earlier, found)
        }
        _ => None,
    };
    Structures::new(table).find_map(|item| match item {
        Ok((offset, structure)) => repeated(offset, structure),
        Err(broken) => Some(broken),
    })
}

/// Returns whether an earlier map is of the same region in the same range.
///
/// This is quadratic in the number of maps, which [`MAX_STRUCTURES`] bounds.
fn repeats(table: Bytes<'_>, offset: usize, map: Map) -> Option<Broken> {
    let key = |map: Map| (map.range_index, map.handle, map.region_id);
    if map.range_index == 0 {
        return None;
    }
    let (handle, index) = (map.handle, map.range_index);
    let earlier = Structures::new(table)
        .map_while(Result::ok)
        .take_while(|(at, _)| *at < offset);
    let mut maps = earlier.filter_map(|(_, structure)| match structure {
        Structure::Map(earlier) => Some(earlier),
        _ => None,
    });
    maps.any(|earlier| key(earlier) == key(map))
        .then_some(Broken::RepeatedMap {
            offset,
            handle,
            index,
        })
}

fn contradicts(offset: usize, earlier: Capabilities, found: Capabilities) -> Option<Broken> {
    let highest = found.highest;
    if highest > 31 {
        return Some(Broken::HighestCapability { offset, highest });
    }
    (earlier != found).then_some(Broken::TwoCapabilities { offset })
}

/// A set of 16-bit numbers.
struct Indices([u64; 1024]);

impl Indices {
    const fn new() -> Self {
        Self([0; 1024])
    }

    /// Adds a number; returns whether it is new.
    fn insert(&mut self, index: u16) -> bool {
        let (word, bit) = (usize::from(index / 64), 1 << (index % 64));
        let first = self.0[word] & bit == 0;
        self.0[word] |= bit;
        first
    }
}
