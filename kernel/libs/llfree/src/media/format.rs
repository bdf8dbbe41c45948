//! Making a range ours, so that a crash at any point is recognised.
//!
//! ```text
//! begin    replica: state none · primary: FORMATTING · primary: header, no mounts, no roots
//!          tables (Zone::create)
//! publish  replica: header, no roots, READY · primary: first mount · primary: READY
//! ```
//!
//! Each step is durable before the next one starts. Until the last one the range
//! reads as unfinished, and may be formatted again; the replica of an earlier
//! life is gone before anything else changes, so it can't vouch for tables that
//! are being overwritten.

use persist::Persist;

use super::header::{Geometry, encode};
use super::mount::Mount;
use super::page::{FORMATTING, Page, PageError, READY, STATE_NONE};

/// Marks a range as being formatted. The tables must be written next, and
/// nothing that the range held before is left to recover.
///
/// # Errors
///
/// Returns [`PageError`] if a slice can't be a superblock; nothing is written then.
pub fn format_begin(
    superblock: &mut [u8],
    replica: &mut [u8],
    geometry: &Geometry,
    persist: &impl Persist,
) -> Result<(), PageError> {
    let (primary, replica) = (Page::new(superblock)?, Page::new(replica)?);
    begin(primary, replica, geometry, persist);
    Ok(())
}

/// Vouches for tables that are complete and durable.
///
/// # Errors
///
/// Returns [`PageError`] if a slice can't be a superblock; nothing is written then.
pub fn publish(
    superblock: &mut [u8],
    replica: &mut [u8],
    geometry: &Geometry,
    persist: &impl Persist,
) -> Result<(), PageError> {
    let (primary, replica) = (Page::new(superblock)?, Page::new(replica)?);
    finish(primary, replica, geometry, persist);
    Ok(())
}

pub(super) fn begin<P: Persist>(
    primary: Page<'_>,
    replica: Page<'_>,
    geometry: &Geometry,
    persist: &P,
) {
    replica.set_state(persist, STATE_NONE);
    primary.set_state(persist, FORMATTING);
    primary.write_header(persist, &encode(geometry, P::DOMAIN));
    primary.reset_mounts(persist);
    primary.reset_roots(persist);
    if cfg!(mutant = "ready_early") {
        finish(primary, replica, geometry, persist);
    }
}

pub(super) fn finish<P: Persist>(
    primary: Page<'_>,
    replica: Page<'_>,
    geometry: &Geometry,
    persist: &P,
) {
    replica.write_header(persist, &encode(geometry, P::DOMAIN));
    replica.reset_roots(persist);
    replica.set_state(persist, READY);
    primary.write_mount(persist, &Mount::next(None, P::DOMAIN));
    primary.set_state(persist, READY);
}
