//! From a static, position-independent ELF file to a UEFI application.
//!
//! The host toolchain links ELF, UEFI firmware loads PE32+. Both are a list of
//! segments and a list of words to which the load address must be added, so the
//! conversion is short: one section for each segment, at the same address, and
//! an `IMAGE_REL_BASED_DIR64` for each `R_X86_64_RELATIVE`. What can not be
//! expressed that way is an error.

use anyhow::{Context as _, Result, bail, ensure};
use object::elf;
use object::endian::LittleEndian as LE;
use object::pe;
use object::read::elf::{
    ElfFile64, FileHeader as _, ProgramHeader as _, Rela as _, SectionHeader as _,
};
use object::write::pe::{NtHeaders, SectionRange, Writer};

/// Sections begin at pages, in memory and in the file.
const ALIGNMENT: u32 = 0x1000;

/// The optional header has room for as many; UEFI reads the base relocations.
const DATA_DIRECTORIES: usize = 16;

/// A segment that becomes a section.
struct Segment {
    address: u32,
    len_bytes: u32,
    data: Vec<u8>,
    flags: elf::ProgramFlags,
}

/// Returns the UEFI application made from the ELF file.
///
/// # Errors
///
/// If the file is no static position-independent executable, has a segment that
/// is writable and executable or does not begin at a page, or a relocation other
/// than `R_X86_64_RELATIVE`.
pub(crate) fn from_elf(file: &[u8]) -> Result<Vec<u8>> {
    let elf = ElfFile64::<LE>::parse(file)?;
    let header = elf.elf_header();
    ensure!(
        header.e_type(LE) == elf::ET_DYN && header.e_machine(LE) == elf::EM_X86_64,
        "not a position-independent x86-64 executable"
    );
    let mut segments = segments(&elf, file)?;
    let relocations = relocate(&elf, file, &mut segments)?;
    let entry = u32::try_from(header.e_entry(LE)).context("the entry point")?;
    write(&segments, &relocations, entry)
}

fn segments(elf: &ElfFile64<'_, LE>, file: &[u8]) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for header in elf.elf_program_headers() {
        match header.p_type(LE) {
            elf::PT_LOAD => {}
            elf::PT_INTERP | elf::PT_TLS => bail!("needs a dynamic linker"),
            _ => continue,
        }
        let address = u32::try_from(header.p_vaddr(LE)).context("a segment's address")?;
        let flags = header.p_flags(LE);
        ensure!(
            address >= ALIGNMENT && address % ALIGNMENT == 0,
            "segment at {address:#x} does not begin at a page, or lies where the headers go"
        );
        ensure!(
            !flags.contains(elf::PF_W | elf::PF_X),
            "segment at {address:#x} is writable and executable"
        );
        let Ok(data) = header.data(LE, file) else {
            bail!("segment at {address:#x} exceeds the file");
        };
        let len_bytes = u32::try_from(header.p_memsz(LE)).context("a segment's length")?;
        if len_bytes > 0 {
            segments.push(Segment {
                address,
                len_bytes,
                data: data.to_vec(),
                flags,
            });
        }
    }
    ensure!(!segments.is_empty(), "no segment to load");
    Ok(segments)
}

/// Stores each relocation's addend where PE expects it, in the word itself, and
/// returns the addresses of these words in ascending order.
fn relocate(elf: &ElfFile64<'_, LE>, file: &[u8], segments: &mut [Segment]) -> Result<Vec<u32>> {
    let mut addresses = Vec::new();
    for section in elf.elf_section_table().iter() {
        if !section.sh_flags(LE).contains(elf::SHF_ALLOC) {
            continue;
        }
        ensure!(
            section.sh_type(LE) != elf::SHT_REL,
            "relocations without addends"
        );
        let Some((relocations, _)) = section.rela(LE, file)? else {
            continue;
        };
        for relocation in relocations {
            let kind = relocation.r_type(LE, false);
            ensure!(
                kind == elf::R_X86_64_RELATIVE,
                "relocation of type {kind:?} at {:#x}: only R_X86_64_RELATIVE can be converted",
                relocation.r_offset(LE)
            );
            let address = u32::try_from(relocation.r_offset(LE)).context("a relocation")?;
            let addend: i64 = relocation.r_addend(LE);
            word(segments, address)?.copy_from_slice(&addend.to_le_bytes());
            addresses.push(address);
        }
    }
    addresses.sort_unstable();
    Ok(addresses)
}

