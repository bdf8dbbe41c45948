//! The host's own judge of a persistent file.
//!
//! The kernel judges itself after each crash, with tables that its own recovery
//! has been over. A recovery that mends away what it should report would pass.
//! So while the machine stands still, the host reads the file behind the NVDIMM
//! as the crash left it: superblock, tables, ledger and the content of frames,
//! with readers of its own. Only the rules are shared ([`workload::ledger`]).

mod content;
mod superblock;
mod tables;
#[cfg(test)]
mod tests;

use std::{fs::File, os::unix::fs::FileExt as _, path::Path, sync::atomic::AtomicU64};

use anyhow::{Context as _, Result, bail, ensure};
use frame::{FRAME_SIZE, FrameId};
use workload::ledger::{
    self, Allocated as _, Judgement, Ledger, LedgerError, Ordered, Phase, Progress,
};

use content::Content;
use superblock::{Span, Superblock};
use tables::Tables;

/// What a crash has left of one zone.
#[derive(Debug)]
pub(crate) struct ZoneJudgement {
    /// Identity of the zone, in hexadecimal.
    pub(crate) id: String,
    /// Whether a cycle was running when the machine broke.
    pub(crate) is_running: bool,
    /// Huge frames that were being split when the machine broke, as far as the medium
    /// knows.
    pub(crate) splits: usize,
    /// The judgement.
    pub(crate) judgement: Judgement,
}

/// What is in a file, zone by zone.
#[derive(Debug)]
pub(crate) enum Zone {
    /// Somebody keeps account.
    Accounted(Box<ZoneJudgement>),
    /// Nobody does, and no frame is allocated either.
    Vacant,
}

/// Whose account is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// That of a cycle that is running; whatever other zones hold is left out.
    Running,
    /// That of every ledger that was ever worked with; without one, nothing may be
    /// allocated. True of a kernel that does nothing but crash.
    Everything,
}

/// Judges every zone in a file whose ledger says that a crash cycle is running.
///
/// Zones whose ledger says otherwise, or that have none, are left out: whatever
/// they hold, nobody keeps account of it.
///
/// # Errors
///
/// Returns an error if the file can't be read, or if a zone is damaged beyond
/// what any crash does.
pub(crate) fn judge_file(path: &Path) -> Result<Vec<ZoneJudgement>> {
    let zones = judge_zones(path, Scope::Running)?.into_iter();
    let accounted = zones.filter_map(|zone| match zone {
        Zone::Accounted(judgement) => Some(*judgement),
        Zone::Vacant => None,
    });
    Ok(accounted.collect())
}

/// Judges every zone in a file that only crash cycles were run on, whether one is
/// running or not.
///
/// # Errors
///
/// As [`judge_file`]; also if frames are allocated that nobody keeps account of.
pub(crate) fn judge_all(path: &Path) -> Result<Vec<Zone>> {
    judge_zones(path, Scope::Everything)
}

fn judge_zones(path: &Path, scope: Scope) -> Result<Vec<Zone>> {
    let image = Image::open(path)?;
    let mut zones = Vec::new();
    let mut offset = 0;
    while offset + FRAME_SIZE as u64 <= image.len {
        let Some(superblock) = image.superblock(offset)? else {
            offset += FRAME_SIZE as u64;
            continue;
        };
        if image.is_replica_of_unfinished(offset, &superblock)? {
            offset += FRAME_SIZE as u64;
            continue;
        }
        let zone = judge_zone(&image, offset, &superblock, scope)
            .with_context(|| format!("zone {} at offset {offset:#x}", superblock.id()))?;
        zones.extend(zone);
        offset += superblock.region_len;
    }
    Ok(zones)
}

fn judge_zone(
    image: &Image,
    offset: u64,
    superblock: &Superblock,
    scope: Scope,
) -> Result<Option<Zone>> {
    ensure!(
        offset + superblock.region_len <= image.len,
        "the zone has {} bytes, the file ends after {}",
        superblock.region_len,
        image.len - offset
    );
    let annex = image.words(offset, superblock.annex)?;
    let ledger = match Ledger::open(&annex, Ordered) {
        Err(LedgerError::NotFormatted { .. }) => None,
        ledger => Some(ledger?),
    };
    let is_taken = |progress: Progress| match (progress.phase, scope) {
        (Phase::Running, _) => true,
        (Phase::Idle, Scope::Everything) => progress.cycle > 0,
        (Phase::Idle | Phase::Complete, _) => false,
    };
    let taken = ledger.filter(|ledger| is_taken(ledger.progress()));
    if taken.is_none() && scope == Scope::Running {
        return Ok(None);
    }
    let tables = Tables::new(image.bytes(offset, superblock.lower)?, superblock.frames)?;
    let Some(ledger) = taken else {
        let frames = (0..superblock.frames).map(FrameId);
        let allocated = frames.filter(|&frame| tables.is_allocated(frame)).count();
        ensure!(
            allocated == 0,
            "{allocated} frames are allocated, and nobody keeps account of them"
        );
        return Ok(Some(Zone::Vacant));
    };
    if ledger.frames() != superblock.frames {
        let (ledger, zone) = (ledger.frames(), superblock.frames);
        bail!("the ledger accounts for {ledger} frames, the zone has {zone}");
    }
    let content = Content {
        file: &image.file,
        start: offset + superblock.managed_offset,
        epoch: ledger.config().epoch,
    };
    Ok(Some(Zone::Accounted(Box::new(ZoneJudgement {
        id: superblock.id(),
        is_running: ledger.progress().phase == Phase::Running,
        splits: tables.splits(),
        judgement: ledger::judge(&ledger, &tables, &content),
    }))))
}

/// A file that is only read.
struct Image {
    file: File,
    len: u64,
}

impl Image {
    fn open(path: &Path) -> Result<Self> {
        let open = || -> std::io::Result<Self> {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            Ok(Self { file, len })
        };
        open().with_context(|| format!("cannot open {}", path.display()))
    }

    /// Returns the superblock at an offset, if one that vouches for a zone is
    /// there.
    fn superblock(&self, offset: u64) -> Result<Option<Superblock>> {
        let mut start = [0; superblock::MAGIC.len()];
        self.file.read_exact_at(&mut start, offset)?;
        if start != superblock::MAGIC {
            return Ok(None);
        }
        let mut page = [0; superblock::BYTES];
        self.file.read_exact_at(&mut page, offset)?;
        superblock::decode(&page).with_context(|| format!("superblock at offset {offset:#x}"))
    }

    /// Returns whether the superblock at an offset is the second one of a region
    /// whose first one is ours and not complete yet: it vouches for nothing alone.
    fn is_replica_of_unfinished(&self, offset: u64, superblock: &Superblock) -> Result<bool> {
        let end = offset + FRAME_SIZE as u64;
        let Some(first) = end.checked_sub(superblock.region_len) else {
            return Ok(false);
        };
        if first == offset {
            return Ok(false);
        }
        let mut start = [0; superblock::MAGIC.len()];
        self.file.read_exact_at(&mut start, first)?;
        Ok(start == superblock::MAGIC && self.superblock(first)?.is_none())
    }

    fn bytes(&self, zone: u64, span: Span) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(span.len)?];
        self.file.read_exact_at(&mut bytes, zone + span.offset)?;
        Ok(bytes)
    }

    fn words(&self, zone: u64, span: Span) -> Result<Vec<AtomicU64>> {
        let bytes = self.bytes(zone, span)?;
        let words = bytes.as_chunks().0.iter();
        Ok(words
            .map(|&word| AtomicU64::new(u64::from_le_bytes(word)))
            .collect())
    }
}
