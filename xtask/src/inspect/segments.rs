//! Segments: where, and with which rights.

use anyhow::Result;
use object::elf;
use object::endian::LittleEndian as LE;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _, SectionHeader as _};

use super::Finding;

const PAGE_SIZE: u64 = 0x1000;

/// What an image's linker script promises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// Its type: static or position-independent.
    pub(super) kind: elf::FileType,
    /// The address of its first segment.
    pub(super) start: u64,
}

/// `linker.ld`
pub(super) const KERNEL: Promise = Promise {
    kind: elf::ET_EXEC,
    start: 0xffff_ffff_8020_0000,
};

/// `boot/efi.ld`
pub(super) const EFI: Promise = Promise {
    kind: elf::ET_DYN,
    start: 0x1000,
};

/// `boot/pvh.ld`
pub(super) const PVH: Promise = Promise {
    kind: elf::ET_EXEC,
    start: 0x10_0000,
};

/// Compares an ELF file's segments with what was promised.
pub(super) fn inspect(file: &[u8], promise: Promise) -> Result<Vec<Finding>> {
    let elf = ElfFile64::<LE>::parse(file)?;
    let mut findings = Vec::new();
    if elf.elf_header().e_type(LE) != promise.kind {
        let kind = elf.elf_header().e_type(LE);
        let reason = format!("ELF type {kind:?} instead of {:?}", promise.kind);
        findings.push(Finding::Refused { reason });
    }
    let mut start = None;
    for header in elf.elf_program_headers() {
        if header.p_type(LE) != elf::PT_LOAD || header.p_memsz(LE) == 0 {
            continue;
        }
        let address = header.p_vaddr(LE);
        start = Some(start.map_or(address, |start: u64| start.min(address)));
        if header.p_flags(LE).contains(elf::PF_W | elf::PF_X) {
            findings.push(Finding::WritableCode { address });
        }
        if (address | header.p_offset(LE)) % PAGE_SIZE != 0 {
            findings.push(Finding::Unaligned { address });
        }
    }
    if start != Some(promise.start) {
        findings.push(Finding::LoadAddress {
            expected: promise.start,
            found: start,
        });
    }
    if promise.kind == elf::ET_EXEC {
        findings.extend(dynamic_relocations(&elf));
    }
    Ok(findings)
}

fn dynamic_relocations(elf: &ElfFile64<'_, LE>) -> Vec<Finding> {
    let segments = elf
        .elf_program_headers()
        .iter()
        .filter(|header| matches!(header.p_type(LE), elf::PT_DYNAMIC | elf::PT_INTERP))
        .map(|header| format!("segment of type {:?}", header.p_type(LE)));
    let sections = elf
        .elf_section_table()
        .iter()
        .filter(|section| {
            let kind = section.sh_type(LE);
            section.sh_flags(LE).contains(elf::SHF_ALLOC)
                && matches!(kind, elf::SHT_REL | elf::SHT_RELA)
        })
        .map(|section| format!("relocations of {} bytes", section.sh_size(LE)));
    segments
        .chain(sections)
        .map(|what| Finding::DynamicRelocations { what })
        .collect()
}
