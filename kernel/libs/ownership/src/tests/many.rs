//! A range that has been many things.

use std::{collections::BTreeSet, format, string::ToString, vec::Vec};

use frame::HUGE_SIZE;
use options::{Options, Permits};

use super::{REGION, Region, specimen::Specimen};
use crate::{Content, Decision, MARKS, Missing, Permission, decide, probe};

/// More kinds than were once listed.
const KINDS: [&str; 12] = [
    "ext4", "xfs", "btrfs", "ntfs", "exfat", "f2fs", "jfs", "luks1", "swap", "squashfs", "apfs",
    "erofs",
];

fn permits(words: &str) -> Permits {
    Options::parse(words, |complaint| panic!("{complaint}")).permits
}

/// Each kind in a partition of its own.
fn layered() -> Region {
    let mut region = Region::of(80 << 20);
    for (index, kind) in KINDS.iter().enumerate() {
        Specimen::named(kind).lay(region.bytes(), index * HUGE_SIZE);
    }
    region
}

#[test]
fn every_kind_is_named_and_has_to_be_named() {
    let finding = probe(REGION, layered().bytes());
    let Content::Foreign { marks, .. } = finding.content else {
        panic!("{:?}", finding.content);
    };
    let found: Vec<_> = marks.iter().map(|sighting| sighting.mark.name).collect();
    assert_eq!(found, KINDS);

    let format = format!("pmem.format={} pmem.overwrite=", finding.token);
    for left_out in KINDS {
        let named = KINDS.iter().filter(|kind| **kind != left_out);
        let named: Vec<_> = named.copied().collect();
        let permits = permits(&(format.clone() + &named.join(",")));
        match decide(&finding, Permission::Tokens(&permits)) {
            Decision::Refuse(refusal) => assert_eq!(refusal.missing, Missing::Names),
            other => panic!("{left_out}: {other:?}"),
        }
    }
    let all = permits(&(format + &KINDS.join(",")));
    let decision = decide(&finding, Permission::Tokens(&all));
    assert_eq!(decision, Decision::Format);
}

#[test]
fn the_token_changes_with_each_of_many() {
    let mut region = layered();
    let token = probe(REGION, region.bytes()).token;
    for index in 0..KINDS.len() {
        let mut changed = region.clone();
        // A volume's label, say: one byte of its superblock.
        let last = index * HUGE_SIZE + 0xfff;
        changed.bytes()[last] ^= 1;
        assert_ne!(probe(REGION, changed.bytes()).token, token, "{index}");
    }
}

#[test]
fn all_names_fit_on_a_command_line() {
    let names: BTreeSet<_> = MARKS.iter().map(|mark| mark.name).collect();
    let list: Vec<_> = names.iter().map(|name| name.to_string()).collect();
    let permits = permits(&format!("pmem.overwrite={},unknown", list.join(",")));
    assert!(names.iter().all(|name| permits.overwrite.contains(name)));
    assert!(permits.overwrite.contains("unknown"));
}
