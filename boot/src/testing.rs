//! What tests of several modules need: kernels made to order, and a page walk.

extern crate std;

use std::vec::Vec;

use bootloader_api::BootloaderConfig;
use frame::PhysAddr;
use object::LittleEndian as LE;
use object::elf;
use object::pod::bytes_of;
use object::{U16, U32, U64};
use x86_64::VirtAddr;

use crate::arena::Arena;
use crate::paging::Levels;

/// A segment of a kernel made to order.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) kind: u32,
    pub(crate) address: u64,
    pub(crate) flags: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) memory_len: u64,
}

/// A section of a kernel made to order.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) data: Vec<u8>,
}

/// A kernel made to order.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) entry: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) pieces: Vec<Piece>,
}

/// Where the kernel's own linker script puts it.
pub(crate) const START: u64 = 0xffff_ffff_8020_0000;

const READ: u32 = 4;
const WRITE: u32 = 2;
const EXECUTE: u32 = 1;

impl Order {
    /// A kernel like ours: read-only, executable, and writable with a `.bss`.
    pub(crate) fn kernel(config: &BootloaderConfig) -> Self {
        let part = |page: u64, flags, byte, memory_len| Part {
            kind: 1,
            address: START + page * 0x1000,
            flags,
            data: std::vec![byte; 0x1800],
            memory_len,
        };
        Self {
            kind: 2,
            machine: 62,
            entry: START + 0x2010,
            parts: std::vec![
                part(0, READ, 0xaa, 0x1800),
                part(2, READ | EXECUTE, 0xbb, 0x1800),
                part(4, READ | WRITE, 0xcc, 0x3001),
            ],
            pieces: std::vec![Piece {
                name: ".bootloader-config",
                kind: 1,
                flags: 2,
                data: config.serialize().to_vec(),
            }],
        }
    }

    /// Returns the file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut names = Vec::from(*b"\0.shstrtab\0");
        let mut headers = std::vec![section(0, 0, 0, 0, 0)];
        let mut body = Body(std::vec![0; 0x1000]);
        let mut program_headers = Vec::new();
        for part in &self.parts {
            let offset = body.append(&part.data);
            program_headers.push(part.header(offset));
        }
        for piece in &self.pieces {
            let offset = body.append(&piece.data);
            let name = names.len();
            names.extend(piece.name.bytes().chain([0]));
            headers.push(section(
                name,
                piece.kind,
                piece.flags,
                offset,
                piece.data.len(),
            ));
        }
        let offset = body.append(&names);
        headers.push(section(1, 3, 0, offset, names.len()));
        let table: Vec<u8> = headers.iter().flat_map(bytes_of).copied().collect();
        let table_offset = body.append(&table);

        let mut file = body.0;
        file[..64].copy_from_slice(bytes_of(&self.header(table_offset, headers.len())));
        for (header, at) in program_headers.iter().zip((64..).step_by(56)) {
            file[at..at + 56].copy_from_slice(bytes_of(header));
        }
        file
    }

    fn header(&self, section_headers: usize, count: usize) -> elf::FileHeader64<LE> {
        elf::FileHeader64 {
            e_ident: elf::Ident {
                magic: elf::ELFMAG,
                class: elf::ELFCLASS64,
                data: elf::ELFDATA2LSB,
                version: elf::EV_CURRENT,
                os_abi: elf::ELFOSABI_NONE,
                abi_version: 0,
                padding: [0; 7],
            },
            e_type: U16::new(LE, elf::FileType(self.kind)),
            e_machine: U16::new(LE, elf::Machine(self.machine)),
            e_version: U32::new(LE, 1),
            e_entry: U64::new(LE, self.entry),
            e_phoff: U64::new(LE, 64),
            e_shoff: U64::new(LE, section_headers as u64),
            e_flags: U32::new(LE, elf::FileFlags(0)),
            e_ehsize: U16::new(LE, 64),
            e_phentsize: U16::new(LE, 56),
            e_phnum: U16::new(LE, self.parts.len().try_into().unwrap()),
            e_shentsize: U16::new(LE, 64),
            e_shnum: U16::new(LE, count.try_into().unwrap()),
            e_shstrndx: U16::new(LE, elf::SymbolSection((count - 1).try_into().unwrap())),
        }
    }
}

impl Part {
    fn header(&self, offset: usize) -> elf::ProgramHeader64<LE> {
        elf::ProgramHeader64 {
            p_type: U32::new(LE, elf::ProgramType(self.kind)),
            p_flags: U32::new(LE, elf::ProgramFlags(self.flags)),
            p_offset: U64::new(LE, offset as u64),
            p_vaddr: U64::new(LE, self.address),
            p_paddr: U64::new(LE, self.address),
            p_filesz: U64::new(LE, self.data.len() as u64),
            p_memsz: U64::new(LE, self.memory_len),
            p_align: U64::new(LE, 0x1000),
        }
    }
}

/// A file's contents, each piece at a page.
struct Body(Vec<u8>);

impl Body {
    fn append(&mut self, bytes: &[u8]) -> usize {
        self.0.resize(self.0.len().next_multiple_of(0x1000), 0);
        let offset = self.0.len();
        self.0.extend(bytes);
        offset
    }
}

fn section(
    name: usize,
    kind: u32,
    flags: u64,
    offset: usize,
    len: usize,
) -> elf::SectionHeader64<LE> {
    elf::SectionHeader64 {
        sh_name: U32::new(LE, name.try_into().unwrap()),
        sh_type: U32::new(LE, elf::SectionType(kind)),
        sh_flags: U64::new(LE, elf::SectionFlags(flags)),
        sh_addr: U64::new(LE, 0),
        sh_offset: U64::new(LE, offset as u64),
        sh_size: U64::new(LE, len as u64),
        sh_link: U32::new(LE, 0),
        sh_info: U32::new(LE, 0),
        sh_addralign: U64::new(LE, 1),
        sh_entsize: U64::new(LE, 0),
    }
}

/// What a processor finds at a virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) phys: u64,
    pub(crate) page_bytes: u64,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
}

/// Walks page tables as a processor does (Intel SDM vol. 3A, 4.5), sharing no code
/// with the builder.
pub(crate) fn walk(
    arena: &Arena<'_>,
    root: PhysAddr,
    levels: Levels,
    virt: VirtAddr,
) -> Option<Found> {
    let virt = virt.as_u64();
    let shifts: &[u32] = match levels {
        Levels::Four => &[39, 30, 21, 12],
        Levels::Five => &[48, 39, 30, 21, 12],
    };
    let (mut table, mut writable, mut executable) = (root.0, true, true);
    for &shift in shifts {
        let entry = arena.word(PhysAddr(table + ((virt >> shift) & 511) * 8));
        if entry & 1 == 0 {
            return None;
        }
        writable &= entry & 2 != 0;
        executable &= entry >> 63 == 0;
        table = entry & 0x000f_ffff_ffff_f000;
        if shift == 12 || entry & 0x80 != 0 {
            let page_bytes = 1 << shift;
            assert_eq!(table % page_bytes, 0, "reserved bits in {entry:#x}");
            return Some(Found {
                phys: table + virt % page_bytes,
                page_bytes,
                writable,
                executable,
            });
        }
    }
    None
}
