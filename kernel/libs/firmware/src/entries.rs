//! The chain of entries that makes up an MADT or an SRAT.
//!
//! Each entry starts with its kind and its length, a byte each. A wrong length
//! makes everything behind it unreadable, so the walk ends there and says so;
//! what came before stays valid.

use core::fmt;

use crate::Bytes;

/// One entry, cut to its length.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where it starts, in bytes from the start of the table.
    pub offset: usize,
    /// What it is.
    pub kind: u8,
    /// All of it, kind and length included.
    pub bytes: Bytes<'a>,
}

impl<'a> Entry<'a> {
    /// Returns the bytes if there are at least as many as this kind needs.
    ///
    /// # Errors
    ///
    /// Returns [`EntryError::TooShort`] if there are fewer. More are fine:
    /// later revisions extend entries at their end.
    pub fn at_least(self, least: usize) -> Result<Bytes<'a>, EntryError> {
        if self.bytes.len() >= least {
            return Ok(self.bytes);
        }
        Err(EntryError::TooShort {
            offset: self.offset,
            kind: self.kind,
            len: self.bytes.len(),
            least,
        })
    }
}

/// Why the rest of a table can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// The entry is shorter than its kind needs, or than its own first two bytes.
    TooShort {
        /// Where it starts, in bytes from the start of the table.
        offset: usize,
        /// What it claims to be.
        kind: u8,
        /// Its length in bytes.
        len: usize,
        /// Least length in bytes.
        least: usize,
    },
    /// The entry ends behind the end of the table.
    Overrun {
        /// Where it starts, in bytes from the start of the table.
        offset: usize,
        /// Its length in bytes; 2 if not even kind and length fit.
        len: usize,
        /// Bytes left in the table.
        left: usize,
    },
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort {
                offset,
                kind,
                len,
                least,
            } => write!(
                f,
                "the entry of type {kind} at offset {offset} has {len} bytes, at least {least} needed"
            ),
            Self::Overrun { offset, len, left } => write!(
                f,
                "the entry at offset {offset} has {len} bytes, but the table ends after {left}"
            ),
        }
    }
}

impl core::error::Error for EntryError {}

/// The entries from an offset to the end of a table; the first error is the last item.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    offset: usize,
    rest: Bytes<'a>,
}

impl<'a> Entries<'a> {
    /// Returns the entries from `offset` on.
    pub fn new(table: Bytes<'a>, offset: usize) -> Self {
        let rest = table.skip(offset);
        Self { offset, rest }
    }

    fn split(&self) -> Result<Entry<'a>, EntryError> {
        let (offset, left) = (self.offset, self.rest.len());
        let [kind, len] = self.rest.array(0).ok_or(EntryError::Overrun {
            offset,
            len: 2,
            left,
        })?;
        let len = usize::from(len);
        if len < 2 {
            let least = 2;
            return Err(EntryError::TooShort {
                offset,
                kind,
                len,
                least,
            });
        }
        let bytes = self
            .rest
            .first(len)
            .ok_or(EntryError::Overrun { offset, len, left })?;
        Ok(Entry {
            offset,
            kind,
            bytes,
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.split();
        let len = entry.map_or(self.rest.len(), |entry| entry.bytes.len());
        self.offset += len;
        self.rest = self.rest.skip(len);
        Some(entry)
    }
}
