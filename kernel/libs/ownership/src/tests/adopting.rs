//! Devdax namespaces, as `ndctl` writes them.

use frame::HUGE_SIZE;
use options::Options;
use proptest::prelude::*;
use std::string::ToString;

use super::{LEN, REGION, Region, format, specimen::Specimen};
use crate::{Content, Decision, Permission, decide, devdax::data_of, probe};

#[test]
fn a_namespace_is_adopted_without_its_information_block() {
    let mut region = Specimen::named("dax").alone();
    let finding = probe(REGION, region.bytes());
    assert!(finding.adopted);
    assert_eq!(finding.place, HUGE_SIZE..64 << 20);
    assert_eq!(finding.content, Content::Blank);
    // It takes a token all the same.
    let nothing = Options::default().permits;
    let decision = decide(&finding, Permission::Tokens(&nothing));
    assert!(matches!(decision, Decision::Refuse(_)));
    let words = std::format!("pmem.format={}", finding.token);
    let permits = Options::parse(&words, |_| ()).permits;
    assert_eq!(
        decide(&finding, Permission::Tokens(&permits)),
        Decision::Format
    );
}

#[test]
fn a_zone_of_ours_in_a_namespace_is_found_again() {
    let mut region = Specimen::named("dax").alone();
    // A zone that is as long as the namespace says.
    let pages = LEN as u64 / 4096;
    set(region.bytes(), 64, &pages.to_le_bytes());
    assert_eq!(data_of(region.bytes()), Some(HUGE_SIZE..HUGE_SIZE + LEN));
    format(&mut region.bytes()[HUGE_SIZE..HUGE_SIZE + LEN]);
    let finding = probe(REGION, region.bytes());
    assert_eq!((finding.adopted, finding.content), (true, Content::Ours));
}

#[test]
fn a_file_system_inside_a_namespace_is_foreign() {
    let mut region = Specimen::named("dax").alone();
    Specimen::named("ext4").lay(&mut region.bytes()[..], HUGE_SIZE);
    let finding = probe(REGION, region.bytes());
    let Content::Foreign { marks, .. } = finding.content else {
        panic!("{:?}", finding.content);
    };
    assert_eq!(marks.iter().next().map(|s| s.mark.name), Some("ext4"));
}

#[test]
fn an_fsdax_namespace_belongs_to_its_file_system() {
    let mut region = Specimen::named("pfn").alone();
    assert_eq!(data_of(region.bytes()), None);
    assert!(!probe(REGION, region.bytes()).adopted);
}

#[test]
fn a_block_with_any_byte_changed_is_not_believed() {
    let mut region = Specimen::named("dax").alone();
    assert!(data_of(region.bytes()).is_some());
    for at in 4096..8192 {
        region.bytes()[at] ^= 0x10;
        assert_eq!(data_of(region.bytes()), None, "byte {at}");
        region.bytes()[at] ^= 0x10;
    }
    // It is named instead.
    region.bytes()[8000] ^= 1;
    let finding = probe(REGION, region.bytes());
    let Decision::Refuse(refusal) = decide(&finding, Permission::StandIn) else {
        assert!(!finding.adopted);
        assert!(finding.content.to_string().contains("dax at 0x1000"));
        return;
    };
    panic!("{refusal}");
}

/// Changes a field of the block and mends its checksum.
pub(super) fn set(range: &mut [u8], at: usize, field: &[u8]) {
    let block = &mut range[4096..8192];
    block[at..at + field.len()].copy_from_slice(field);
    block[4088..].fill(0);
    let (mut low, mut high) = (0_u32, 0_u64);
    for word in block.as_chunks::<4>().0 {
        low = low.wrapping_add(u32::from_le_bytes(*word));
        high = high.wrapping_add(u64::from(low));
    }
    block[4088..].copy_from_slice(&(high << 32 | u64::from(low)).to_le_bytes());
}

#[test]
fn contradictions_in_a_sound_block_are_refused() {
    let fields: [(&str, usize, &[u8]); 7] = [
        ("version 2", 52, &[2, 0]),
        ("mode 3", 72, &[3]),
        ("data in the first frame", 56, &0x1000_u64.to_le_bytes()),
        ("data from an odd byte", 56, &0x20_0001_u64.to_le_bytes()),
        ("data behind the end", 56, &(1_u64 << 40).to_le_bytes()),
        ("no pages", 64, &[0; 8]),
        ("alignment of 3", 84, &3_u32.to_le_bytes()),
    ];
    for (what, at, field) in fields {
        let mut region = Specimen::named("dax").alone();
        set(region.bytes(), at, field);
        assert_eq!(data_of(region.bytes()), None, "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever a block with a right checksum says, what is adopted lies within the
    /// range and leaves the block alone.
    #[test]
    fn what_is_adopted_is_inside_the_range_and_behind_the_block(
        fields in prop::collection::vec((52_usize..92, any::<[u8; 4]>()), 0..5),
        len in 0_usize..4 << 20,
    ) {
        let mut region = Region::of(4 << 20);
        Specimen::named("dax").lay(region.bytes(), 0);
        for (at, field) in fields {
            set(region.bytes(), at, &field);
        }
        if let Some(data) = data_of(&region.bytes()[..len]) {
            prop_assert!(data.start >= 8192 && data.start < data.end && data.end <= len);
        }
    }
}
