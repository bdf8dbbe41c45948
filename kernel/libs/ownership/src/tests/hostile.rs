//! Bytes of any kind: looking at them never fails.

use proptest::prelude::*;
use std::{string::ToString, vec::Vec};

use super::{LEN, REGION, Region, specimen::Specimen};
use crate::{Decision, Permission, decide, probe};

/// Looks, decides and says it in words.
fn all_of_it(range: &[u8]) -> Decision {
    let finding = probe(REGION, range);
    assert!(finding.place.end <= range.len());
    let permits = options::Options::default().permits;
    let decision = decide(&finding, Permission::Tokens(&permits));
    if let Decision::Refuse(refusal) = &decision {
        assert!(refusal.to_string().contains("nothing was written"));
    }
    assert_ne!(decision, Decision::Format, "without any permission");
    decision
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn short_ranges_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        all_of_it(&bytes);
    }

    #[test]
    fn a_specimen_that_is_cut_off_and_scribbled_over(
        index in any::<prop::sample::Index>(),
        len in 0_usize..1 << 20,
        changes in prop::collection::vec((0_usize..0x1_1000, any::<u8>()), 0..20),
    ) {
        let specimens: Vec<_> = Specimen::all().into_iter().filter(|s| s.size <= 64 << 20).collect();
        let mut region = index.get(&specimens).alone();
        let range = region.bytes();
        for (at, value) in changes {
            range[at] = value;
        }
        all_of_it(&range[..len]);
        let tail = range.len() - len;
        all_of_it(&range[tail..]);
    }

    #[test]
    fn a_zone_of_ours_with_any_bytes_changed(
        changes in prop::collection::vec((0_usize..512, any::<u8>(), any::<bool>()), 0..12),
    ) {
        let mut region = Region::ours();
        for (at, value, in_replica) in changes {
            let copy = if in_replica { LEN - 4096 } else { 0 };
            region.bytes()[copy + at] = value;
        }
        all_of_it(region.bytes());
    }
}
