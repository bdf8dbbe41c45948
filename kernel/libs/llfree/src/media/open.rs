//! From a range in whatever state to a zone, or a reason why not.

use persist::Persist;

use super::error::{CloseError, Field, OpenError};
use super::format::{begin, finish};
use super::header::{Geometry, encode};
use super::inspect::{Header, Source, State, inspect};
use super::mount::{Mount, last_mount};
use super::page::{Page, PageError, READY};
use super::roots::Roots;
use crate::cell::Cell;
use crate::layout::{LINE_CELLS, Memory};
use crate::lower::Recovery;
use crate::zone::{Zone, line};

/// Whether [`open`] may format a range that is not ours yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Never.
    Never,
    /// If it is blank, foreign or unfinished; all that it held is lost. A range
    /// that is ours and complete is recovered all the same.
    Allowed,
}

/// How a zone came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Formatted just now; all frames are free.
    Created,
    /// Recovered from an earlier life.
    Recovered(Recovery),
}

/// Opens the zone of a range: recovers it if it is ours, formats it if it is not
/// and `permission` says so.
///
/// `superblock` and `replica` are the first and the last frame of the range,
/// `memory.lower` is where `expected` places the lower tables. An intact copy of
/// the superblock mends the other one. When this returns, everything is durable.
///
/// A region may lie elsewhere than when it was formatted. Giant frames are handed out
/// only where frame 0 is now at a multiple of 1 GiB; those that are allocated stay so.
///
/// # Errors
///
/// Returns [`OpenError`], one variant a cause, and has not written anything then.
pub fn open<'m, P: Persist, const WORDS: usize, const TREE: usize>(
    superblock: &mut [u8],
    replica: &mut [u8],
    memory: Memory<'m>,
    expected: &Geometry,
    permission: Format,
    cpus: usize,
    persist: P,
) -> Result<(Zone<'m, P, WORDS, TREE>, Opened), OpenError> {
    check_field(Field::Words, u64::from(expected.words), WORDS as u64)?;
    let frames = check_memory::<P, WORDS, TREE>(expected, cpus, &memory)?;
    let state = inspect(superblock, Some(replica));
    let before = last_mount(superblock);
    let roots = Roots::read(superblock, replica);
    let primary = Page::new(superblock).map_err(OpenError::Superblock)?;
    let replica = Page::new(replica).map_err(OpenError::Replica)?;

    match decide(state, expected, permission)? {
        None => {
            begin(primary, replica, expected, &persist);
            let zone = Zone::create(frames, cpus, memory, persist).map_err(OpenError::Zone)?;
            finish(primary, replica, expected, &zone.persist);
            Ok((zone.with_alignment(expected.alignment()), Opened::Created))
        }
        Some(header) => {
            mend(primary, replica, &header, &persist);
            roots.mend(primary, replica, &persist);
            primary.write_mount(&persist, &Mount::next(before, P::DOMAIN));
            let recovered = Zone::recover(frames, cpus, memory, persist);
            let (zone, recovery) = recovered.map_err(OpenError::Zone)?;
            let zone = zone.with_alignment(expected.alignment());
            Ok((zone, Opened::Recovered(recovery)))
        }
    }
}

/// Returns the header to recover from, or `None` if the range is to be formatted.
fn decide(
    state: State,
    expected: &Geometry,
    permission: Format,
) -> Result<Option<Header>, OpenError> {
    let allowed = |refusal| match permission {
        Format::Allowed => Ok(None),
        Format::Never => Err(refusal),
    };
    match state {
        State::Blank => allowed(OpenError::Blank),
        State::Foreign => allowed(OpenError::Foreign),
        State::Formatting => allowed(OpenError::Unfinished),
        State::Unknown(version) => Err(OpenError::Unknown { version }),
        State::Damaged => Err(OpenError::Damaged),
        State::TooShort { needed, given } => {
            Err(OpenError::Superblock(PageError::TooShort { needed, given }))
        }
        State::Ready(header) => {
            compare(&header.geometry, expected)?;
            Ok(Some(header))
        }
    }
}

/// Compares all that must not change. The number of huge frames a tree may, and
/// so may the physical base.
fn compare(found: &Geometry, expected: &Geometry) -> Result<(), OpenError> {
    let fields = [
        (Field::RegionId, found.region_id, expected.region_id),
        (Field::RegionLength, found.region_len, expected.region_len),
        (
            Field::LowerOffset,
            found.lower_offset,
            expected.lower_offset,
        ),
        (Field::LowerLength, found.lower_len, expected.lower_len),
        (
            Field::AnnexOffset,
            found.annex_offset,
            expected.annex_offset,
        ),
        (Field::AnnexLength, found.annex_len, expected.annex_len),
        (
            Field::ManagedOffset,
            found.managed_offset,
            expected.managed_offset,
        ),
        (Field::Frames, found.frames, expected.frames),
        (
            Field::Words,
            u64::from(found.words),
            u64::from(expected.words),
        ),
    ];
    fields
        .into_iter()
        .try_for_each(|(field, found, expected)| check_field(field, found, expected))
}

fn check_field(field: Field, found: u64, expected: u64) -> Result<(), OpenError> {
    if found == expected {
        Ok(())
    } else {
        Err(OpenError::Mismatch {
            field,
            found,
            expected,
        })
    }
}

/// Finds out whether the tables will fit, before anything is written.
fn check_memory<P: Persist, const WORDS: usize, const TREE: usize>(
    expected: &Geometry,
    cpus: usize,
    memory: &Memory<'_>,
) -> Result<usize, OpenError> {
    let frames = usize::try_from(expected.frames).unwrap_or(usize::MAX);
    Zone::<'_, P, WORDS, TREE>::check(frames, cpus, memory).map_err(OpenError::Zone)?;
    Ok(frames)
}

/// Writes the copy of the superblock that is not intact again.
fn mend<P: Persist>(primary: Page<'_>, replica: Page<'_>, header: &Header, persist: &P) {
    let bytes = encode(&header.geometry, P::DOMAIN);
    let other = match header.source {
        Source::Primary if header.replica_intact => return,
        Source::Primary => replica,
        Source::Replica => primary,
    };
    other.write_header(persist, &bytes);
    other.set_state(persist, READY);
}

/// Notes that a zone has been left in an orderly way: its counts are durable then, and
/// whoever opens it next has nothing to mend.
///
/// # Errors
///
/// Returns [`CloseError`] while a processor's handle exists, or if the slice
/// can't be a superblock.
pub fn close<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    superblock: &mut [u8],
) -> Result<(), CloseError> {
    let persist = &zone.persist;
    let taken = |line: &[Cell; LINE_CELLS]| line[line::TAKEN].load(persist) != 0;
    if let Some(cpu) = zone.lines.iter().position(taken) {
        return Err(CloseError::Busy { cpu });
    }
    let mount = last_mount(superblock).unwrap_or_else(|| Mount::next(None, P::DOMAIN));
    let primary = Page::new(superblock).map_err(CloseError::Superblock)?;
    // PERSIST: the counts, which operations leave to chance, before the note that
    // vouches for them.
    zone.lower.persist_entries(persist, 0..zone.huge_frames());
    primary.write_mount(persist, &mount.closed());
    Ok(())
}
