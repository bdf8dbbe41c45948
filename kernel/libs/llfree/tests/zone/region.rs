//! A formatted region in ordinary memory, for the tests of the superblock.

use frame::Order;
use llfree::media::{self, Format, Geometry, OpenError, Opened, SUPERBLOCK_BYTES, State};
use llfree::{Memory, Zone};
use persist::{Eadr, Persist};

use crate::common::Bytes;

pub(crate) const FRAMES: usize = 5 * 128 + 40;
pub(crate) const CPUS: usize = 2;

pub(crate) type Small<'m, P> = Zone<'m, P, 2, 2>;

pub(crate) fn geometry() -> Geometry {
    let lower = Small::<Eadr>::layout(FRAMES, CPUS).lower_bytes as u64;
    Geometry {
        region_id: 0x1234_5678_9abc_def0,
        region_len: 0x40_0000,
        lower_offset: 4096,
        lower_len: lower,
        annex_offset: 4096 + lower,
        annex_len: 8192,
        managed_offset: 0x10_0000,
        frames: FRAMES as u64,
        base_in_giant: 0x20_0000,
        words: 2,
        tree: 2,
    }
}

/// A region: superblock, lower tables and replica one after the other, so that a
/// medium can be modelled line by line.
#[derive(Clone)]
pub(crate) struct Region {
    pub(crate) bytes: Bytes,
    pub(crate) lower_len: usize,
}

impl Region {
    pub(crate) fn filled(value: u8) -> Self {
        let lower_len = Small::<Eadr>::layout(FRAMES, CPUS).lower_bytes;
        let bytes = Bytes::filled(2 * SUPERBLOCK_BYTES + lower_len, value);
        Self { bytes, lower_len }
    }

    pub(crate) fn blank() -> Self {
        Self::filled(0)
    }

    /// A region that has been formatted and used.
    pub(crate) fn ready() -> Self {
        let mut region = Self::blank();
        region.open(&geometry(), Format::Allowed, Eadr).unwrap();
        region
    }

    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let (superblock, rest) = self.bytes.split_at_mut(SUPERBLOCK_BYTES);
        let (lower, replica) = rest.split_at_mut(self.lower_len);
        (superblock, lower, replica)
    }

    pub(crate) fn inspect(&self) -> State {
        let replica = &self.bytes[SUPERBLOCK_BYTES + self.lower_len..];
        media::inspect(&self.bytes[..SUPERBLOCK_BYTES], Some(replica))
    }

    /// Opens the zone, takes a frame, and closes it again.
    pub(crate) fn open<P: Persist>(
        &mut self,
        expected: &Geometry,
        permission: Format,
        persist: P,
    ) -> Result<Opened, OpenError> {
        let mut upper = Bytes::filled(Small::<P>::layout(FRAMES, CPUS).upper_bytes, 0xee);
        let (superblock, lower, replica) = self.parts();
        let memory = Memory {
            lower,
            upper: &mut upper,
        };
        let (zone, opened): (Small<'_, P>, _) = media::open(
            superblock, replica, memory, expected, permission, CPUS, persist,
        )?;
        zone.validate().unwrap();
        zone.local(0).unwrap().get(Order::FRAME).unwrap();
        media::close(&zone, superblock).unwrap();
        Ok(opened)
    }
}
