//! Every table cut short at every byte, and with every byte changed.
//!
//! A changed byte alone is caught by the checksum, which is then all that is
//! tested; so each change is tried again with length and checksum repaired, and
//! it is counted how often structures of each type were still reached.

use std::collections::BTreeMap;

use firmware::nfit::structure::Structure;
use firmware::nfit::{self, Nfit};
use firmware::sdt::Table;
use firmware::{Signature, entries, fadt, madt, s5, slit, spcr, srat};

use crate::build;
use crate::golden::golden;
use crate::golden_nfit::judged;
use crate::lists;
use crate::oracle;

/// How many broken tables reached each type of structure.
type Reached = BTreeMap<(&'static str, u16), usize>;

/// A table and what to do with it.
struct Subject {
    name: &'static str,
    bytes: Vec<u8>,
    least_len: usize,
    read: fn(Table<'_>, &mut Vec<u16>),
}

fn subject(
    name: &'static str,
    bytes: &[u8],
    least_len: usize,
    read: fn(Table<'_>, &mut Vec<u16>),
) -> Subject {
    let bytes = bytes.to_vec();
    Subject {
        name,
        bytes,
        least_len,
        read,
    }
}

fn subjects() -> Vec<Subject> {
    let (nfit_len, server) = (nfit::FIXED_LEN, build::server());
    let serial = build::table(b"SPCR", 4, &[1; 52]);
    vec![
        subject("APIC", golden!("seabios/apic"), madt::FIXED_LEN, read_madt),
        subject("SRAT", golden!("seabios/srat"), srat::FIXED_LEN, read_srat),
        subject(
            "APIC",
            &lists::every_processor(),
            madt::FIXED_LEN,
            read_madt,
        ),
        subject("SRAT", &lists::every_affinity(), srat::FIXED_LEN, read_srat),
        subject("SLIT", golden!("seabios/slit"), slit::FIXED_LEN, read_slit),
        subject("FACP", golden!("seabios/facp"), fadt::FIXED_LEN, read_fadt),
        subject("SPCR", &serial, spcr::FIXED_LEN, read_spcr),
        subject("NFIT", golden!("nfit/base"), nfit_len, read_nfit),
        subject("NFIT", golden!("nfit/mc"), nfit_len, read_nfit),
        subject("NFIT", golden!("nfit/cpu"), nfit_len, read_nfit),
        subject("NFIT", &server, nfit_len, read_nfit),
    ]
}

/// What stands for all types of entries that aren't read.
const OTHER: u16 = u16::MAX;

fn read_entries(table: Table<'_>, offset: usize, known: &[u16], reached: &mut Vec<u16>) {
    let entries = entries::Entries::new(table.bytes(), offset).map_while(Result::ok);
    let kinds = entries.map(|entry| u16::from(entry.kind));
    reached.extend(kinds.map(|kind| if known.contains(&kind) { kind } else { OTHER }));
}

fn read_madt(table: Table<'_>, reached: &mut Vec<u16>) {
    read_entries(table, madt::FIXED_LEN, &[0, 5, 9, 16], reached);
    let mut items = 0;
    if madt::items(table, |_| items += 1).is_ok() {
        assert!(items <= table.bytes().len() / 8);
    }
}

fn read_srat(table: Table<'_>, reached: &mut Vec<u16>) {
    read_entries(table, srat::FIXED_LEN, &[0, 1, 2], reached);
    let mut items = 0;
    let walked = srat::items(table, |item| {
        items += 1;
        if let srat::Item::Memory(memory) = item {
            assert!(!memory.range.is_empty());
        }
    });
    assert!(walked.is_err() || items <= table.bytes().len() / 16);
}

fn read_slit(table: Table<'_>, reached: &mut Vec<u16>) {
    if let Ok(matrix) = slit::Matrix::new(table) {
        assert!((0..matrix.nodes()).all(|node| matrix.distance(node, node) == Some(10)));
        reached.push(0);
    }
}

fn read_fadt(table: Table<'_>, reached: &mut Vec<u16>) {
    let fadt = fadt::parse(table);
    reached.push(u16::from(fadt.reset.is_some()));
}

fn read_spcr(table: Table<'_>, reached: &mut Vec<u16>) {
    reached.extend(spcr::parse(table).map(|_| 0));
}

fn read_nfit(table: Table<'_>, reached: &mut Vec<u16>) {
    for structure in Nfit::new(table).structures() {
        reached.push(match structure {
            Structure::Range(_) => 0,
            Structure::Map(_) => 1,
            Structure::Interleave(interleave) => {
                assert!(interleave.line_offsets().count() <= table.bytes().len() / 4);
                2
            }
            Structure::Smbios(_) => 3,
            Structure::Control(_) => 4,
            Structure::BlockWindow(_) => 5,
            Structure::FlushHints(hints) => {
                assert!(hints.addresses().count() <= table.bytes().len() / 8);
                6
            }
            Structure::Capabilities(_) => 7,
            Structure::Unknown { .. } => 8,
        });
    }
    let bytes = table.bytes().as_slice();
    let ranges = judged(bytes);
    let permitted = ranges.iter().filter(|range| range.refusal.is_none());
    let permitted = permitted.map(|range| (range.range.start().0, range.range.len_bytes()));
    assert_eq!(permitted.collect::<Vec<_>>(), oracle::permitted(bytes, 40));
}

impl Subject {
    /// Reads broken bytes as this table; returns whether they were accepted.
    fn try_read(&self, bytes: &[u8], reached: &mut Reached) -> bool {
        let signature = Signature(self.name.as_bytes().try_into().expect("four letters"));
        let Ok(table) = Table::new(bytes, signature, self.least_len) else {
            return false;
        };
        let mut kinds = Vec::new();
        (self.read)(table, &mut kinds);
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            *reached.entry((self.name, kind)).or_default() += 1;
        }
        true
    }
}

/// Returns the types that a sound table has, of which each must have been reached.
fn all_types(subjects: &[Subject]) -> Reached {
    let mut reached = Reached::new();
    for subject in subjects {
        assert!(
            subject.try_read(&subject.bytes, &mut reached),
            "{} is unsound",
            subject.name
        );
    }
    reached
}

fn check_reached(what: &str, subjects: &[Subject], reached: &Reached) {
    println!("{what}: {reached:?}");
    for kind in all_types(subjects).keys() {
        assert!(reached.contains_key(kind), "{what}: {kind:?} never reached");
    }
}

#[test]
fn no_prefix_of_a_table_is_accepted_as_it_is() {
    for subject in subjects() {
        let mut reached = Reached::new();
        for len in 0..subject.bytes.len() {
            let accepted = subject.try_read(&subject.bytes[..len], &mut reached);
            assert!(!accepted, "{} cut to {len}", subject.name);
        }
    }
}

#[test]
fn no_repaired_prefix_of_a_table_panics() {
    let (subjects, mut reached) = (subjects(), Reached::new());
    for subject in &subjects {
        for len in subject.least_len..subject.bytes.len() {
            let mut prefix = subject.bytes[..len].to_vec();
            build::repair(&mut prefix);
            assert!(subject.try_read(&prefix, &mut reached));
        }
    }
    // The matrix of distances exists only as a whole.
    println!("prefixes: {reached:?}");
    let whole = [("SLIT", 0)];
    for kind in all_types(&subjects)
        .keys()
        .filter(|kind| !whole.contains(kind))
    {
        assert!(reached.contains_key(kind), "{kind:?} never reached");
    }
}

#[test]
fn every_changed_byte_is_caught_by_the_checksum() {
    for subject in subjects() {
        let mut bytes = subject.bytes.clone();
        for at in 0..bytes.len() {
            for change in 1..=u8::MAX {
                bytes[at] ^= change;
                // A shorter length may cut the table where the sum happens to be right.
                let accepted = subject.try_read(&bytes, &mut Reached::new());
                assert!(
                    !accepted || (4..8).contains(&at),
                    "{} at {at}",
                    subject.name
                );
                bytes[at] ^= change;
            }
        }
    }
}

#[test]
fn no_changed_byte_panics_after_repair_and_every_structure_is_reached() {
    let (subjects, mut reached) = (subjects(), Reached::new());
    let mut cases = 0;
    for subject in &subjects {
        for at in 0..subject.bytes.len() {
            for change in 1..=u8::MAX {
                let mut bytes = subject.bytes.clone();
                bytes[at] ^= change;
                build::repair(&mut bytes);
                let accepted = subject.try_read(&bytes, &mut reached);
                assert_eq!(accepted, at >= 4, "{} at {at}", subject.name);
                cases += 1;
            }
        }
    }
    check_reached(
        &format!("{cases} repaired corruptions"),
        &subjects,
        &reached,
    );
}

#[test]
fn no_prefix_of_a_definition_block_panics() {
    let whole = golden!("seabios/dsdt");
    let mut found = 0;
    // The definition is near the end; before it there is nothing to find.
    for len in whole.len() - 600..whole.len() {
        let mut prefix = whole[..len].to_vec();
        build::repair(&mut prefix);
        let table = Table::new(&prefix, Signature(*b"DSDT"), 36).expect("repaired");
        found += usize::from(s5::find(table).is_some());
    }
    println!("of 600 prefixes, {found} have the sleep state");
    assert!((1..600).contains(&found));
}

#[test]
fn no_change_around_the_sleep_state_panics() {
    let whole = golden!("seabios/dsdt");
    let at = whole
        .windows(4)
        .position(|window| window == b"_S5_")
        .expect("QEMU has it");
    let mut found = BTreeMap::new();
    for at in at - 4..at + 16 {
        for change in 1..=u8::MAX {
            let mut bytes = whole.to_vec();
            bytes[at] ^= change;
            build::repair(&mut bytes);
            let table = Table::new(&bytes, Signature(*b"DSDT"), 36).expect("repaired");
            *found.entry(s5::find(table).is_some()).or_insert(0) += 1;
        }
    }
    println!("sleep state found, how often: {found:?}");
    assert_eq!(found.len(), 2);
}
