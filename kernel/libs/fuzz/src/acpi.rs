//! The firmware's tables, from the root pointer on.
//!
//! An input is a byte of flags, then tables, each with a byte that says how it
//! is to be treated and a length. The target lays them out one after the other,
//! at addresses as odd as their lengths make them, lists them, and puts lengths
//! and checksums right unless a table says that it wants to stay as it is.

use firmware::{PersistentRange, Topology};
use frame::{FRAME_SIZE, PhysAddr};

use crate::{
    Target,
    image::{Image, fix_sum, fix_table},
    input::{Input, Output},
};

pub(crate) const TARGET: Target = Target {
    name: "acpi",
    control: false,
    max_len: 4096,
    run,
    seeds,
};

/// Where tables were seen to lie.
const START: u64 = 0x7fe_2173;
/// Root pointer of revision 2 and its list, rather than those of revision 0.
const LONG_ROOT: u8 = 1 << 0;
/// The last table is the list itself.
const OWN_ROOT: u8 = 1 << 1;
/// The root pointer's checksums are wrong.
const BAD_ROOT: u8 = 1 << 2;
/// A table stays as it is, length and checksum included.
const AS_IT_IS: u8 = 1 << 0;
/// A table is not listed; the last of these is the one that the FADT points to.
const UNLISTED: u8 = 1 << 1;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.u8();
    let physical_bits = 32 + input.u8() % 24;
    let mut memory = Image::at(START);
    let listed = lay_out(&mut input, &mut memory);
    let root = root(&mut memory, flags, &listed);
    let mut topology = Box::<Topology>::default();
    topology.fill(Some(root), &memory, physical_bits);
    check(&topology, physical_bits);
}

/// Puts the tables into memory and returns where those are that are listed.
fn lay_out(input: &mut Input<'_>, memory: &mut Image) -> Vec<u64> {
    let mut listed = Vec::new();
    let mut block = 0;
    while !input.is_empty() {
        let how = input.u8();
        let len = usize::from(input.u16());
        let mut table = input.bytes(len).to_vec();
        if how & AS_IT_IS == 0 {
            point_to(&mut table, block);
            fix_table(&mut table);
        }
        if how & UNLISTED == 0 {
            listed.push(memory.end());
        } else {
            block = memory.end();
        }
        memory.bytes.extend(table);
    }
    listed
}

/// Makes a FADT point to the definition block.
fn point_to(table: &mut [u8], block: u64) {
    const DSDT: usize = 40;
    const LONG_DSDT: usize = 140;
    if block == 0 || !table.starts_with(b"FACP") {
        return;
    }
    if let Some(field) = table.get_mut(DSDT..DSDT + 4) {
        field.copy_from_slice(&block.to_le_bytes()[..4]);
    }
    if let Some(field) = table.get_mut(LONG_DSDT..LONG_DSDT + 8) {
        field.copy_from_slice(&block.to_le_bytes());
    }
}

/// Adds the list of tables and the root pointer, and returns where that is.
fn root(memory: &mut Image, flags: u8, listed: &[u64]) -> PhysAddr {
    let is_long = flags & LONG_ROOT != 0;
    let mut list = memory.end();
    if let (true, Some(last)) = (flags & OWN_ROOT != 0, listed.last()) {
        list = *last;
    } else {
        let mut table = if is_long { *b"XSDT" } else { *b"RSDT" }.to_vec();
        table.resize(36, 0);
        let width = if is_long { 8 } else { 4 };
        for at in listed {
            table.extend(&at.to_le_bytes()[..width]);
        }
        fix_table(&mut table);
        memory.bytes.extend(table);
    }
    let at = memory.end();
    let mut pointer = b"RSD PTR ".to_vec();
    pointer.resize(36, 0);
    pointer[16..20].copy_from_slice(&list.to_le_bytes()[..4]);
    if is_long {
        pointer[15] = 2;
        pointer[20] = 36;
        pointer[24..32].copy_from_slice(&list.to_le_bytes());
    }
    if flags & BAD_ROOT == 0 {
        fix_sum(&mut pointer[..20], 8);
        fix_sum(&mut pointer, 32);
    }
    memory.bytes.extend(pointer);
    PhysAddr(at)
}

