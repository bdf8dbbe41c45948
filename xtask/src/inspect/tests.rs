use object::elf;

use super::testing::Order;
use super::*;
use bootloader_api::BootloaderConfig;

const START: u64 = segments::KERNEL.start;

/// A kernel with which nothing is wrong.
fn kernel() -> Order {
    let config = BootloaderConfig::new_default().serialize().to_vec();
    let code = vec![0xc3; 0x20];
    let text = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
    Order {
        kind: elf::ET_EXEC,
        entry: START + 0x1000,
        segments: vec![
            (START, elf::PF_R, config.clone(), 0),
            (START + 0x1000, elf::PF_R | elf::PF_X, code.clone(), 0),
            (START + 0x2000, elf::PF_R | elf::PF_W, vec![0; 8], 0x1000),
        ],
        headers: Vec::new(),
        sections: vec![
            (
                ".bootloader-config",
                elf::SHT_PROGBITS,
                elf::SHF_ALLOC,
                START,
                config,
            ),
            (".text", elf::SHT_PROGBITS, text, START + 0x1000, code),
        ],
    }
}

fn findings(change: impl FnOnce(&mut Order)) -> Vec<Finding> {
    let mut order = kernel();
    change(&mut order);
    kernel::inspect(&order.file()).unwrap()
}

#[test]
fn a_good_kernel_has_no_findings() {
    assert_eq!(findings(|_| {}), []);
}

/// Positive control for the whole way from the file to the verdict.
#[test]
fn a_kernel_with_a_red_zone_store_is_rejected() {
    // nop; mov [rsp-8], rdi; ret
    let code = vec![0x90, 0x48, 0x89, 0x7c, 0x24, 0xf8, 0xc3];
    let found = findings(|kernel| kernel.sections[1].4 = code);
    assert!(
        matches!(found[..], [Finding::RedZone { address, .. }] if address == START + 0x1001),
        "{found:?}"
    );
}

#[test]
fn writable_code_is_rejected() {
    let found = findings(|kernel| kernel.segments[1].1 |= elf::PF_W);
    let address = START + 0x1000;
    assert_eq!(found, [Finding::WritableCode { address }]);
}

#[test]
fn a_kernel_elsewhere_is_rejected() {
    let found = findings(|kernel| kernel.segments[0].0 += 0x1000_0000);
    let (expected, found_at) = (START, Some(START + 0x1000));
    assert_eq!(
        found,
        [Finding::LoadAddress {
            expected,
            found: found_at
        }]
    );
    let found = findings(|kernel| kernel.segments.clear());
    assert_eq!(
        found,
        [Finding::LoadAddress {
            expected,
            found: None
        }]
    );
}

#[test]
fn segments_off_a_page_are_rejected() {
    let found = findings(|kernel| kernel.segments[2].0 += 8);
    let address = START + 0x2008;
    assert_eq!(found, [Finding::Unaligned { address }]);
}

#[test]
fn relocations_at_load_time_are_rejected() {
    let relocations = [(elf::R_X86_64_RELATIVE, START, 0)];
    let found = findings(|kernel| kernel.relocate(&relocations));
    assert!(
        matches!(found[..], [Finding::DynamicRelocations { .. }]),
        "{found:?}"
    );
    let found = findings(|kernel| kernel.headers.push(elf::PT_DYNAMIC));
    assert!(
        matches!(found[..], [Finding::DynamicRelocations { .. }]),
        "{found:?}"
    );
}

#[test]
fn what_the_upstream_loader_refuses_is_rejected() {
    let refused = |change: fn(&mut Order)| match &findings(change)[..] {
        [Finding::Refused { reason }] => reason.clone(),
        other => panic!("{other:?}"),
    };
    let without = refused(|kernel| drop(kernel.sections.remove(0)));
    assert_eq!(without, "no section .bootloader-config");
    let short = refused(|kernel| kernel.sections[0].4.truncate(100));
    assert_eq!(short, ".bootloader-config: invalid len");
    let object = refused(|kernel| kernel.kind = elf::ET_REL);
    assert!(object.contains("ELF type"), "{object}");
}

#[test]
fn an_image_made_of_a_good_loader_has_no_findings() {
    let mut order = Order::loader();
    order.relocate(&[(elf::R_X86_64_RELATIVE, 0x4000, 0x1000)]);
    let file = order.file();
    assert_eq!(efi::inspect_code(&file).unwrap(), []);
    let image = crate::pe::from_elf(&file).unwrap();
    assert_eq!(efi::inspect(&image).unwrap(), []);
}

#[test]
fn an_image_that_is_no_efi_application_is_rejected() {
    let mut image = crate::pe::from_elf(&Order::loader().file()).unwrap();
    // The subsystem, 68 bytes into the optional header.
    let header = 0x40 + 24;
    assert_eq!(image[header + 68], 10);
    image[header + 68] = 3;
    let found = efi::inspect(&image).unwrap();
    assert!(matches!(found[..], [Finding::Refused { .. }]), "{found:?}");
}