fn word(segments: &mut [Segment], address: u32) -> Result<&mut [u8]> {
    segments
        .iter_mut()
        .filter(|segment| segment.flags.contains(elf::PF_W))
        .find_map(|segment| {
            let offset = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            segment.data.get_mut(offset..offset.checked_add(8)?)
        })
        .with_context(|| format!("relocation at {address:#x}, outside initialised data"))
}

fn write(segments: &[Segment], relocations: &[u32], entry: u32) -> Result<Vec<u8>> {
    let mut image = Vec::new();
    let mut writer = Writer::new(true, ALIGNMENT, ALIGNMENT, &mut image);
    writer.reserve_dos_header();
    writer.reserve_nt_headers(DATA_DIRECTORIES);
    let sections = segments.len() + 1;
    writer.reserve_section_headers(u16::try_from(sections).context("the number of segments")?);
    let mut placed = Vec::new();
    for segment in segments {
        placed.push((reserve(&mut writer, segment)?, segment));
    }
    for &address in relocations {
        writer.add_reloc(address, pe::IMAGE_REL_BASED_DIR64);
    }
    if relocations.is_empty() {
        // Without any, firmware takes the image for one that can not be moved.
        writer.add_reloc(segments[0].address, pe::IMAGE_REL_BASED_ABSOLUTE);
    }
    writer.reserve_reloc_section();

    writer.write_empty_dos_header()?;
    writer.write_nt_headers(headers(entry));
    writer.write_section_headers();
    for (range, segment) in placed {
        writer.write_section(range.file_offset, &segment.data);
    }
    writer.write_reloc_section();
    Ok(image)
}

fn reserve(writer: &mut Writer<'_>, segment: &Segment) -> Result<SectionRange> {
    let readable = pe::IMAGE_SCN_MEM_READ;
    let (name, characteristics) = if segment.flags.contains(elf::PF_X) {
        (
            *b".text\0\0\0",
            pe::IMAGE_SCN_CNT_CODE | pe::IMAGE_SCN_MEM_EXECUTE | readable,
        )
    } else if segment.flags.contains(elf::PF_W) {
        let writable = pe::IMAGE_SCN_MEM_WRITE | readable;
        (
            *b".data\0\0\0",
            pe::IMAGE_SCN_CNT_INITIALIZED_DATA | writable,
        )
    } else {
        (
            *b".rdata\0\0",
            pe::IMAGE_SCN_CNT_INITIALIZED_DATA | readable,
        )
    };
    ensure!(
        writer.virtual_len() <= segment.address,
        "segment at {:#x} overlaps the one before or the headers",
        segment.address
    );
    writer.reserve_virtual_until(segment.address);
    let data_len = u32::try_from(segment.data.len()).context("a segment's data")?;
    Ok(writer.reserve_section(name, characteristics, segment.len_bytes, data_len))
}

/// Headers without a time stamp or version: the same input gives the same image.
fn headers(entry: u32) -> NtHeaders {
    NtHeaders {
        machine: pe::IMAGE_FILE_MACHINE_AMD64,
        time_date_stamp: 0,
        characteristics: pe::IMAGE_FILE_EXECUTABLE_IMAGE | pe::IMAGE_FILE_LARGE_ADDRESS_AWARE,
        major_linker_version: 0,
        minor_linker_version: 0,
        address_of_entry_point: entry,
        // The words hold addends alone, so they suit a base of zero.
        image_base: 0,
        major_operating_system_version: 0,
        minor_operating_system_version: 0,
        major_image_version: 0,
        minor_image_version: 0,
        major_subsystem_version: 0,
        minor_subsystem_version: 0,
        subsystem: pe::IMAGE_SUBSYSTEM_EFI_APPLICATION,
        dll_characteristics: pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE
            | pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
        size_of_stack_reserve: 0,
        size_of_stack_commit: 0,
        size_of_heap_reserve: 0,
        size_of_heap_commit: 0,
    }
}

#[cfg(test)]
mod tests;
