//! Every single flipped bit of a persistent image, one at a time.
//!
//! A flip that turns an allocated frame into a free one leads to its being
//! allocated twice. In an image that was left in order it must not pass without a
//! report: an error, or an entry that recovery had to mend, of which there are none
//! otherwise. After a crash, repairs are everyday and prove nothing; there the
//! owner's own account, held against the allocator's, has to notice.

use frame::FrameId;
use llfree::media::{Format, Opened};

use crate::damage::{FRAMES, Region, exhaust};

/// The part of a superblock that is used, and a little more.
const USED_BYTES: usize = 512;

/// What a flipped bit did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcomes {
    /// The zone was not opened, and said why.
    refused: u32,
    /// Nobody can tell the difference.
    harmless: u32,
    /// Frames became allocated that were not.
    leaked: u32,
    /// Frames became free that were allocated, and recovery had something to mend.
    reported: u32,
    /// The same, and nothing was said.
    silent: u32,
}

fn allocated(region: &mut Region) -> (Vec<bool>, usize) {
    let mut frames = Vec::new();
    let opened = region.open(Format::Never, |zone, _| {
        frames = (0..FRAMES)
            .map(|frame| zone.is_allocated(FrameId(frame)))
            .collect();
    });
    match opened.expect("nothing is wrong with it") {
        Opened::Recovered(recovery) => (frames, recovery.mended),
        Opened::Created => panic!("it was there before"),
    }
}

/// Flips each bit of a part, one at a time, and opens the image.
fn flip_each(image: &Region, part: fn(&mut Region) -> &mut [u8]) -> Outcomes {
    let (before, mended_before) = allocated(&mut image.clone());
    let len = part(&mut image.clone()).len();
    let mut outcomes = Outcomes::default();
    for bit in 0..len * 8 {
        let mut region = image.clone();
        part(&mut region)[bit / 8] ^= 1 << (bit % 8);
        let (mut lost, mut leaked) = (false, false);
        let opened = region.open(Format::Never, |zone, _| {
            zone.validate().expect("recovery leaves tables that agree");
            for (frame, was) in before.iter().enumerate() {
                let is = zone.is_allocated(FrameId(frame));
                lost |= *was && !is;
                leaked |= is && !*was;
            }
            exhaust(zone);
        });
        let count = match opened {
            Err(_) => &mut outcomes.refused,
            Ok(Opened::Recovered(recovery)) if lost && recovery.mended > mended_before => {
                &mut outcomes.reported
            }
            Ok(_) if lost => &mut outcomes.silent,
            Ok(_) if leaked => &mut outcomes.leaked,
            Ok(_) => &mut outcomes.harmless,
        };
        *count += 1;
    }
    outcomes
}

#[test]
fn no_flipped_bit_of_a_clean_image_frees_a_frame_in_silence() {
    let image = Region::used(true);
    let tables = flip_each(&image, |region| region.parts().1);
    println!("lower tables, clean: {tables:?}");
    assert_eq!(tables.silent, 0);
    // The test can tell: there are flips of each kind.
    assert!(tables.reported > 0 && tables.leaked > 0 && tables.harmless > 0);
}

#[test]
fn no_flipped_bit_after_a_crash_frees_a_frame_without_a_repair() {
    let image = Region::used(false);
    let tables = flip_each(&image, |region| region.parts().1);
    println!("lower tables, after a crash: {tables:?}");
    assert_eq!(tables.silent, 0);
    assert!(tables.reported > 0);
}

#[test]
fn no_flipped_bit_of_a_superblock_frees_a_frame() {
    for closed in [true, false] {
        let image = Region::used(closed);
        let first = flip_each(&image, |region| &mut region.parts().0[..USED_BYTES]);
        let replica = flip_each(&image, |region| &mut region.parts().2[..USED_BYTES]);
        println!("superblock, {closed}: {first:?}; replica: {replica:?}");
        assert_eq!((first.reported, first.silent, first.leaked), (0, 0, 0));
        assert_eq!(
            (replica.reported, replica.silent, replica.leaked),
            (0, 0, 0)
        );
        assert_eq!(replica.refused, 0);
    }
}
