//! What a token speaks of.

use frame::{FRAME_SIZE, HUGE_SIZE};
use options::Token;

use super::{LEN, REGION, Region, adopting::set, specimen::Specimen};
use crate::{probe, sample::places};

/// Where the first partition of most tables starts.
const FIRST_PARTITION: usize = 1 << 20;

fn token(region: &mut Region) -> Token {
    probe(REGION, region.bytes()).token
}

/// Returns whether a change of this byte makes the token void.
fn counts(region: &mut Region, at: usize) -> bool {
    let before = token(region);
    region.bytes()[at] ^= 0x10;
    let after = token(region);
    region.bytes()[at] ^= 0x10;
    before != after
}

/// The first partition of a disk holds this.
fn disk(specimen: &str) -> Region {
    let mut region = Specimen::named("gpt").alone();
    Specimen::named(specimen).lay(region.bytes(), FIRST_PARTITION);
    region
}

#[test]
fn it_is_a_function_of_the_identity_the_length_and_the_content() {
    let mut region = Region::blank();
    let token = token(&mut region);
    assert_eq!(probe(REGION, region.bytes()).token, token);
    assert_ne!(probe(REGION + 1, region.bytes()).token.digest, token.digest);
    assert_ne!(probe(REGION, &region.bytes()[..LEN - 4096]).token, token);
}

#[test]
fn it_changes_with_every_place_that_is_looked_at() {
    let mut region = Region::blank();
    let before = token(&mut region);
    for place in places(LEN).filter(|place| !place.is_empty()) {
        for at in [place.start, place.end - 1] {
            region.bytes()[at] = 1;
            assert_ne!(token(&mut region), before, "{at:#x}");
            region.bytes()[at] = 0;
        }
    }
}

/// Positive control: a byte that nobody looks at does not change it.
#[test]
fn it_does_not_change_with_what_is_not_looked_at() {
    assert!(!counts(
        &mut Region::blank(),
        HUGE_SIZE + 2 * FRAME_SIZE - 1
    ));
}

#[test]
fn a_file_system_made_anew_in_a_partition_voids_it() {
    // Its superblock: identity, times, label.
    let superblock = FIRST_PARTITION + 0x400..FIRST_PARTITION + 0x800;
    let mut region = disk("ext4");
    for at in superblock.clone().step_by(37).chain([superblock.end - 1]) {
        assert!(counts(&mut region, at), "{at:#x}");
    }
}

#[test]
fn the_frame_around_a_mark_counts_where_it_is_behind_the_first_frame() {
    for start in [FIRST_PARTITION, HUGE_SIZE] {
        let mut region = Region::of(12 * HUGE_SIZE);
        Specimen::named("btrfs").lay(region.bytes(), start);
        let superblock = start + 0x1_0000;
        for at in [0x20, 0x4f, 0x12b, 0xfff] {
            assert!(
                counts(&mut region, superblock + at),
                "{at:#x} from {start:#x}"
            );
        }
    }
}

#[test]
fn the_second_of_a_kind_counts_too() {
    let mut region = disk("btrfs");
    Specimen::named("btrfs").lay(region.bytes(), 3 * HUGE_SIZE);
    // Its identity: only the first of a kind is among the sightings.
    assert!(counts(&mut region, 3 * HUGE_SIZE + 0x1_0020));
}

/// The data of a namespace starts where it likes, and is looked at from there.
#[test]
fn an_adopted_part_counts_from_its_own_start() {
    let mut region = Specimen::named("dax").alone();
    let start = HUGE_SIZE + 3 * FRAME_SIZE;
    set(region.bytes(), 56, &(start as u64).to_le_bytes());
    let finding = probe(REGION, region.bytes());
    assert!(finding.adopted && finding.place.start == start);

    for at in [0, 77, (1 << 20) - 1, HUGE_SIZE, HUGE_SIZE + FRAME_SIZE - 1] {
        assert!(counts(&mut region, start + at), "{at:#x}");
    }
    let last = finding.place.end - 1;
    assert!(counts(&mut region, last));

    // So do the bounds: the block is Linux's, but it says what is to be lost.
    let before = token(&mut region);
    let fewer = (last + 1 - start) as u64 / 4096 - 1;
    set(region.bytes(), 64, &fewer.to_le_bytes());
    assert_ne!(token(&mut region), before);
}
