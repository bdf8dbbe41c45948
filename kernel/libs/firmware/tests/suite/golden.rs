//! Tables from QEMU, field by field. Where they come from is said in
//! `tests/golden/README.md`.

use firmware::sdt::Table;
use firmware::srat::Memory;
use firmware::{
    Domain, GenericAddress, Node, Physical, Processor, Severity, Signature, Space, fadt, madt,
    rsdp, s5, slit, srat,
};
use frame::{PhysAddr, PhysRange};

use crate::image::Image;

macro_rules! golden {
    ($path:literal) => {
        include_bytes!(concat!("../golden/", $path, ".bin")).as_slice()
    };
}
pub(crate) use golden;

/// The machine under SeaBIOS, its tables where they were.
pub(crate) fn seabios() -> Image {
    Image::default()
        .with(0xf_58e0, golden!("seabios/rsdp"))
        .with(0xffe_24ad, golden!("seabios/rsdt"))
        .with(0xffe_1794, golden!("seabios/facp"))
        .with(0xffd_f040, golden!("seabios/dsdt"))
        .with(0xffe_1888, golden!("seabios/apic"))
        .with(0xffe_1918, golden!("seabios/hpet"))
        .with(0xffe_1950, golden!("seabios/srat"))
        .with(0xffe_1a88, golden!("seabios/slit"))
        .with(0xffe_1ab8, golden!("seabios/mcfg"))
        .with(0xffe_1af4, golden!("seabios/ssdt"))
        .with(0xffe_2395, golden!("seabios/nfit"))
        .with(0xffe_2485, golden!("seabios/waet"))
}

/// The same machine under OVMF.
pub(crate) fn ovmf() -> Image {
    Image::default()
        .with(0xfb7_e014, golden!("ovmf/rsdp"))
        .with(0xfb7_d074, golden!("ovmf/rsdt"))
        .with(0xfb7_d0e8, golden!("ovmf/xsdt"))
        .with(0xfb7_9000, golden!("ovmf/facp"))
        .with(0xfb7_a000, golden!("ovmf/dsdt"))
        .with(0xfb7_8000, golden!("ovmf/apic"))
        .with(0xfb7_7000, golden!("ovmf/hpet"))
        .with(0xfb7_6000, golden!("ovmf/srat"))
        .with(0xfb7_5000, golden!("ovmf/slit"))
        .with(0xfb7_4000, golden!("ovmf/mcfg"))
        .with(0xfb7_3000, golden!("ovmf/ssdt"))
        .with(0xfb7_2000, golden!("ovmf/nfit"))
        .with(0xfb7_1000, golden!("ovmf/waet"))
        .with(0xfb7_0000, golden!("ovmf/bgrt"))
}

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::new(PhysAddr(start), len).expect("range wraps")
}

