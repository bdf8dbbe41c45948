//! A superblock as words that can be written in an order.

use core::fmt;

use persist::{LINE_BYTES, Persist};

use super::SUPERBLOCK_BYTES;
use super::header::HEADER_BYTES;
use super::mount::{MOUNT_BYTES, Mount};
use super::roots::ROOTS_BYTES;
use crate::cell::{CELL_BYTES, Cell, cells};

/// Where the state word is, and how long its line is.
pub(super) const STATE_AT: usize = HEADER_BYTES;
/// Where the two mount lines are.
pub(super) const MOUNTS_AT: [usize; 2] = [STATE_AT + LINE_BYTES, STATE_AT + 2 * LINE_BYTES];
/// Where the line of root words is.
pub(super) const ROOTS_AT: usize = STATE_AT + 3 * LINE_BYTES;

/// Not formatted, or a replica that must not be believed.
pub(super) const STATE_NONE: u64 = 0;
/// The tables are being written: ours, but nothing to recover. An arbitrary
/// number, so that it can't be confused with the other one or with foreign data.
pub(super) const FORMATTING: u64 = 0x9d5b_1f63_c2e8_704a;
/// Everything that the header speaks of is durable.
pub(super) const READY: u64 = 0x3a86_e0d9_4517_fb2c;

/// Why a slice can't be a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// It is shorter than a frame.
    TooShort {
        /// Bytes that a superblock needs.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
    /// It does not start at a cache line.
    Misaligned {
        /// Address of the first byte.
        address: usize,
    },
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { needed, given } => {
                write!(f, "a superblock has {needed} bytes, {given} were given")
            }
            Self::Misaligned { address } => {
                write!(
                    f,
                    "superblock at {address:#x} does not start at a multiple of 64 bytes"
                )
            }
        }
    }
}

impl core::error::Error for PageError {}

/// A superblock that is ours to write.
#[derive(Clone, Copy)]
pub(super) struct Page<'a>(&'a [Cell]);

impl<'a> Page<'a> {
    /// Looks at these bytes as a superblock.
    pub(super) fn new(bytes: &'a mut [u8]) -> Result<Self, PageError> {
        let (address, given) = (bytes.as_ptr().addr(), bytes.len());
        let needed = SUPERBLOCK_BYTES;
        let page = bytes
            .get_mut(..needed)
            .ok_or(PageError::TooShort { needed, given })?;
        let words = cells(page, LINE_BYTES).ok_or(PageError::Misaligned { address })?;
        Ok(Self(words))
    }

    /// Sets the state, durably.
    pub(super) fn set_state(self, persist: &impl Persist, state: u64) {
        let line = self.line(STATE_AT);
        // On the medium as little endian, like everything else.
        line[0].store(persist, state.to_le());
        // PERSIST: what the state vouches for is durable already; the state is
        // before whatever relies on it.
        persist.flush(line);
        persist.fence();
    }

    /// Writes the header, durably.
    pub(super) fn write_header(self, persist: &impl Persist, bytes: &[u8; HEADER_BYTES]) {
        self.write(persist, 0, bytes);
    }

    /// Writes one of the two mount lines, durably.
    pub(super) fn write_mount(self, persist: &impl Persist, mount: &Mount) {
        let line = if mount.generation.is_multiple_of(2) {
            MOUNTS_AT[0]
        } else {
            MOUNTS_AT[1]
        };
        self.write(persist, line, &mount.encode());
    }

    /// Writes both mount lines, so that no older one is left.
    pub(super) fn reset_mounts(self, persist: &impl Persist) {
        for at in MOUNTS_AT {
            self.write(persist, at, &[0; MOUNT_BYTES]);
        }
    }

    /// Clears all root words, durably.
    pub(super) fn reset_roots(self, persist: &impl Persist) {
        self.write(persist, ROOTS_AT, &[0; ROOTS_BYTES]);
    }

    /// Writes whole words of one line or of the header, durably.
    pub(super) fn write(self, persist: &impl Persist, at: usize, bytes: &[u8]) {
        let words = &self.0[at / CELL_BYTES..][..bytes.len() / CELL_BYTES];
        for (word, value) in words.iter().zip(bytes.as_chunks().0) {
            word.store(persist, u64::from_ne_bytes(*value));
        }
        // PERSIST: these bytes before the state that vouches for them.
        persist.flush(words);
        persist.fence();
    }

    fn line(self, at: usize) -> &'a [Cell] {
        &self.0[at / CELL_BYTES..][..LINE_BYTES / CELL_BYTES]
    }
}
