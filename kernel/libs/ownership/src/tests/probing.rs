use std::vec;

use frame::{FRAME_SIZE, HUGE_SIZE};
use llfree::media;
use persist::Eadr;

use super::{LEN, REGION, Region};
use crate::{Content, probe, sample::END_BYTES};

fn content(region: &mut Region) -> Content {
    let finding = probe(REGION, region.bytes());
    assert!(!finding.adopted && finding.place == (0..region.len));
    finding.content
}

#[test]
fn zeros_are_blank() {
    assert_eq!(content(&mut Region::blank()), Content::Blank);
}

#[test]
fn a_byte_at_either_end_or_at_the_start_of_a_huge_frame_is_foreign() {
    let sampled = [
        0,
        END_BYTES - 1,
        LEN - END_BYTES,
        LEN - 1,
        HUGE_SIZE,
        HUGE_SIZE + 4095,
    ];
    for place in sampled {
        let mut region = Region::blank();
        region.bytes()[place] = 1;
        match content(&mut region) {
            Content::Foreign { marks, offset } if offset == place => assert!(marks.is_empty()),
            other => panic!("{place:#x}: {other:?}"),
        }
    }
}

#[test]
fn a_formatted_region_is_ours_even_if_its_first_frame_is_gone() {
    let mut region = Region::ours();
    assert_eq!(content(&mut region), Content::Ours);
    region.bytes()[..FRAME_SIZE].fill(0);
    assert_eq!(content(&mut region), Content::Ours);
}

#[test]
fn a_region_that_somebody_took_over_is_foreign() {
    let mut region = Region::ours();
    region.bytes()[..FRAME_SIZE].fill(0xEE);
    assert!(matches!(
        content(&mut region),
        Content::Foreign { offset: 0, .. }
    ));
}

#[test]
fn a_region_without_an_intact_superblock_is_damaged() {
    let mut region = Region::ours();
    let bytes = region.bytes();
    bytes[100] ^= 1;
    bytes[LEN - FRAME_SIZE + 100] ^= 1;
    assert_eq!(content(&mut region), Content::Damaged);
}

#[test]
fn formatting_that_stopped_half_way_is_noticed() {
    let mut region = Region::ours();
    let (first, last) = region.bytes().split_at_mut(LEN - FRAME_SIZE);
    let geometry = match media::inspect(first, Some(last)) {
        media::State::Ready(header) => header.geometry,
        other => panic!("{other:?}"),
    };
    media::format_begin(&mut first[..FRAME_SIZE], last, &geometry, &Eadr).unwrap();
    assert_eq!(content(&mut region), Content::Unfinished);
}

#[test]
fn no_length_panics() {
    for len in (0..3 * FRAME_SIZE).step_by(509) {
        assert_eq!(probe(REGION, &vec![0; len]).content, Content::Blank);
    }
}