fn check(bytes: &'static [u8], signature: &[u8; 4]) -> Table<'static> {
    Table::new(bytes, Signature(*signature), 0).expect("the golden table is sound")
}

#[test]
fn a_root_pointer_of_revision_0_leads_to_the_rsdt() {
    let rsdp = rsdp::read(&seabios(), PhysAddr(0xf_58e0)).expect("sound");
    assert_eq!(rsdp.revision, 0);
    assert_eq!(rsdp.rsdt, Some(PhysAddr(0xffe_24ad)));
    assert_eq!(rsdp.xsdt, None);
}

#[test]
fn a_root_pointer_of_revision_2_leads_to_both_lists() {
    let rsdp = rsdp::read(&ovmf(), PhysAddr(0xfb7_e014)).expect("sound");
    assert_eq!(rsdp.revision, 2);
    assert_eq!(rsdp.rsdt, Some(PhysAddr(0xfb7_d074)));
    assert_eq!(rsdp.xsdt, Some(PhysAddr(0xfb7_d0e8)));
}

#[test]
fn a_bios_root_pointer_is_found_without_a_loader() {
    struct Bios(Vec<u8>);
    impl Physical for Bios {
        fn read(&self, start: PhysAddr, len_bytes: usize) -> Option<&[u8]> {
            let start = usize::try_from(start.0).ok()?;
            self.0.get(start..start.checked_add(len_bytes)?)
        }
    }
    let mut memory = Bios(vec![0; 1 << 20]);
    assert_eq!(rsdp::search(&memory), None);
    let rsdp = golden!("seabios/rsdp");
    memory.0[0xf_58e0..][..rsdp.len()].copy_from_slice(rsdp);
    assert_eq!(rsdp::search(&memory), Some(PhysAddr(0xf_58e0)));
    // A copy in the extended data area comes first.
    memory.0[0x40e..0x410].copy_from_slice(&0x9fc0_u16.to_le_bytes());
    memory.0[0x9_fd00..][..rsdp.len()].copy_from_slice(rsdp);
    assert_eq!(rsdp::search(&memory), Some(PhysAddr(0x9_fd00)));
}

#[test]
fn madt_lists_four_enabled_processors() {
    let table = check(golden!("seabios/apic"), b"APIC");
    assert_eq!(madt::local_apic(table), Some(PhysAddr(0xfee0_0000)));
    let mut items = Vec::new();
    madt::items(table, |item| items.push(item)).expect("sound");
    let expected = (0..4).map(|id| madt::Item::Processor {
        apic_id: id,
        acpi_uid: id,
        enabled: true,
    });
    assert_eq!(items, expected.collect::<Vec<_>>());
}

#[test]
fn srat_gives_processors_and_memory_their_nodes() {
    let table = check(golden!("seabios/srat"), b"SRAT");
    let mut items = Vec::new();
    srat::items(table, |item| items.push(item)).expect("sound");
    let processor = |apic_id, node| srat::Item::Processor {
        apic_id,
        node: Node(node),
    };
    let memory = |node, start, len| Memory {
        range: range(start, len),
        node: Node(node),
        hot_pluggable: false,
        non_volatile: false,
    };
    let nvdimm = Memory {
        non_volatile: true,
        ..memory(1, 0x1_0000_0000, 0x400_0000)
    };
    let window = Memory {
        hot_pluggable: true,
        ..memory(1, 0x1_0000_0000, 0x1_f000_0000)
    };
    let expected = [
        processor(0, 0),
        processor(1, 0),
        processor(2, 1),
        processor(3, 1),
        srat::Item::Memory(memory(0, 0, 0xa_0000)),
        srat::Item::Memory(memory(0, 0x10_0000, 0x7f0_0000)),
        srat::Item::Memory(memory(1, 0x800_0000, 0x800_0000)),
        srat::Item::Memory(nvdimm),
        srat::Item::Memory(window),
    ];
    assert_eq!(items, expected);
}

#[test]
fn slit_says_how_far_the_nodes_are() {
    let matrix = slit::Matrix::new(check(golden!("seabios/slit"), b"SLIT")).expect("sound");
    assert_eq!(matrix.nodes(), 2);
    assert_eq!(matrix.distance(0, 0), Some(10));
    assert_eq!(matrix.distance(0, 1), Some(21));
    assert_eq!(matrix.distance(1, 0), Some(21));
    assert_eq!(matrix.distance(1, 1), Some(10));
    assert_eq!(matrix.distance(2, 0), None);
}

/// A port that is 8 times `bytes` bits wide, as QEMU describes it.
fn port(address: u64, width_bits: u8) -> GenericAddress {
    GenericAddress {
        space: Space::Port,
        width_bits,
        offset_bits: 0,
        access: 0,
        address,
    }
}

#[test]
fn fadt_says_how_to_reset_and_to_power_off() {
    let fadt = fadt::parse(check(golden!("seabios/facp"), b"FACP"));
    assert_eq!(fadt.dsdt, Some(PhysAddr(0xffd_f040)));
    assert_eq!(fadt.pm1a_control, Some(port(0x604, 16)));
    assert_eq!(fadt.pm1b_control, None);
    let enable = fadt.enable_acpi.expect("QEMU has system management mode");
    assert_eq!((enable.port, enable.value), (0xb2, 2));
    let reset = fadt.reset.expect("QEMU has a reset register");
    assert_eq!((reset.register, reset.value), (port(0xcf9, 8), 0x0f));
    assert!(fadt.keyboard_controller);
}

#[test]
fn dsdt_says_that_sleep_type_0_is_off() {
    let found = s5::find(check(golden!("seabios/dsdt"), b"DSDT"));
    assert_eq!(found, Some(s5::SleepType { a: 0, b: 0 }));
}

#[test]
fn the_whole_machine_is_the_same_under_both_firmwares() {
    for (image, rsdp) in [(seabios(), 0xf_58e0), (ovmf(), 0xfb7_e014)] {
        let topology = image.discover(rsdp);
        assert_eq!(topology.findings.as_slice(), []);
        let nodes = [0, 0, 1, 1];
        let expected = (0..4).zip(nodes).map(|(id, node)| Processor {
            apic_id: id,
            acpi_uid: id,
            node: Node(node),
            enabled: true,
        });
        assert!(topology.processors.iter().copied().eq(expected));
        assert_eq!(topology.memory.len(), 5);
        assert_eq!(topology.node_of_cpu(2), Node(1));
        assert_eq!(topology.distance(Node(1), Node(0)), 21);
        assert_eq!(topology.local_apic, Some(PhysAddr(0xfee0_0000)));
        assert_eq!(topology.wakeup_mailbox, None);
        assert_eq!(topology.serial, None);
        assert!(topology.keyboard_controller);
        let power_off = topology.power_off.expect("QEMU can be switched off");
        assert_eq!(power_off.pm1a_control.port(), Some(0x604));
        assert_eq!(topology.reset.map(|reset| reset.value), Some(0x0f));
        assert_eq!(topology.domain, Some(Domain::Eadr));
        let [nvdimm] = topology.persistent.as_slice() else {
            panic!("{:?}", topology.persistent);
        };
        assert_eq!(nvdimm.range, range(0x1_0000_0000, 0x400_0000));
        assert_eq!((nvdimm.node, nvdimm.refusal), (Node(1), None));
    }
}

#[test]
fn persistent_memory_wins_over_the_window_around_it() {
    let mut topology = seabios().discover(0xf_58e0);
    topology.memory.reverse();
    let window = topology
        .memory
        .iter_mut()
        .find(|memory| memory.hot_pluggable);
    window.expect("QEMU has one").node = Node(7);
    assert_eq!(topology.node_of(PhysAddr(0x1_03ff_ffff)), Node(1));
    for memory in &mut topology.memory {
        memory.hot_pluggable |= memory.non_volatile;
    }
    assert_eq!(topology.node_of(PhysAddr(0x1_03ff_ffff)), Node(1));
    assert_eq!(topology.node_of(PhysAddr(0x1_0400_0000)), Node(7));
    assert_eq!(topology.node_of(PhysAddr(0x7ff_ffff)), Node(0));
    assert_eq!(topology.node_of(PhysAddr(0x800_0000)), Node(1));
    assert_eq!(topology.node_of(PhysAddr(u64::MAX)), Node(0));
}

#[test]
fn a_topology_fits_where_there_is_no_heap() {
    assert!(size_of::<firmware::Topology>() < 64 << 10);
    assert!(Severity::Note < Severity::Warning);
}
