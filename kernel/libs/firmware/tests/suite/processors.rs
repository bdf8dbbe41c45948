//! Lists of processors and nodes that QEMU doesn't make.

use firmware::sdt::Table;
use firmware::srat::Memory;
use firmware::{Node, Processor, Topology};
use frame::PhysAddr;

use crate::build::{self, Fields};
use crate::image::Image;
use crate::lists::{
    affinity, affinity_x2, local, local_apic_address, local_x2, madt, mailbox, memory, wide_domain,
};

/// Returns the machine that has these tables.
fn machine(tables: &[Vec<u8>]) -> Box<Topology> {
    let mut image = Image::default();
    let mut list = Fields::default();
    for (number, table) in (1..).zip(tables) {
        image = image.with(number << 20, table);
        list = list.u64(number << 20);
    }
    let mut rsdp = Fields::default()
        .raw(b"RSD PTR \0TESTER\x02")
        .u32(0)
        .u32(36)
        .u64(0x8001)
        .u32(0)
        .0;
    rsdp[8] = rsdp[..20]
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_sub(*byte));
    rsdp[32] = rsdp.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte));
    let image = image.with(0x7000, &rsdp);
    image
        .with(0x8001, &build::table(b"XSDT", 1, &list.0))
        .discover(0x7000)
}

fn processor(apic_id: u32, acpi_uid: u32, node: u32, enabled: bool) -> Processor {
    let node = Node(node);
    Processor {
        apic_id,
        acpi_uid,
        node,
        enabled,
    }
}

#[test]
fn ids_of_255_and_above_come_from_x2apic_entries() {
    let topology = machine(&[madt(&[
        local(254, 1, 1),
        local_x2(255, 2, 1),
        local_x2(256, 3, 1),
        local_x2(0x0001_0000, 4, 1),
    ])]);
    let expected = [
        processor(254, 1, 0, true),
        processor(255, 2, 0, true),
        processor(256, 3, 0, true),
        processor(0x0001_0000, 4, 0, true),
    ];
    assert_eq!(topology.processors.as_slice(), expected);
}

#[test]
fn impossible_ids_are_no_processors() {
    let topology = machine(&[madt(&[local(0xff, 1, 1), local_x2(u32::MAX, 2, 1)])]);
    assert!(topology.processors.is_empty());
}

#[test]
fn a_processor_in_both_lists_is_one_and_enabled_if_either_says_so() {
    let topology = machine(&[madt(&[
        local(3, 30, 0),
        local(4, 40, 1),
        local_x2(3, 31, 1),
        local_x2(4, 41, 0),
    ])]);
    let expected = [processor(3, 31, 0, true), processor(4, 40, 0, true)];
    assert_eq!(topology.processors.as_slice(), expected);
}

#[test]
fn of_two_enabled_entries_the_first_counts() {
    let topology = machine(&[madt(&[local(4, 40, 1), local_x2(4, 41, 1)])]);
    let expected = [processor(4, 40, 0, true)];
    assert_eq!(topology.processors.as_slice(), expected);
}

#[test]
fn a_slot_for_a_processor_is_not_enabled() {
    let topology = machine(&[madt(&[local(0, 0, 1), local(1, 1, 2), local_x2(2, 2, 2)])]);
    let enabled: Vec<_> = topology.processors.iter().map(|one| one.enabled).collect();
    assert_eq!(enabled, [true, false, false]);
}

#[test]
fn a_64_bit_address_overrides_and_a_mailbox_is_noted() {
    let address = local_apic_address(0x12_fee0_0000);
    let mailbox = mailbox(0x7_5000);
    let topology = machine(&[madt(&[address, mailbox])]);
    assert_eq!(topology.local_apic, Some(PhysAddr(0x12_fee0_0000)));
    assert_eq!(topology.wakeup_mailbox, Some(PhysAddr(0x7_5000)));
}

#[test]
fn longer_entries_of_later_revisions_are_read_as_far_as_they_are_known() {
    let mut extended = local(5, 6, 1);
    extended[1] = 11;
    extended.extend([9, 9, 9]);
    let table = madt(&[extended, local_x2(300, 7, 1)]);
    let table =
        Table::new(&table, firmware::madt::SIGNATURE, firmware::madt::FIXED_LEN).expect("sound");
    let mut items = 0;
    firmware::madt::items(table, |_| items += 1).expect("sound");
    assert_eq!(items, 2);
}

#[test]
fn domains_have_a_byte_in_revision_1_and_four_since() {
    for (revision, domain) in [(1, 1), (2, 0x0403_0201), (3, 0x0403_0201)] {
        let tables = [
            madt(&[local(9, 0, 1)]),
            affinity(&[wide_domain()], revision),
        ];
        assert_eq!(
            machine(&tables).node_of_cpu(9),
            Node(domain),
            "revision {revision}"
        );
    }
    let tables = [affinity(&[memory(0xaa02, 0, 4096, 1)], 1)];
    assert_eq!(machine(&tables).node_of(PhysAddr(0)), Node(2));
}

#[test]
fn x2apic_affinity_gives_high_ids_their_node() {
    let tables = [
        affinity(&[affinity_x2(0x1ff, 6)], 3),
        madt(&[local_x2(0x1ff, 0, 1)]),
    ];
    assert_eq!(machine(&tables).node_of_cpu(0x1ff), Node(6));
    assert_eq!(machine(&tables).node_of_cpu(0x1fe), Node(0));
}

#[test]
fn entries_that_are_switched_off_or_impossible_do_not_count() {
    let tables = [affinity(
        &[
            memory(1, 0x10_0000, 0x10_0000, 0),
            memory(2, u64::MAX, 2, 1),
            memory(3, 0x10_0000, 0, 1),
            memory(4, 0x20_0000, 0x10_0000, 7),
        ],
        3,
    )];
    let topology = machine(&tables);
    let [only] = topology.memory.as_slice() else {
        panic!("{:?}", topology.memory);
    };
    let Memory {
        node,
        hot_pluggable,
        non_volatile,
        ..
    } = *only;
    assert_eq!((node, hot_pluggable, non_volatile), (Node(4), true, true));
}

#[test]
fn all_of_1024_processors_are_kept_and_more_are_a_finding() {
    let entries: Vec<_> = (0..1030).map(|id| local_x2(id, id, 1)).collect();
    let topology = machine(&[madt(&entries)]);
    assert_eq!(topology.processors.len(), 1024);
    let finding = topology.findings[0].to_string();
    assert_eq!(
        finding,
        "APIC at 0x100000: 1030 processors, room for 1024; the rest is left out; build with a larger capacity"
    );
}

#[test]
fn many_memory_ranges_are_kept_up_to_the_capacity() {
    let entries: Vec<_> = (0..300).map(|at| memory(1, at << 30, 1 << 30, 1)).collect();
    let topology = machine(&[affinity(&entries, 3)]);
    assert_eq!(topology.memory.len(), firmware::capacity::MEMORY);
    assert!(topology.findings.iter().any(|finding| {
        finding
            .to_string()
            .contains("300 memory ranges, room for 256")
    }));
}
