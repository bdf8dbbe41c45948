//! Registers, sleep states and serial ports that QEMU doesn't have.

use firmware::s5::{self, SleepType};
use firmware::sdt::Table;
use firmware::spcr::{self, PciDevice};
use firmware::{GenericAddress, Signature, Space, fadt};
use frame::PhysAddr;

use crate::build::{self, Fields};
use crate::golden::golden;

fn parse_fadt(bytes: &[u8]) -> fadt::Fadt {
    fadt::parse(Table::new(bytes, fadt::SIGNATURE, fadt::FIXED_LEN).expect("sound"))
}

/// Cuts QEMU's table to a shorter one and changes some bytes.
fn changed(len: usize, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut table = golden!("seabios/facp")[..len].to_vec();
    for (at, byte) in changes {
        table[*at] = *byte;
    }
    build::repair(&mut table);
    table
}

#[test]
fn revision_1_has_ports_but_no_reset() {
    let fadt = parse_fadt(&changed(116, &[]));
    let pm1a = fadt.pm1a_control.expect("its 32-bit form");
    assert_eq!((pm1a.port(), pm1a.width_bits), (Some(0x604), 16));
    assert_eq!(fadt.dsdt, Some(PhysAddr(0xffd_f040)));
    assert_eq!(fadt.reset, None);
}

#[test]
fn generic_addresses_win_over_ports() {
    // PM1a control in memory, the DSDT above 4 GiB.
    let table = changed(
        244,
        &[(172, 0), (176, 0x10), (178, 0xd0), (179, 0xfe), (144, 2)],
    );
    let fadt = parse_fadt(&table);
    let pm1a = fadt.pm1a_control.expect("its generic form");
    assert_eq!((pm1a.space, pm1a.address), (Space::Memory, 0xfed0_0610));
    assert_eq!(pm1a.port(), None);
    assert_eq!(fadt.dsdt, Some(PhysAddr(0x2_0ffd_f040)));
}

#[test]
fn null_generic_addresses_lose_to_ports() {
    let nulls: Vec<_> = (140..148).chain(172..184).map(|at| (at, 0)).collect();
    let fadt = parse_fadt(&changed(244, &nulls));
    assert_eq!(
        fadt.pm1a_control.and_then(GenericAddress::port),
        Some(0x604)
    );
    assert_eq!(fadt.dsdt, Some(PhysAddr(0xffd_f040)));
}

#[test]
fn a_second_control_register_is_found_in_both_forms() {
    let fadt = parse_fadt(&changed(132, &[(68, 0x34), (69, 0x12)]));
    assert_eq!(
        fadt.pm1b_control.and_then(GenericAddress::port),
        Some(0x1234)
    );
    let fadt = parse_fadt(&changed(
        244,
        &[(184, 1), (185, 16), (188, 0x78), (189, 0x56)],
    ));
    assert_eq!(
        fadt.pm1b_control.and_then(GenericAddress::port),
        Some(0x5678)
    );
}

#[test]
fn a_reset_register_without_its_flag_is_none() {
    assert!(parse_fadt(&changed(244, &[])).reset.is_some());
    assert_eq!(parse_fadt(&changed(244, &[(113, 0x80)])).reset, None);
    assert_eq!(
        parse_fadt(&changed(128, &[])).reset,
        None,
        "the value is missing"
    );
}

#[test]
fn the_keyboard_controller_is_one_bit() {
    assert!(!parse_fadt(&changed(244, &[(109, 0xfd)])).keyboard_controller);
    assert!(parse_fadt(&changed(244, &[(109, 0xff)])).keyboard_controller);
}

#[test]
fn nothing_needs_to_be_enabled_without_system_management() {
    assert_eq!(parse_fadt(&changed(244, &[(48, 0)])).enable_acpi, None);
    assert_eq!(parse_fadt(&changed(244, &[(52, 0)])).enable_acpi, None);
}

fn sleep_type(definition: &[u8]) -> Option<SleepType> {
    let block = build::table(b"DSDT", 2, definition);
    s5::find(Table::new(&block, Signature(*b"DSDT"), 36).expect("sound"))
}

