//! The table of persistent ranges, structure by structure.
//!
//! An input is a byte for the width of addresses, then structures: a byte for
//! the type, one for the number of bytes, the bytes. Lengths and the checksum
//! are put right, except where the type's highest bit asks for the length that
//! the bytes themselves give.

use arrayvec::ArrayVec;
use firmware::{
    Node, PersistentRange,
    nfit::{self, Nfit},
    sdt::Table,
};

use crate::{
    Target,
    acpi::{check_ranges, golden},
    image::fix_table,
    input::{Input, Output},
};

pub(crate) const TARGET: Target = Target {
    name: "nfit",
    control: false,
    max_len: 2048,
    run,
    seeds,
};

/// The bytes begin with a length of their own.
const OWN_LENGTH: u8 = 1 << 7;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let physical_bits = 32 + input.u8() % 24;
    let mut bytes = b"NFIT".to_vec();
    bytes.resize(nfit::FIXED_LEN, 0);
    while !input.is_empty() {
        let kind = input.u8();
        let len = usize::from(input.u8());
        let body = input.bytes(len);
        bytes.extend([kind & 0xf, 0]);
        if kind & OWN_LENGTH == 0 {
            bytes.extend(u16::try_from(body.len() + 4).unwrap_or(0).to_le_bytes());
        }
        bytes.extend(body);
    }
    fix_table(&mut bytes);
    let table = Table::new(&bytes, nfit::SIGNATURE, nfit::FIXED_LEN);
    let nfit = Nfit::new(table.expect("length and checksum were put right"));
    let mut found = ArrayVec::<PersistentRange, 8>::new();
    let listed = nfit::judge(&nfit, physical_bits, |_| Node(0), &mut found);
    assert!(found.len() == listed.min(8));
    if let Some(broken) = nfit.broken() {
        assert!(!broken.to_string().is_empty());
        assert!(found.iter().all(|range| range.refusal.is_some()));
    }
    check_ranges(&found, physical_bits);
}

fn seeds() -> Vec<Vec<u8>> {
    let tables = [
        golden!("nfit/base"),
        golden!("nfit/cpu"),
        golden!("nfit/mc"),
    ];
    let mut seeds: Vec<_> = tables.into_iter().map(taken_apart).collect();
    // Types that QEMU does not emit: interleave, SMBIOS, block window, hints.
    let mut all = seeds[1].clone();
    for (kind, len) in [(2, 20), (3, 12), (5, 36), (6, 20), (9, 5)] {
        all.extend(
            Output::default()
                .u8(kind)
                .u8(len)
                .bytes(&vec![1; usize::from(len)])
                .0,
        );
    }
    seeds.push(all);
    seeds
}

/// An input that stands for this table.
fn taken_apart(table: &[u8]) -> Vec<u8> {
    let mut seed = Output::default().u8(8);
    let mut rest = &table[nfit::FIXED_LEN..];
    while let [kind, _, len, _, ..] = *rest {
        let (structure, others) = rest.split_at(usize::from(len));
        seed = seed.u8(kind).u8(len - 4).bytes(&structure[4..]);
        rest = others;
    }
    seed.0
}
