//! The persistent form of a zone: who owns a range, and whether to believe it.
//!
//! Lower tables alone do not say that they are lower tables. In front of them
//! stands a superblock that vouches for them: identity, version, geometry and
//! checksum, and a state word that says READY only once everything before it is
//! durable. It takes the first frame of the owned range; the last frame holds a
//! replica.
//!
//! ```text
//! superblock · lower tables · annex (the owner's) · managed frames · replica
//! ```
//!
//! | bytes | content of a superblock |
//! |---|---|
//! | 0..256 | header: identity, version, [`Geometry`], CRC-32C; written once |
//! | 256..320 | state: FORMATTING or READY, one word |
//! | 320..448 | two [`Mount`] lines with a checksum each, written in turn |
//! | 448..512 | [`ROOTS`] root words of the owner, see [`set_root`] |
//! | 512.. | unused, zero |
//!
//! [`inspect`] reads and decides nothing; [`open`] formats what it may and
//! recovers what it finds; [`close`] notes an orderly end. None of them writes
//! to a range that is not ours, or that a newer version has written, except that
//! [`Format::Allowed`] lets `open` format what is blank, foreign or unfinished.
//! Whether the user has permitted that is the caller's affair.

mod error;
mod format;
mod header;
mod inspect;
mod mount;
mod open;
mod page;
mod roots;

pub use error::{CloseError, Field, OpenError};
pub use format::{format_begin, publish};
pub use header::{Geometry, Version};
pub use inspect::{Header, Source, State, inspect};
pub use mount::{Mount, last_mount};
pub use open::{Format, Opened, close, open};
pub use page::PageError;
pub use roots::{ROOTS, RootError, root, set_root};

/// Bytes of a superblock: one frame.
pub const SUPERBLOCK_BYTES: usize = frame::FRAME_SIZE;
