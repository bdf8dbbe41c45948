//! Lists of processors and memory made by hand.

use crate::build::{self, Fields};

pub(crate) fn local(apic_id: u8, uid: u8, flags: u32) -> Vec<u8> {
    Fields::default()
        .u8(0)
        .u8(8)
        .u8(uid)
        .u8(apic_id)
        .u32(flags)
        .0
}

pub(crate) fn local_x2(apic_id: u32, uid: u32, flags: u32) -> Vec<u8> {
    let fields = Fields::default().u8(9).u8(16).u16(0);
    fields.u32(apic_id).u32(flags).u32(uid).0
}

pub(crate) fn madt(entries: &[Vec<u8>]) -> Vec<u8> {
    let fixed = Fields::default().u32(0xfee0_0000).u32(1);
    build::table(b"APIC", 5, &fixed.raw(&entries.concat()).0)
}

pub(crate) fn affinity(entries: &[Vec<u8>], revision: u8) -> Vec<u8> {
    let fixed = Fields::default().u32(1).u64(0);
    build::table(b"SRAT", revision, &fixed.raw(&entries.concat()).0)
}

/// Domain 0x04030201 for local APIC 9.
pub(crate) fn wide_domain() -> Vec<u8> {
    let fields = Fields::default().u8(0).u8(16).u8(1).u8(9).u32(1);
    fields.u8(0xee).raw(&[2, 3, 4]).u32(0xdddd_dddd).0
}

pub(crate) fn memory(domain: u32, start: u64, len: u64, flags: u32) -> Vec<u8> {
    let fields = Fields::default().u8(1).u8(40).u32(domain).u16(0);
    fields.u64(start).u64(len).u32(0).u32(flags).u64(0).0
}

pub(crate) fn local_apic_address(address: u64) -> Vec<u8> {
    Fields::default().u8(5).u8(12).u16(0).u64(address).0
}

pub(crate) fn mailbox(address: u64) -> Vec<u8> {
    let fields = Fields::default().u8(16).u8(16).u16(0).u32(0);
    fields.u64(address).0
}

pub(crate) fn affinity_x2(apic_id: u32, domain: u32) -> Vec<u8> {
    let fields = Fields::default().u8(2).u8(24).u16(0);
    fields.u32(domain).u32(apic_id).u32(1).u64(0).0
}

/// Returns an MADT with every type of entry that is read.
pub(crate) fn every_processor() -> Vec<u8> {
    madt(&[
        local(0, 0, 1),
        local_x2(300, 1, 1),
        local_apic_address(0x1_fee0_0000),
        mailbox(0x7_5000),
        local(1, 2, 2),
    ])
}

/// Returns an SRAT with every type of entry that is read.
pub(crate) fn every_affinity() -> Vec<u8> {
    let memory = memory(1, 4 << 30, 1 << 30, 5);
    affinity(
        &[wide_domain(), memory, affinity_x2(300, 1), wide_domain()],
        3,
    )
}
