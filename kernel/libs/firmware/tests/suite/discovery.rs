//! Machines with missing and damaged tables: what is found, and what is left.

use firmware::rsdp::RsdpError;
use firmware::sdt::TableError;
use firmware::{Finding, Node, Problem, Severity, Signature, Topology};
use frame::PhysAddr;

use crate::build;
use crate::golden::{ovmf, seabios};
use crate::image::Image;

const RSDP: u64 = 0xf_58e0;
const MADT: u64 = 0xffe_1888;
const SRAT: u64 = 0xffe_1950;
const SLIT: u64 = 0xffe_1a88;
const NFIT: u64 = 0xffe_2395;
const FADT: u64 = 0xffe_1794;

/// Returns the machine after some bytes of a table were changed and repaired.
fn changed(at: u64, changes: &[(usize, u8)]) -> Box<Topology> {
    let mut image = seabios();
    let table = image.at(at);
    for (offset, byte) in changes {
        table[*offset] = *byte;
    }
    build::repair(table);
    image.discover(RSDP)
}

/// Returns the machine after a table was renamed, so that it is missing.
fn without(at: u64) -> Box<Topology> {
    changed(at, &[(0, b'?')])
}

fn only_finding(topology: &Topology) -> &Finding {
    let [finding] = topology.findings.as_slice() else {
        panic!("{:?}", topology.findings);
    };
    finding
}

#[test]
fn without_a_root_pointer_nothing_is_known() {
    let mut topology = Topology::new();
    topology.fill(None, &Image::default(), 40);
    let finding = only_finding(&topology);
    assert_eq!(
        finding.to_string(),
        "RSD : not there; no tables at all; boot with a loader that hands over the root pointer"
    );
    assert!(topology.processors.is_empty() && topology.domain.is_none());
    assert_eq!(topology.node_of(PhysAddr(0)), Node(0));
}

#[test]
fn a_damaged_root_pointer_is_said_to_be() {
    let mut image = seabios();
    image.at(RSDP)[17] ^= 1;
    let topology = image.discover(RSDP);
    let root = only_finding(&topology).problem;
    assert!(matches!(root, Problem::Root(RsdpError::Checksum { .. })));
    let topology = seabios().discover(0x1234);
    assert_eq!(
        only_finding(&topology).problem,
        Problem::Root(RsdpError::Unmapped)
    );
    assert_eq!(only_finding(&topology).at, Some(PhysAddr(0x1234)));
}

#[test]
fn a_damaged_extension_of_the_root_pointer_leaves_the_short_list() {
    let mut image = ovmf();
    // The long list's address, which only the second checksum covers.
    image.at(0xfb7_e014)[24] ^= 1;
    let topology = image.discover(0xfb7_e014);
    assert_eq!(topology.findings.as_slice(), []);
    assert_eq!(topology.processors.len(), 4);
}

#[test]
fn a_damaged_long_list_leaves_the_short_one() {
    let mut image = ovmf();
    image.at(0xfb7_d0e8)[40] ^= 1;
    let topology = image.discover(0xfb7_e014);
    let damaged = only_finding(&topology);
    assert_eq!(damaged.table, Signature(*b"XSDT"));
    assert_eq!(topology.processors.len(), 4);
}

#[test]
fn missing_tables_are_notes_and_cost_what_they_say() {
    let missing = |at, table: &[u8; 4]| {
        let topology = without(at);
        let finding = only_finding(&topology);
        assert_eq!(finding.problem, Problem::Missing);
        assert_eq!(finding.severity(), Severity::Note);
        assert_eq!(finding.table, Signature(*table));
        topology
    };
    assert!(missing(MADT, b"APIC").processors.is_empty());
    assert_eq!(missing(SRAT, b"SRAT").node_of_cpu(3), Node(0));
    assert_eq!(missing(SLIT, b"SLIT").distance(Node(0), Node(1)), 20);
    assert_eq!(missing(SLIT, b"SLIT").distance(Node(1), Node(1)), 10);
    assert!(missing(NFIT, b"NFIT").persistent.is_empty());
    let fadt = missing(FADT, b"FACP");
    assert!(fadt.reset.is_none() && fadt.power_off.is_none());
}

#[test]
fn a_wrong_checksum_costs_the_table_and_is_said() {
    let mut image = seabios();
    image.at(NFIT)[60] ^= 0x10;
    let topology = image.discover(RSDP);
    let finding = only_finding(&topology);
    assert_eq!(finding.severity(), Severity::Warning);
    assert_eq!(
        finding.to_string(),
        "NFIT at 0xffe2395: its bytes add up to 0xf0 instead of 0; \
         no persistent range is written to; update the firmware"
    );
    assert!(topology.persistent.is_empty());
}

