//! The superblock, as the format describes it.

use anyhow::{Result, ensure};
use crc::{CRC_32_ISCSI, Crc};
use frame::FRAME_SIZE;

/// How every superblock begins.
pub(super) const MAGIC: [u8; 16] = *b"PERENNIAL LLFREE";
/// Bytes that are read: the header and the state word.
pub(super) const BYTES: usize = CHECKSUM_AT + 4 + 8;

const MAJOR_AT: usize = 16;
/// The version of the format that this judge reads.
const MAJOR: u16 = 4;
/// Nine words, from the region's identity to its physical base.
const WORDS_AT: usize = 40;
const FRAME_SIZE_AT: usize = 112;
const HUGE_WORDS_AT: usize = 116;
const CHECKSUM_AT: usize = 252;
const STATE_AT: usize = 256;
/// The state of a zone that is complete.
const READY: u64 = 0x3a86_e0d9_4517_fb2c;

/// A part of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// From the region's first byte.
    pub(super) offset: u64,
    /// In bytes.
    pub(super) len: u64,
}

/// What the judge needs to know of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    region_id: u64,
    pub(super) region_len: u64,
    pub(super) lower: Span,
    pub(super) annex: Span,
    pub(super) managed_offset: u64,
    pub(super) frames: usize,
}

impl Superblock {
    pub(super) fn id(&self) -> String {
        format!("{:016x}", self.region_id)
    }
}

/// Reads a page that begins with [`MAGIC`]; `None` if its zone is not complete.
pub(super) fn decode(page: &[u8; BYTES]) -> Result<Option<Superblock>> {
    if u64_at(page, STATE_AT) != READY {
        return Ok(None);
    }
    let (stored, computed) = (
        u32_at(page, CHECKSUM_AT),
        Crc::<u32>::new(&CRC_32_ISCSI).checksum(&page[..CHECKSUM_AT]),
    );
    ensure!(
        stored == computed,
        "the header says checksum {stored:#x} and has {computed:#x}"
    );
    let major = u16::from_le_bytes([page[MAJOR_AT], page[MAJOR_AT + 1]]);
    let (frame_size, words) = (u32_at(page, FRAME_SIZE_AT), u32_at(page, HUGE_WORDS_AT));
    ensure!(
        major == MAJOR && frame_size as usize == FRAME_SIZE && words == 8,
        "unknown format {major} with frames of {frame_size} bytes, {words} words a huge frame"
    );
    let [
        region_id,
        region_len,
        lower_offset,
        lower_len,
        annex_offset,
        annex_len,
        managed_offset,
        frames,
    ] = std::array::from_fn(|index| u64_at(page, WORDS_AT + 8 * index));
    let superblock = Superblock {
        region_id,
        region_len,
        lower: Span {
            offset: lower_offset,
            len: lower_len,
        },
        annex: Span {
            offset: annex_offset,
            len: annex_len,
        },
        managed_offset,
        frames: usize::try_from(frames)?,
    };
    let managed = Span {
        offset: managed_offset,
        len: frames.saturating_mul(FRAME_SIZE as u64),
    };
    for (name, span) in [
        ("lower tables", superblock.lower),
        ("annex", superblock.annex),
        ("frames", managed),
    ] {
        let end = span.offset.saturating_add(span.len);
        ensure!(
            end <= region_len,
            "the {name} end at {end:#x}, the region at {region_len:#x}"
        );
    }
    ensure!(
        region_len >= FRAME_SIZE as u64 && region_len % FRAME_SIZE as u64 == 0,
        "a region of {region_len} bytes"
    );
    Ok(Some(superblock))
}

fn u32_at(page: &[u8; BYTES], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| page[at + index]))
}

fn u64_at(page: &[u8; BYTES], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| page[at + index]))
}
