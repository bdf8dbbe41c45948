//! The header of a superblock: identity, version and geometry.
//!
//! Written once, when the range is formatted, and never changed. All numbers are
//! little endian:
//!
//! | at | content |
//! |---|---|
//! | 0 | magic, 16 bytes |
//! | 16, 18, 20 | major u16, minor u16, header length u32 |
//! | 24, 28, 32 | feature words u32: compatible, read-only compatible, incompatible |
//! | 36 | domain when formatted, u32 |
//! | 40, 48 | region id, region length |
//! | 56, 64 | lower tables: offset, length |
//! | 72, 80 | annex: offset, length |
//! | 88, 96 | managed frames: offset, number |
//! | 104 | the region's physical base modulo 1 GiB |
//! | 112, 116, 120 | frame size, words a huge frame, huge frames a tree, u32 |
//! | 124..252 | zero |
//! | 252 | CRC-32C of all before, u32; at this place in every version |

use crc::{CRC_32_ISCSI, Crc};
use frame::{FRAME_SIZE, Order};
use persist::Domain;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 256;
/// Bytes that the checksum covers.
const COVERED_BYTES: usize = HEADER_BYTES - 4;

/// Both lengths as they stand in a header.
const HEADER_LEN: u32 = 256;
const FRAME_LEN: u32 = 4096;
const _: () = assert!(HEADER_LEN as usize == HEADER_BYTES && FRAME_LEN as usize == FRAME_SIZE);

/// The first bytes of every superblock of ours.
const MAGIC: [u8; 16] = *b"PERENNIAL LLFREE";
/// What this code writes, and the only major number that it reads.
const VERSION: Version = Version {
    major: 4,
    minor: 0,
    incompatible: 0,
};

/// The checksum of headers and mount lines (Castagnoli).
pub(super) const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Where everything lies in a region. All offsets are from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Identity of the region: from what it is, not where the firmware put it.
    pub region_id: u64,
    /// Length of the owned range in bytes.
    pub region_len: u64,
    /// Offset of the lower tables in bytes.
    pub lower_offset: u64,
    /// Length of the lower tables in bytes.
    pub lower_len: u64,
    /// Offset of the annex, the part that the zone's owner uses, in bytes.
    pub annex_offset: u64,
    /// Length of the annex in bytes.
    pub annex_len: u64,
    /// Offset of frame 0 in bytes.
    pub managed_offset: u64,
    /// Number of frames.
    pub frames: u64,
    /// The region's physical base modulo 1 GiB: giant frames are what the hardware
    /// takes for one only if frame 0 is at a multiple of that.
    pub base_in_giant: u64,
    /// Words of bits a huge frame.
    pub words: u32,
    /// Huge frames a tree. Part of the format for the record only: recovery
    /// builds the trees anew.
    pub tree: u32,
}

impl Geometry {
    /// Returns the largest order of which frame 0 lies at a multiple in physical
    /// memory, at most that of a giant frame.
    pub const fn alignment(&self) -> Order {
        let start = self.base_in_giant.wrapping_add(self.managed_offset);
        Order::of_alignment(start / FRAME_SIZE as u64)
    }
}

/// A version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Changes when older code can't read the format any more.
    pub major: u16,
    /// Changes when older code can.
    pub minor: u16,
    /// Features without which the format must not be touched, a bit each.
    pub incompatible: u32,
}

/// What a header turns out to be.
pub(super) enum Decoded {
    /// One that this code reads.
    Known(Geometry, Version),
    /// One of ours, intact, from another version.
    Unknown(Version),
    /// Not intact; `claims_to_be_ours` if it begins as ours do.
    Bad { claims_to_be_ours: bool },
}

/// Returns the bytes of a header.
pub(super) fn encode(geometry: &Geometry, domain: Domain) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let mut at = |offset: usize, field: &[u8]| {
        bytes[offset..offset + field.len()].copy_from_slice(field);
    };
    at(0, &MAGIC);
    at(16, &VERSION.major.to_le_bytes());
    at(18, &VERSION.minor.to_le_bytes());
    at(20, &HEADER_LEN.to_le_bytes());
    at(32, &VERSION.incompatible.to_le_bytes());
    at(36, &domain.number().to_le_bytes());
    let words = [
        geometry.region_id,
        geometry.region_len,
        geometry.lower_offset,
        geometry.lower_len,
        geometry.annex_offset,
        geometry.annex_len,
        geometry.managed_offset,
        geometry.frames,
        geometry.base_in_giant,
    ];
    for (index, word) in words.iter().enumerate() {
        at(40 + index * 8, &word.to_le_bytes());
    }
    at(112, &FRAME_LEN.to_le_bytes());
    at(116, &geometry.words.to_le_bytes());
    at(120, &geometry.tree.to_le_bytes());
    let checksum = CRC.checksum(&bytes[..COVERED_BYTES]);
    bytes[COVERED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads the bytes of a header.
pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Decoded {
    let claims_to_be_ours = bytes[..MAGIC.len()] == MAGIC;
    if !claims_to_be_ours || CRC.checksum(&bytes[..COVERED_BYTES]) != u32_at(bytes, COVERED_BYTES) {
        return Decoded::Bad { claims_to_be_ours };
    }
    let version = Version {
        major: u16_at(bytes, 16),
        minor: u16_at(bytes, 18),
        incompatible: u32_at(bytes, 32),
    };
    let readable = version.major == VERSION.major
        && version.incompatible & !VERSION.incompatible == 0
        && u32_at(bytes, 112) == FRAME_LEN;
    if !readable {
        return Decoded::Unknown(version);
    }
    let word = |index: usize| u64_at(bytes, 40 + index * 8);
    let geometry = Geometry {
        region_id: word(0),
        region_len: word(1),
        lower_offset: word(2),
        lower_len: word(3),
        annex_offset: word(4),
        annex_len: word(5),
        managed_offset: word(6),
        frames: word(7),
        base_in_giant: word(8),
        words: u32_at(bytes, 116),
        tree: u32_at(bytes, 120),
    };
    Decoded::Known(geometry, version)
}

/// Reads bytes at a place that lies in the array; zero beyond.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    field.copied().unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
