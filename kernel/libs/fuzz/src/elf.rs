//! The kernel's file, as a loader finds it on a boot volume.

use boot::{PAGE_SIZE, elf::Kernel};
use bootloader_api::BootloaderConfig;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "elf",
    control: false,
    max_len: 2048,
    run,
    seeds,
};

fn run(data: &[u8]) {
    let kernel = match Kernel::parse(data) {
        Ok(kernel) => kernel,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut end = 0;
    for segment in &kernel.segments {
        let start = segment.start.as_u64();
        assert!(start.is_multiple_of(PAGE_SIZE) && end <= start);
        assert!(segment.data.len() as u64 <= segment.len_bytes);
        end = start.saturating_add(segment.len_bytes);
    }
}

/// A kernel of one executable segment, with a section for its wishes.
fn seeds() -> Vec<Vec<u8>> {
    const ADDRESS: u64 = 0xffff_ffff_8020_0000;
    const NAMES: &[u8] = b"\0.bootloader-config\0.shstrtab\0";
    let config = BootloaderConfig::new_default().serialize();
    let (names_at, config_at) = (128, 128 + NAMES.len());
    let sections_at = (config_at + config.len()).next_multiple_of(8);

    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut put = |bytes: &[u8]| file.extend(bytes);
    put(&2_u16.to_le_bytes());
    put(&62_u16.to_le_bytes());
    put(&1_u32.to_le_bytes());
    put(&ADDRESS.to_le_bytes());
    put(&64_u64.to_le_bytes());
    put(&(sections_at as u64).to_le_bytes());
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 3, 2] {
        put(&half.to_le_bytes());
    }
    // A segment to load: readable and executable.
    put(&1_u32.to_le_bytes());
    put(&5_u32.to_le_bytes());
    for word in [0, ADDRESS, ADDRESS, 64, 0x1800, 0x1000] {
        put(&word.to_le_bytes());
    }
    put(&[0; 8]);
    put(NAMES);
    put(&config);
    file.resize(sections_at, 0);
    file.extend([0; 64]);
    file.extend(section(1, 1, config_at, config.len()));
    file.extend(section(20, 3, names_at, NAMES.len()));
    vec![file]
}

fn section(name: u32, kind: u32, offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = [name.to_le_bytes(), kind.to_le_bytes()].concat();
    for word in [2, 0, offset as u64, len as u64] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(64, 0);
    bytes
}