#[test]
fn a_length_beyond_memory_costs_the_table() {
    let mut image = seabios();
    image.at(SRAT)[6] = 1;
    let topology = image.discover(RSDP);
    let len_bytes = 0x1_0138;
    let unmapped = Problem::Table(TableError::Unmapped { len_bytes });
    assert_eq!(only_finding(&topology).problem, unmapped);
    image.at(SRAT)[7] = 0xff;
    let topology = image.discover(RSDP);
    let too_long = only_finding(&topology).problem;
    assert!(matches!(
        too_long,
        Problem::Table(TableError::TooLong { .. })
    ));
}

#[test]
fn entries_before_a_malformed_one_are_kept() {
    // The third processor's entry claims no length, or more than there is.
    let topology = changed(MADT, &[(61, 0)]);
    assert_eq!(topology.processors.len(), 2);
    assert_eq!(
        only_finding(&topology).to_string(),
        "APIC at 0xffe1888: the entry of type 0 at offset 60 has 0 bytes, at least 2 needed; \
         processors it should list stay off; update the firmware"
    );
    let topology = changed(MADT, &[(61, 7)]);
    assert_eq!(topology.processors.len(), 2);
    let topology = changed(MADT, &[(61, 0xff)]);
    assert_eq!(
        only_finding(&topology).to_string(),
        "APIC at 0xffe1888: the entry at offset 60 has 255 bytes, but the table ends after 84; \
         processors it should list stay off; update the firmware"
    );
    let topology = changed(SRAT, &[(0x71, 39)]);
    assert_eq!(topology.memory.len(), 0);
    assert_eq!(topology.node_of_cpu(3), Node(1));
}

#[test]
fn distances_that_make_no_sense_are_not_used() {
    let cases: [(&[(usize, u8)], &str); 4] = [
        (
            &[(44, 11)],
            "SLIT at 0xffe1a88: the distance from node 0 to node 0 is 11",
        ),
        (
            &[(45, 10)],
            "SLIT at 0xffe1a88: the distance from node 0 to node 1 is 10",
        ),
        (
            &[(46, 9)],
            "SLIT at 0xffe1a88: the distance from node 1 to node 0 is 9",
        ),
        (
            &[(43, 0x80)],
            "SLIT at 0xffe1a88: 9223372036854775810 nodes need as many rows",
        ),
    ];
    for (changes, beginning) in cases {
        let topology = changed(SLIT, changes);
        let said = only_finding(&topology).to_string();
        assert!(said.starts_with(beginning), "{said}");
        assert_eq!(topology.distance(Node(0), Node(1)), 20);
    }
}

#[test]
fn a_second_table_of_a_kind_is_ignored_and_said() {
    let mut image = seabios();
    let waet = image.at(0xffe_2485);
    waet[..4].copy_from_slice(b"NFIT");
    build::repair(waet);
    let topology = image.discover(RSDP);
    assert_eq!(only_finding(&topology).problem, Problem::Repeated);
    assert_eq!(topology.persistent.len(), 1);
}

#[test]
fn a_doubtful_nfit_is_said_and_its_ranges_are_refused() {
    // The last structure, the capabilities, is one byte longer than the table.
    let topology = changed(NFIT, &[(0xe2, 17)]);
    let doubtful = only_finding(&topology);
    assert!(matches!(doubtful.problem, Problem::Doubtful(_)));
    assert!(
        topology
            .persistent
            .iter()
            .all(|range| range.refusal.is_some())
    );
    assert_eq!(topology.persistent.len(), 1);
}

#[test]
fn the_sleep_state_may_be_in_a_secondary_block() {
    let mut image = seabios();
    let dsdt = image.at(0xffd_f040);
    let at = dsdt
        .windows(4)
        .position(|window| window == b"_S5_")
        .expect("QEMU has it");
    dsdt[at + 2] = b'6';
    build::repair(dsdt);
    let lost = image.discover(RSDP);
    assert_eq!(only_finding(&lost).problem, Problem::NoSleepState);
    assert_eq!(lost.power_off, None);

    let ssdt = build::table(b"SSDT", 1, b"\x08_S5_\x12\x06\x02\x0a\x05\x0a\x07");
    *image.at(0xffe_1af4) = ssdt;
    let topology = image.discover(RSDP);
    let power_off = topology.power_off.expect("the secondary block says how");
    assert_eq!((power_off.sleep_type.a, power_off.sleep_type.b), (5, 7));
}

#[test]
fn an_address_that_leads_nowhere_is_said() {
    let mut image = seabios();
    let rsdt = image.at(0xffe_24ad);
    rsdt[39] ^= 0xff;
    build::repair(rsdt);
    let topology = image.discover(RSDP);
    let said = topology.findings[0].to_string();
    let expected = "???? at 0xf0fe1794: 36 bytes can't be read";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(topology.findings.len(), 2);
}
