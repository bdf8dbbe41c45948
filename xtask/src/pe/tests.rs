use super::*;
use crate::inspect::testing::Order;
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, PeFile64};

fn refusal(change: impl FnOnce(&mut Order)) -> String {
    let mut order = Order::loader();
    change(&mut order);
    match from_elf(&order.file()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => format!("{error:#}"),
    }
}

/// Loads an image as firmware does: sections to their addresses, then `base` to
/// every word that is to be relocated.
fn load(image: &[u8], base: u64) -> Vec<u8> {
    let pe = PeFile64::parse(image).unwrap();
    let header = pe.nt_headers().optional_header();
    let mut memory = vec![0; usize::try_from(header.size_of_image()).unwrap()];
    for section in pe.section_table().iter() {
        let start = usize::try_from(section.virtual_address.get(LE)).unwrap();
        let data = section.pe_data(image).unwrap();
        memory[start..start + data.len()].copy_from_slice(data);
    }
    let mut blocks = pe
        .data_directories()
        .relocation_blocks(image, &pe.section_table())
        .unwrap();
    while let Some(block) = blocks.as_mut().and_then(|blocks| blocks.next().unwrap()) {
        for relocation in block.filter(|relocation| relocation.typ == pe::IMAGE_REL_BASED_DIR64) {
            let at = usize::try_from(relocation.virtual_address).unwrap();
            let word: &mut [u8; 8] = (&mut memory[at..at + 8]).try_into().unwrap();
            *word = (u64::from_le_bytes(*word) + base).to_le_bytes();
        }
    }
    memory
}

#[test]
fn segments_become_sections_at_the_same_addresses() {
    let image = from_elf(&Order::loader().file()).unwrap();
    let pe = PeFile64::parse(&*image).unwrap();
    let found: Vec<_> = pe
        .section_table()
        .iter()
        .map(|section| {
            let name = String::from_utf8_lossy(section.raw_name()).into_owned();
            (
                name,
                section.virtual_address.get(LE),
                section.virtual_size.get(LE),
            )
        })
        .collect();
    let expected = [
        (".text", 0x1000, 0x20),
        (".rdata", 0x2000, 0x1001),
        (".data", 0x4000, 0x2040),
    ];
    assert_eq!(
        found[..3],
        expected.map(|(name, start, len)| (name.to_owned(), start, len))
    );
    assert_eq!(found[3].0, ".reloc");
    let header = pe.nt_headers().optional_header();
    assert_eq!(header.subsystem(), pe::IMAGE_SUBSYSTEM_EFI_APPLICATION);
    assert_eq!(header.address_of_entry_point(), 0x1010);
    assert_eq!(header.size_of_image() % ALIGNMENT, 0);
}

#[test]
fn a_loaded_image_has_every_word_relocated() {
    let mut order = Order::loader();
    order.relocate(&[
        (elf::R_X86_64_RELATIVE, 0x4020, 0x1234),
        (elf::R_X86_64_RELATIVE, 0x4008, 0x4000),
    ]);
    let memory = load(&from_elf(&order.file()).unwrap(), 0x7e00_0000);
    let word = |at: usize| u64::from_le_bytes(memory[at..at + 8].try_into().unwrap());
    assert_eq!(word(0x4020), 0x7e00_1234);
    assert_eq!(word(0x4008), 0x7e00_4000);
    assert_eq!(word(0x4018), 0x2222_2222_2222_2222);
    assert_eq!(memory[0x1000..0x1020], [0xc3; 0x20]);
    assert_eq!(memory[0x4040..0x6040], [0; 0x2000]);
}

#[test]
fn an_image_without_relocations_can_still_be_moved() {
    let image = from_elf(&Order::loader().file()).unwrap();
    let pe = PeFile64::parse(&*image).unwrap();
    let header = pe.nt_headers().file_header();
    let stripped = pe::IMAGE_FILE_RELOCS_STRIPPED;
    assert!(!header.characteristics.get(LE).contains(stripped));
    assert!(
        load(&image, 0x1000)[0x1000..0x1020]
            .iter()
            .all(|&byte| byte == 0xc3)
    );
}

#[test]
fn the_same_file_gives_the_same_image() {
    let file = Order::loader().file();
    assert_eq!(from_elf(&file).unwrap(), from_elf(&file).unwrap());
}

#[test]
fn what_cannot_be_expressed_is_refused() {
    type Case = (&'static str, fn(&mut Order));
    let cases: [Case; 9] = [
        ("not a position-independent", |order| {
            order.kind = elf::ET_EXEC
        }),
        ("writable and executable", |order| {
            order.segments[0].1 |= elf::PF_W
        }),
        ("does not begin at a page", |order| order.segments[1].0 += 8),
        ("where the headers go", |order| order.segments[0].0 = 0),
        ("overlaps", |order| order.segments[1].3 = 0x1000),
        ("dynamic linker", |order| order.headers.push(elf::PT_INTERP)),
        ("no segment", |order| order.segments.clear()),
        ("only R_X86_64_RELATIVE", |order| {
            order.relocate(&[(elf::R_X86_64_64, 0x4000, 0)]);
        }),
        ("outside initialised data", |order| {
            order.relocate(&[(elf::R_X86_64_RELATIVE, 0x2000, 0)]);
        }),
    ];
    assert_eq!(refusal(|_| {}), "accepted");
    for (reason, change) in cases {
        let refusal = refusal(change);
        assert!(
            refusal.contains(reason),
            "{refusal:?} does not say {reason:?}"
        );
    }
}

#[test]
fn a_relocation_at_the_end_of_the_data_must_fit() {
    let at = |place| refusal(|order| order.relocate(&[(elf::R_X86_64_RELATIVE, place, 0)]));
    assert_eq!(at(0x4038), "accepted");
    assert_ne!(at(0x4039), "accepted");
}

#[test]
fn no_prefix_of_a_file_panics() {
    let file = Order::loader().file();
    for len in (0..file.len()).step_by(7) {
        let _ = from_elf(&file[..len]);
    }
}
