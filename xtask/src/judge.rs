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
use frame::FRAME_SIZE;
use workload::ledger::{self, Judgement, Ledger, LedgerError, Ordered, Phase};

use content::Content;
use superblock::{Span, Superblock};
use tables::Tables;

/// What a crash has left of one zone.
#[derive(Debug)]
pub(crate) struct ZoneJudgement {
    /// Identity of the zone, in hexadecimal.
    pub(crate) id: String,
    /// The judgement.
    pub(crate) judgement: Judgement,
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
    let image = Image::open(path)?;
    let mut judgements = Vec::new();
    let mut offset = 0;
    while offset + FRAME_SIZE as u64 <= image.len {
        let Some(superblock) = image.superblock(offset)? else {
            offset += FRAME_SIZE as u64;
            continue;
        };
        let zone = judge_zone(&image, offset, &superblock)
            .with_context(|| format!("zone {} at offset {offset:#x}", superblock.id()))?;
        judgements.extend(zone);
        offset += superblock.region_len;
    }
    Ok(judgements)
}

fn judge_zone(
    image: &Image,
    offset: u64,
    superblock: &Superblock,
) -> Result<Option<ZoneJudgement>> {
    ensure!(
        offset + superblock.region_len <= image.len,
        "the zone has {} bytes, the file ends after {}",
        superblock.region_len,
        image.len - offset
    );
    let annex = image.words(offset, superblock.annex)?;
    let ledger = match Ledger::open(&annex, Ordered) {
        Err(LedgerError::NotFormatted { .. }) => return Ok(None),
        ledger => ledger?,
    };
    if ledger.progress().phase != Phase::Running {
        return Ok(None);
    }
    if ledger.frames() != superblock.frames {
        let (ledger, zone) = (ledger.frames(), superblock.frames);
        bail!("the ledger accounts for {ledger} frames, the zone has {zone}");
    }
    let tables = Tables::new(image.bytes(offset, superblock.lower)?, superblock.frames)?;
    let content = Content {
        file: &image.file,
        start: offset + superblock.managed_offset,
        epoch: ledger.config().epoch,
    };
    Ok(Some(ZoneJudgement {
        id: superblock.id(),
        judgement: ledger::judge(&ledger, &tables, &content),
    }))
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
