//! Every specimen, wherever a format may be.

use std::{collections::BTreeSet, format, fs, println, string::ToString, vec::Vec};

use frame::{FRAME_SIZE, HUGE_SIZE};
use options::{Options, Permits};

use super::{REGION, Region, specimen::Specimen};
use crate::{Content, Decision, MARKS, Permission, Sightings, decide, probe};

fn marks(range: &[u8]) -> Sightings {
    match probe(REGION, range).content {
        Content::Foreign { marks, .. } => marks,
        _ => Sightings::NONE,
    }
}

fn names(marks: &Sightings) -> Vec<&'static str> {
    marks.iter().map(|sighting| sighting.mark.name).collect()
}

/// A specimen at the start, 4 KiB, 1 MiB, 2 MiB and 12 MiB of a larger range or, if
/// it is found from the end, with so many bytes before it at the end of one.
#[test]
fn every_specimen_is_named_wherever_it_is() {
    let (mut checks, mut kinds) = (0, BTreeSet::new());
    for specimen in Specimen::all() {
        // Some marks are found from the end of the range alone.
        let (size, from_end) = (specimen.size, ["md1-end", "md0", "ddf", "imsm", "llfree"]);
        let from_end = from_end.contains(&&*specimen.file) || specimen.file == "zfs-tail";
        let starts = [0, FRAME_SIZE, 1 << 20, HUGE_SIZE, 6 * HUGE_SIZE];
        for start in starts {
            let mut region = Region::of(if from_end {
                start + size
            } else {
                size + 7 * HUGE_SIZE
            });
            specimen.lay(region.bytes(), start);
            // Where its own rounding would put it in another place, and where a
            // namespace is adopted.
            if (from_end && start % 65536 != 0) || (specimen.name == "dax" && start == 0) {
                continue;
            }
            let marks = marks(region.bytes());
            assert!(
                names(&marks).contains(&&*specimen.name),
                "{} at {start:#x}: {marks:?}",
                specimen.file
            );
            checks += 1;
        }
        kinds.insert(specimen.name);
    }
    println!("{checks} checks of {} kinds", kinds.len());
    assert!(kinds.len() >= 45 && checks >= 5 * kinds.len());
}

#[test]
fn a_specimen_is_given_no_name_but_its_own() {
    for specimen in Specimen::all() {
        let found = names(&marks(specimen.alone().bytes()));
        let expected: &[&str] = match &*specimen.name {
            // A partition table is protected by one of the older kind.
            "gpt" => &["gpt", "mbr"],
            // A namespace that may be adopted is no foreign mark.
            "dax" => &[],
            name => &[name],
        };
        assert_eq!(found, expected, "{}", specimen.file);
    }
}

#[test]
fn every_name_in_the_table_has_a_specimen() {
    let specimens: BTreeSet<_> = Specimen::all().into_iter().map(|s| s.name).collect();
    let table: BTreeSet<_> = MARKS.iter().map(|mark| mark.name.to_string()).collect();
    assert_eq!(specimens, table);
}

#[test]
fn every_name_is_in_the_documentation() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/ownership.md");
    let docs = fs::read_to_string(docs).expect("part of the repository");
    for mark in &MARKS {
        assert!(docs.contains(&format!("`{}`", mark.name)), "{}", mark.name);
    }
}

#[test]
fn every_specimen_says_where_it_is_from() {
    for specimen in Specimen::all() {
        let origin = &specimen.origin;
        let is_told = origin.starts_with("by hand: ") || origin.contains("IMAGE");
        assert!(is_told, "{}: {origin}", specimen.file);
    }
}

#[test]
fn no_specimen_is_formatted_before_its_token_and_all_its_names_are_given() {
    for specimen in Specimen::all().iter().filter(|s| s.name != "dax") {
        let mut region = specimen.alone();
        let finding = probe(REGION, region.bytes());
        let read = |text: &str| Options::parse(text, |complaint| panic!("{complaint}")).permits;
        let decide = |permits: &Permits| decide(&finding, Permission::Tokens(permits));

        let Decision::Refuse(refusal) = decide(&Permits::default()) else {
            panic!("{} is not refused", specimen.file);
        };
        assert!(refusal.to_string().contains("nothing was written"));
        let words = refusal.words().expect("words that permit").to_string();
        let (token, overwrite) = words.split_once(' ').expect("two words");
        for insufficient in [token, overwrite, "pmem.format=any"] {
            let decision = decide(&read(insufficient));
            assert!(matches!(decision, Decision::Refuse(_)), "{insufficient}");
        }
        assert_eq!(decide(&read(&words)), Decision::Format, "{words}");
    }
}

/// Positive control: nothing is read into zeros, or into random bytes.
#[test]
fn what_is_no_mark_is_given_no_name() {
    let mut region = Region::of(64 << 20);
    assert!(marks(region.bytes()).is_empty());
    let mut state = 1_u64;
    for byte in region.bytes() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    assert_eq!(names(&marks(region.bytes())), [""; 0]);
}