/// Everything that was found can be said, and what is permitted makes sense.
fn check(topology: &Topology, physical_bits: u8) {
    for finding in &topology.findings {
        assert!(!finding.to_string().is_empty());
        let _ = finding.severity();
    }
    check_ranges(&topology.persistent, physical_bits);
    for (number, processor) in topology.processors.iter().enumerate() {
        let mut others = topology.processors[..number].iter();
        assert!(others.all(|other| other.apic_id != processor.apic_id));
    }
}

/// What may be written to consists of whole frames that exist, and of no frame
/// twice.
pub(crate) fn check_ranges(ranges: &[PersistentRange], physical_bits: u8) {
    for (number, range) in ranges.iter().enumerate() {
        if let Some(refusal) = range.refusal {
            assert!(!refusal.to_string().is_empty());
            continue;
        }
        let place = range.range;
        assert!(!place.is_empty() && place.start().0 >= 1 << 20);
        assert!(place.start().is_aligned(FRAME_SIZE as u64));
        assert!(place.end().is_aligned(FRAME_SIZE as u64));
        assert!(place.end().0 <= 1 << physical_bits);
        for other in &ranges[..number] {
            assert!(other.refusal.is_some() || !other.range.overlaps(place));
        }
    }
}

macro_rules! golden {
    ($path:literal) => {
        include_bytes!(concat!("../../firmware/tests/golden/", $path, ".bin")).as_slice()
    };
}
pub(crate) use golden;

fn seeds() -> Vec<Vec<u8>> {
    const DSDT_BYTES: usize = 600;
    let machine = |flags, tables: &[(u8, &[u8])]| {
        let mut seed = Output::default().u8(flags).u8(8);
        for (how, table) in tables {
            let len = u16::try_from(table.len()).expect("tables here are short");
            seed = seed.u8(*how).u16(len).bytes(table);
        }
        seed.0
    };
    // The sleep states are at the end of it.
    let block = golden!("seabios/dsdt");
    let block = [&block[..36], &block[block.len() - DSDT_BYTES..]].concat();
    let short = [
        (UNLISTED, block.as_slice()),
        (0, golden!("seabios/facp")),
        (0, golden!("seabios/apic")),
        (0, golden!("seabios/srat")),
        (0, golden!("seabios/slit")),
        (0, golden!("seabios/nfit")),
    ];
    let long = [
        (UNLISTED, block.as_slice()),
        (0, golden!("ovmf/facp")),
        (0, golden!("ovmf/apic")),
        (0, golden!("ovmf/srat")),
        (0, golden!("ovmf/nfit")),
    ];
    vec![
        machine(0, &short),
        machine(LONG_ROOT, &long),
        machine(LONG_ROOT, &[(AS_IT_IS, golden!("nfit/cpu"))]),
        machine(OWN_ROOT, &[(0, golden!("seabios/rsdt"))]),
        machine(OWN_ROOT | LONG_ROOT, &[(0, golden!("ovmf/xsdt"))]),
        machine(BAD_ROOT, &[(0, golden!("seabios/apic"))]),
        machine(0, &[(0, &spcr())]),
    ]
}

/// A serial port redirection table, which QEMU's machines here have none of.
fn spcr() -> Vec<u8> {
    let mut table = b"SPCR".to_vec();
    table.resize(80, 0);
    table[8] = 2;
    // A 16550 at port 0x3f8: a generic address of 12 bytes at 40.
    table[40..44].copy_from_slice(&[1, 8, 0, 1]);
    table[44..46].copy_from_slice(&0x3f8_u16.to_le_bytes());
    table[58] = 7;
    table
}
