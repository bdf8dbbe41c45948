//! The format on the medium, as an image that every later build has to open.
//!
//! `golden/version-4.txt` was written by [`make`] below: the lines of a region that
//! was left without being closed, with rows held under names, and what the owner had
//! by then. The test prints what it would write today, so that a new version of the
//! format can add its own image; those of versions that are still readable stay.

use std::fmt::Write;
use std::mem::ManuallyDrop;

use frame::{FrameId, Order};
use llfree::media::{self, Format, Geometry, Opened, SUPERBLOCK_BYTES};
use llfree::{Memory, Zone};
use persist::{Batched, Eadr, ModelledAdr, Persist};

use crate::common::{Bytes, order};

const FRAMES: usize = 4 * 512 + 100;
const GOLDEN: &str = include_str!("../golden/version-4.txt");
const LINE: usize = 32;

type Standard<'m, P> = Zone<'m, P>;

fn lower_len() -> usize {
    Standard::<Eadr>::layout(FRAMES, 1).lower_bytes
}

fn geometry() -> Geometry {
    let lower = lower_len() as u64;
    Geometry {
        region_id: 0x0123_4567_89ab_cdef,
        region_len: 0x100_0000,
        lower_offset: 4096,
        lower_len: lower,
        annex_offset: 4096 + lower,
        annex_len: 8192,
        managed_offset: 0x20_0000,
        frames: FRAMES as u64,
        base_in_giant: 0,
        words: 8,
        tree: 32,
    }
}

/// Opens a region of a superblock, lower tables and a replica, and lets `check` look.
fn with_region<P: Persist>(
    bytes: &mut Bytes,
    permission: Format,
    platform: P,
    check: impl FnOnce(&mut Standard<'_, P>, Opened),
) {
    let mut upper = Bytes::filled(Standard::<P>::layout(FRAMES, 1).upper_bytes, 0xee);
    let (superblock, rest) = bytes.split_at_mut(SUPERBLOCK_BYTES);
    let (lower, replica) = rest.split_at_mut(lower_len());
    let memory = Memory {
        lower,
        upper: &mut upper,
    };
    let expected = geometry();
    let opened = media::open(
        superblock, replica, memory, &expected, permission, 1, platform,
    );
    let (mut zone, opened) = opened.unwrap();
    check(&mut zone, opened);
}

/// Returns an image and what its owner has, as text.
fn make() -> String {
    let mut bytes = Bytes::filled(2 * SUPERBLOCK_BYTES + lower_len(), 0);
    let mut text = String::new();
    let platform = Batched(ModelledAdr);
    with_region(&mut bytes, Format::Allowed, platform, |zone, opened| {
        assert_eq!(opened, Opened::Created);
        let mut local = ManuallyDrop::new(zone.local(0).unwrap());
        for exponent in [0, 9, 0, 3, 7, 0, 5] {
            let frame = local.get(order(exponent)).unwrap();
            writeln!(text, "owned {} {exponent}", frame.0).unwrap();
        }
    });
    for (index, line) in bytes.chunks(LINE).enumerate() {
        if line.iter().any(|&byte| byte != 0) {
            let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{:06x} {hex}", index * LINE).unwrap();
        }
    }
    text
}

/// Returns the bytes and the blocks that such a text stands for.
fn parse(text: &str) -> (Bytes, Vec<(FrameId, Order)>) {
    let mut bytes = Bytes::filled(2 * SUPERBLOCK_BYTES + lower_len(), 0);
    let mut owned = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let ["owned", frame, exponent] = words[..] {
            let frame = FrameId(frame.parse().unwrap());
            owned.push((frame, order(exponent.parse().unwrap())));
        } else {
            let start = usize::from_str_radix(words[0], 16).unwrap();
            for at in 0..LINE {
                bytes[start + at] = u8::from_str_radix(&words[1][2 * at..][..2], 16).unwrap();
            }
        }
    }
    (bytes, owned)
}

#[test]
fn an_image_of_the_format_opens_with_all_that_was_owned() {
    println!("{}", make());
    let (mut bytes, owned) = parse(GOLDEN);
    with_region(&mut bytes, Format::Never, Eadr, |zone, opened| {
        let Opened::Recovered(found) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!((found.unreadable, found.unlisted), (0, 0));
        let frames = |&(frame, order): &(FrameId, Order)| frame.0..frame.0 + order.frames();
        let all: Vec<_> = owned.iter().flat_map(frames).collect();
        assert_eq!(all.len(), 3 + 512 + 8 + 128 + 32);
        assert!(all.iter().all(|&frame| zone.is_allocated(FrameId(frame))));
        assert!(found.uncertain > 0, "a row was held");
        zone.reconcile(|frame| all.contains(&frame.0));
        assert_eq!(zone.stats().free, FRAMES - all.len());
        assert_eq!(zone.validate(), Ok(()));
    });
}

/// Positive control: an image that was changed is refused.
#[test]
#[should_panic(expected = "Damaged")]
fn an_image_with_another_version_number_does_not_open() {
    let (mut bytes, _) = parse(GOLDEN);
    for copy in [0, bytes.len() - SUPERBLOCK_BYTES] {
        bytes[copy + 16] ^= 0x40;
    }
    with_region(&mut bytes, Format::Never, Eadr, |_, _| {});
}
