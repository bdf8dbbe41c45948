//! What changes with every mount: generation, cleanness, crashes.
//!
//! A cache line may reach the medium in parts. So there are two lines, written in
//! turn, each with a checksum: a crash while one is written leaves the other. If
//! one of them can't be read, the last mount counts as not closed.
//!
//! | at | content |
//! |---|---|
//! | 0 | generation u64 |
//! | 8 | crashes u64 |
//! | 16, 20 | domain u32, closed u32 |
//! | 24..60 | zero |
//! | 60 | CRC-32C of all before, u32 |

use persist::Domain;

use super::header::{CRC, array_at, u32_at, u64_at};
use super::page::MOUNTS_AT;

/// Bytes of a mount line.
pub(super) const MOUNT_BYTES: usize = 64;
/// Bytes that the checksum covers.
const COVERED_BYTES: usize = MOUNT_BYTES - 4;

/// One mount of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Grows with every mount and every orderly end of one.
    pub generation: u64,
    /// Mounts before this one that ended without [`close`](super::close).
    pub crashes: u64,
    /// What the platform promised to save.
    pub domain: Domain,
    /// Whether the mount has ended in an orderly way.
    pub clean: bool,
    /// Whether the other line could not be read: then the facts may be those of
    /// an older mount.
    pub uncertain: bool,
}

impl Mount {
    /// Returns the mount that follows on what is written in a superblock.
    pub(super) fn next(before: Option<Self>, domain: Domain) -> Self {
        let (generation, crashes) = match before {
            Some(before) => (
                before.generation + 1,
                before.crashes + u64::from(!before.clean),
            ),
            None => (1, 0),
        };
        Self {
            generation,
            crashes,
            domain,
            clean: false,
            uncertain: false,
        }
    }

    /// Returns whether the mount may have lost more than it was prepared for: it was not
    /// closed, and the platform, which promises `now`, has promised it more.
    pub fn is_suspect(&self, now: Domain) -> bool {
        !self.clean && now < self.domain
    }

    /// Returns the orderly end of this mount.
    pub(super) fn closed(self) -> Self {
        Self {
            generation: self.generation + 1,
            clean: true,
            ..self
        }
    }

    pub(super) fn encode(&self) -> [u8; MOUNT_BYTES] {
        let mut bytes = [0; MOUNT_BYTES];
        bytes[..8].copy_from_slice(&self.generation.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.crashes.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.domain.number().to_le_bytes());
        bytes[20..24].copy_from_slice(&u32::from(self.clean).to_le_bytes());
        let checksum = CRC.checksum(&bytes[..COVERED_BYTES]);
        bytes[COVERED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; MOUNT_BYTES]) -> Option<Self> {
        if CRC.checksum(&bytes[..COVERED_BYTES]) != u32_at(bytes, COVERED_BYTES) {
            return None;
        }
        Some(Self {
            generation: u64_at(bytes, 0),
            crashes: u64_at(bytes, 8),
            domain: Domain::from_number(u32_at(bytes, 16))?,
            clean: u32_at(bytes, 20) == 1,
            uncertain: false,
        })
    }
}

/// Returns the latest mount that a superblock tells of, or `None` if it tells of
/// none.
pub fn last_mount(superblock: &[u8]) -> Option<Mount> {
    let lines = MOUNTS_AT.map(|at| array_at::<MOUNT_BYTES>(superblock, at));
    let mounts = lines.map(|line| Mount::decode(&line));
    let latest = mounts
        .into_iter()
        .flatten()
        .max_by_key(|mount| mount.generation)?;
    // An empty line has not been written yet: nothing is missing.
    let damaged = (lines.iter().zip(&mounts))
        .any(|(line, mount)| mount.is_none() && line.iter().any(|&byte| byte != 0));
    Some(Mount {
        clean: latest.clean && !damaged,
        uncertain: damaged,
        ..latest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_mount_on_a_stronger_platform_is_suspect() {
        let crashed = Mount::next(None, Domain::Eadr);
        assert!(crashed.is_suspect(Domain::Adr));
        assert!(!crashed.is_suspect(Domain::Eadr));
        assert!(!crashed.closed().is_suspect(Domain::Adr));
        assert!(!Mount::next(None, Domain::Adr).is_suspect(Domain::Eadr));
    }
}
