//! Root words: where an owner finds its data again.
//!
//! After a crash the allocator knows which frames are allocated, but not what for.
//! An owner that keeps its own structures in them needs one durable place to start
//! from. A superblock has [`ROOTS`] such places, in a line of their own in both
//! copies:
//!
//! | at | content of a root |
//! |---|---|
//! | 0 | value u64 |
//! | 8 | CRC-32C of number and value, u32; `ROOT` u32, or zero while it is unset |
//!
//! Setting one writes the first frame and then the replica, each durable before
//! the next. A crash tears at most one of them, and the other one then has the
//! value before or the value after: a root never reads as anything else.

use core::fmt;

use persist::Persist;

use super::header::{CRC, array_at, u64_at};
use super::page::{Page, PageError, ROOTS_AT};
use crate::zone::Zone;

/// Root words in a superblock.
pub const ROOTS: usize = 4;

/// Bytes of one root.
const ROOT_BYTES: usize = 16;
/// Bytes of all of them: a cache line.
pub(super) const ROOTS_BYTES: usize = ROOTS * ROOT_BYTES;

const _: () = assert!(ROOTS_BYTES == persist::LINE_BYTES);

/// Why a root word was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootError {
    /// There is no root of this number.
    NoSuchRoot {
        /// The number.
        root: usize,
    },
    /// The first frame can't be a superblock.
    Superblock(PageError),
    /// The last frame can't be a superblock.
    Replica(PageError),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchRoot { root } => {
                write!(f, "there is no root {root}, but {ROOTS} from 0")
            }
            Self::Superblock(error) => write!(f, "first frame: {error}"),
            Self::Replica(error) => write!(f, "last frame: {error}"),
        }
    }
}

impl core::error::Error for RootError {}

/// Returns a root word of a region whose first and last frame these are, or `None`
/// if it has never been set or does not exist.
pub fn root(superblock: &[u8], replica: &[u8], root: usize) -> Option<u64> {
    read(superblock, root).or_else(|| read(replica, root))
}

/// Sets a root word, durably.
///
/// What it refers to must be durable before. After a crash in the middle, the
/// root has the value before or `value`.
///
/// # Errors
///
/// Returns [`RootError`] if there is no such root or a slice can't be a
/// superblock; nothing is written then.
pub fn set_root<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    superblock: &mut [u8],
    replica: &mut [u8],
    root: usize,
    value: u64,
) -> Result<(), RootError> {
    if root >= ROOTS {
        return Err(RootError::NoSuchRoot { root });
    }
    let primary = Page::new(superblock).map_err(RootError::Superblock)?;
    let replica = Page::new(replica).map_err(RootError::Replica)?;
    write(primary, root, value, &zone.persist);
    write(replica, root, value, &zone.persist);
    Ok(())
}

/// The roots of both copies, before either is mended.
pub(super) struct Roots([(Option<u64>, Option<u64>); ROOTS]);

impl Roots {
    /// Reads the roots of both copies.
    pub(super) fn read(superblock: &[u8], replica: &[u8]) -> Self {
        Self(core::array::from_fn(|root| {
            (read(superblock, root), read(replica, root))
        }))
    }

    /// Makes both copies say the same. A crash while a root was set has left the
    /// value before in one of them; it must not come back when the other is lost.
    pub(super) fn mend(&self, primary: Page<'_>, replica: Page<'_>, persist: &impl Persist) {
        for (root, &(first, second)) in self.0.iter().enumerate() {
            match (first, second) {
                (Some(value), other) if other != Some(value) => {
                    write(replica, root, value, persist);
                }
                (None, Some(value)) => write(primary, root, value, persist),
                _ => {}
            }
        }
    }
}

fn write(page: Page<'_>, root: usize, value: u64, persist: &impl Persist) {
    let mut bytes = [0; ROOT_BYTES];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes[8..].copy_from_slice(&check(root, value).to_le_bytes());
    page.write(persist, ROOTS_AT + root * ROOT_BYTES, &bytes);
}

fn read(page: &[u8], root: usize) -> Option<u64> {
    if root >= ROOTS {
        return None;
    }
    let bytes = array_at::<ROOT_BYTES>(page, ROOTS_AT + root * ROOT_BYTES);
    let value = u64_at(&bytes, 0);
    (u64_at(&bytes, 8) == check(root, value)).then_some(value)
}

/// Returns the word that vouches for a value. It is never zero.
fn check(root: usize, value: u64) -> u64 {
    const MARK: u64 = 0x544f_4f52;
    let mut digest = CRC.digest();
    digest.update(&(root as u64).to_le_bytes());
    digest.update(&value.to_le_bytes());
    MARK << 32 | u64::from(digest.finalize())
}
