//! ELF files made to order, for the tests of what reads them.

use object::LittleEndian as LE;
use object::elf;
use object::pod::bytes_of;
use object::{I64, U16, U32, U64};

const PAGE: usize = 0x1000;

/// An ELF file in the making.
pub(crate) struct Order {
    pub(crate) kind: elf::FileType,
    pub(crate) entry: u64,
    /// Address, rights, contents, bytes of zeros.
    pub(crate) segments: Vec<(u64, elf::ProgramFlags, Vec<u8>, u64)>,
    /// Other program headers, without contents.
    pub(crate) headers: Vec<elf::ProgramType>,
    /// Name, type, rights, address, contents.
    pub(crate) sections: Vec<(
        &'static str,
        elf::SectionType,
        elf::SectionFlags,
        u64,
        Vec<u8>,
    )>,
}

impl Order {
    /// A position-independent file with code, constants and data.
    pub(crate) fn loader() -> Self {
        Self {
            kind: elf::ET_DYN,
            entry: 0x1010,
            segments: vec![
                (0x1000, elf::PF_R | elf::PF_X, vec![0xc3; 0x20], 0),
                (0x2000, elf::PF_R, vec![0x11; 0x1001], 0),
                (0x4000, elf::PF_R | elf::PF_W, vec![0x22; 0x40], 0x2000),
            ],
            headers: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Adds relocations: type, place, addend.
    pub(crate) fn relocate(&mut self, entries: &[(elf::RelocationType, u64, i64)]) {
        let bytes = entries.iter().flat_map(|&(kind, place, addend)| {
            let entry = elf::Rela64 {
                r_offset: U64::new(LE, place),
                r_info: elf::Rela64::r_info(LE, false, 0, kind),
                r_addend: I64::new(LE, addend),
            };
            bytes_of(&entry).to_vec()
        });
        let bytes = bytes.collect();
        self.sections
            .push((".rela.dyn", elf::SHT_RELA, elf::SHF_ALLOC, 0x3000, bytes));
    }

    /// Returns the file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut file = vec![0; PAGE];
        let mut append = |bytes: &[u8]| {
            file.resize(file.len().next_multiple_of(PAGE), 0);
            let offset = file.len();
            file.extend(bytes);
            offset
        };
        let mut programs = Vec::new();
        for (address, rights, data, zeros) in &self.segments {
            let sizes = (data.len() as u64, data.len() as u64 + zeros);
            programs.push(program(
                elf::PT_LOAD,
                *rights,
                *address,
                append(data),
                sizes,
            ));
        }
        for kind in &self.headers {
            programs.push(program(*kind, elf::PF_R, 0, 0, (0, 0)));
        }
        let mut names = b"\0.shstrtab\0".to_vec();
        let mut sections = vec![section(0, elf::SHT_NULL, elf::SectionFlags(0), 0, 0, 0)];
        for (name, kind, rights, address, data) in &self.sections {
            let at = names.len();
            names.extend(name.bytes().chain([0]));
            sections.push(section(
                at,
                *kind,
                *rights,
                *address,
                append(data),
                data.len(),
            ));
        }
        let offset = append(&names);
        let rights = elf::SectionFlags(0);
        sections.push(section(1, elf::SHT_STRTAB, rights, 0, offset, names.len()));
        let table: Vec<u8> = sections.iter().flat_map(bytes_of).copied().collect();
        let table = append(&table);

        let header = self.header(programs.len(), table, sections.len());
        file[..64].copy_from_slice(bytes_of(&header));
        for (program, at) in programs.iter().zip((64..).step_by(56)) {
            file[at..at + 56].copy_from_slice(bytes_of(program));
        }
        file
    }

    fn header(&self, programs: usize, table: usize, sections: usize) -> elf::FileHeader64<LE> {
        let number = |count: usize| u16::try_from(count).unwrap();
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
            e_type: U16::new(LE, self.kind),
            e_machine: U16::new(LE, elf::EM_X86_64),
            e_version: U32::new(LE, 1),
            e_entry: U64::new(LE, self.entry),
            e_phoff: U64::new(LE, 64),
            e_shoff: U64::new(LE, table as u64),
            e_flags: U32::new(LE, elf::FileFlags(0)),
            e_ehsize: U16::new(LE, 64),
            e_phentsize: U16::new(LE, 56),
            e_phnum: U16::new(LE, number(programs)),
            e_shentsize: U16::new(LE, 64),
            e_shnum: U16::new(LE, number(sections)),
            e_shstrndx: U16::new(LE, elf::SymbolSection(number(sections - 1))),
        }
    }
}

fn program(
    kind: elf::ProgramType,
    rights: elf::ProgramFlags,
    address: u64,
    offset: usize,
    (file_len, memory_len): (u64, u64),
) -> elf::ProgramHeader64<LE> {
    elf::ProgramHeader64 {
        p_type: U32::new(LE, kind),
        p_flags: U32::new(LE, rights),
        p_offset: U64::new(LE, offset as u64),
        p_vaddr: U64::new(LE, address),
        p_paddr: U64::new(LE, address),
        p_filesz: U64::new(LE, file_len),
        p_memsz: U64::new(LE, memory_len),
        p_align: U64::new(LE, PAGE as u64),
    }
}

fn section(
    name: usize,
    kind: elf::SectionType,
    rights: elf::SectionFlags,
    address: u64,
    offset: usize,
    len: usize,
) -> elf::SectionHeader64<LE> {
    let entry_len = if kind == elf::SHT_RELA { 24 } else { 0 };
    elf::SectionHeader64 {
        sh_name: U32::new(LE, u32::try_from(name).unwrap()),
        sh_type: U32::new(LE, kind),
        sh_flags: U64::new(LE, rights),
        sh_addr: U64::new(LE, address),
        sh_offset: U64::new(LE, offset as u64),
        sh_size: U64::new(LE, len as u64),
        sh_link: U32::new(LE, 0),
        sh_info: U32::new(LE, 0),
        sh_addralign: U64::new(LE, 1),
        sh_entsize: U64::new(LE, entry_len),
    }
}