#[test]
fn all_encodings_of_small_integers_are_understood() {
    let off = |a, b| Some(SleepType { a, b });
    // Bytes; the root prefix and a length of two bytes.
    assert_eq!(
        sleep_type(b"\x08_S5_\x12\x06\x02\x0a\x05\x0a\x07"),
        off(5, 7)
    );
    assert_eq!(
        sleep_type(b"\x08\\_S5_\x12\x46\x00\x02\x0a\x05\x0a\x06"),
        off(5, 6)
    );
    // Zero and one; word and double word.
    assert_eq!(
        sleep_type(b"\x08_S5_\x12\x05\x04\x01\x00\x00\x00"),
        off(1, 0)
    );
    assert_eq!(
        sleep_type(b"\x08_S5_\x12\x0a\x02\x0b\x03\x00\x0c\x04\x00\x00\x00"),
        off(3, 4)
    );
    // One element serves both registers.
    assert_eq!(sleep_type(b"\x08_S5_\x12\x04\x01\x0a\x02"), off(2, 2));
}

#[test]
fn what_only_looks_like_the_sleep_state_is_passed_over() {
    let real = b"\x08_S5_\x12\x06\x02\x0a\x05\x0a\x07";
    let decoys: [&[u8]; 6] = [
        b"_S5_\x12\x06\x02\x0a\x01\x0a\x01",
        b"\x14_S5_\x12\x06\x02\x0a\x01\x0a\x01",
        b"\x08_S5_\x11\x06\x02\x0a\x01\x0a\x01",
        b"\x08_S5_\x12\x02\x00",
        b"\x08_S5_\x12\x06\x02\x0a\x08\x0a\x01",
        b"\x08_S5_\x12\x06\x02\x0b\x01\x01\x0a\x01",
    ];
    for decoy in decoys {
        assert_eq!(sleep_type(decoy), None, "{decoy:?}");
        let both = sleep_type(&[decoy, real].concat());
        assert_eq!(both, Some(SleepType { a: 5, b: 7 }), "{decoy:?}");
    }
}

/// Port 0x2f8 on PCI device 3:04.5 of segment 6, every field different.
fn spcr(revision: u8, baud_code: u8) -> Vec<u8> {
    let body = Fields::default()
        .u8(0x12)
        .raw(&[0; 3])
        .raw(&[1, 8, 0, 1])
        .u64(0x2f8)
        .raw(&[3, 4])
        .u32(0x11)
        .raw(&[baud_code, 0, 1, 2, 3, 0])
        .u16(0x1d3d)
        .u16(0x8086)
        .raw(&[3, 4, 5])
        .u32(0xffff_ffff)
        .u8(6)
        .u32(1_843_200)
        .u32(250_000)
        .u16(0)
        .u16(88);
    build::table(b"SPCR", revision, &body.0)
}

fn parse_spcr(bytes: &[u8]) -> spcr::SerialPort {
    let table = Table::new(bytes, spcr::SIGNATURE, spcr::FIXED_LEN).expect("sound");
    spcr::parse(table).expect("redirection is on")
}

#[test]
fn spcr_names_the_port_and_its_device() {
    let port = parse_spcr(&spcr(4, 7));
    assert_eq!(port.interface, 0x12);
    assert_eq!(port.registers.port(), Some(0x2f8));
    assert_eq!((port.registers.width_bits, port.registers.access), (8, 1));
    let device = PciDevice {
        segment: 6,
        bus: 3,
        device: 4,
        function: 5,
    };
    assert_eq!(port.pci, Some(device));
    assert_eq!(port.clock_hz, Some(1_843_200));
    assert_eq!(port.baud, Some(250_000));
}

#[test]
fn fields_of_later_revisions_are_not_read_from_earlier_ones() {
    let port = parse_spcr(&spcr(2, 6));
    assert_eq!((port.baud, port.clock_hz), (Some(57_600), None));
    let port = parse_spcr(&spcr(3, 0));
    assert_eq!((port.baud, port.clock_hz), (None, Some(1_843_200)));
}

#[test]
fn baud_rates_are_decoded() {
    let rates = [(3, 9_600), (4, 19_200), (6, 57_600), (7, 115_200)];
    for (code, rate) in rates {
        assert_eq!(parse_spcr(&spcr(1, code)).baud, Some(rate));
    }
}

#[test]
fn a_port_that_is_no_pci_device_has_none() {
    let mut table = spcr(2, 7);
    table[64..66].fill(0xff);
    build::repair(&mut table);
    assert_eq!(parse_spcr(&table).pci, None);
}

#[test]
fn redirection_can_be_off() {
    let mut table = spcr(2, 7);
    table[44..52].fill(0);
    build::repair(&mut table);
    let table = Table::new(&table, spcr::SIGNATURE, spcr::FIXED_LEN).expect("sound");
    assert_eq!(spcr::parse(table), None);
}
