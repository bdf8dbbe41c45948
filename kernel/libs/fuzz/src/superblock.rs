//! The superblock of a persistent range, damaged or somebody else's.
//!
//! The first byte of an input says whether the rest is a superblock as it is, or
//! damage to one of ours, and whether the checksums are put right afterwards: they
//! stop nearly every mutation, and what comes behind them wants to be reached.

use std::sync::OnceLock;

use crc::{CRC_32_ISCSI, Crc};
use llfree::media::{self, Format, SUPERBLOCK_BYTES, State};

use crate::{
    Target,
    damage::{Region, damage},
    input::Input,
};

pub(crate) const TARGET: Target = Target {
    name: "superblock",
    control: false,
    max_len: 768,
    run,
    seeds,
};

/// The input is the content, not damage to ours.
const AS_IT_IS: u8 = 1 << 0;
/// The checksum of the first copy's header is put right, and of the second's.
const FIX: [u8; 2] = [1 << 1, 1 << 2];
/// The region was not left in order.
const DIRTY: u8 = 1 << 3;
/// The header and its checksum.
const HEADER_BYTES: usize = 256;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.u8();
    let mut region = image(flags & DIRTY == 0);
    let (superblock, _, replica) = region.parts();
    if flags & AS_IT_IS == 0 {
        let count = usize::from(input.u8());
        damage(superblock, &mut input, count);
        damage(replica, &mut input, usize::MAX);
    } else {
        let bytes = input.rest();
        superblock.fill(0);
        superblock[..bytes.len().min(SUPERBLOCK_BYTES)]
            .copy_from_slice(&bytes[..bytes.len().min(SUPERBLOCK_BYTES)]);
    }
    for (copy, fix) in [&mut *superblock, &mut *replica].into_iter().zip(FIX) {
        if flags & fix != 0 {
            fix_checksum(copy);
        }
    }
    let state = media::inspect(superblock, Some(replica));
    let before = (superblock.to_vec(), replica.to_vec());
    let opened = region.open(Format::Never, |zone, _| {
        zone.validate().expect("recovery leaves tables that agree");
    });
    let (superblock, _, replica) = region.parts();
    match (opened, state) {
        (Ok(_), State::Ready(_)) => {}
        (Ok(_), other) => panic!("opened although it is {other:?}"),
        (Err(error), _) => {
            assert!(!error.to_string().is_empty());
            assert!(superblock == before.0 && replica == before.1, "{error}");
        }
    }
}

/// A copy of a region that was used, made once.
fn image(closed: bool) -> Region {
    static CLEAN: OnceLock<Region> = OnceLock::new();
    static DIRTY: OnceLock<Region> = OnceLock::new();
    let image = if closed { &CLEAN } else { &DIRTY };
    image.get_or_init(|| Region::used(closed)).clone()
}

fn fix_checksum(superblock: &mut [u8]) {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    let (covered, rest) = superblock.split_at_mut(HEADER_BYTES - 4);
    rest[..4].copy_from_slice(&CRC.checksum(covered).to_le_bytes());
}

fn seeds() -> Vec<Vec<u8>> {
    let mut region = image(true);
    let mut whole = vec![AS_IT_IS];
    // What follows is unused.
    whole.extend(&region.parts().0[..448]);
    // The state word, the version, the geometry, a mount line, the replica.
    let damage = [1, 0, 1, 1];
    vec![
        whole,
        vec![0],
        [&[0, 1], &damage[..3]].concat(),
        vec![FIX[0], 2, 16, 0, 1, 72, 0, 1],
        vec![FIX[0] | FIX[1] | DIRTY, 1, 28, 0, 1, 28, 0, 1],
        vec![0, 2, 0, 1, 1, 64, 1, 1, 0, 1, 1],
    ]
}
