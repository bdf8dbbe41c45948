extern crate std;

use std::vec::Vec;

use super::*;
use bootloader_api::info::MemoryRegionKind;

/// Where the memory of these tests begins; addresses outside are out of reach.
const BASE: u64 = 0x1000;

const INFO: u64 = BASE;
const MODULES: u64 = BASE + 0x100;
const MEMORY: u64 = BASE + 0x200;
const TEXT: u64 = BASE + 0x300;

/// Memory as QEMU leaves it: one module, two ranges, a command line.
fn memory() -> Vec<u8> {
    let mut memory = std::vec![0; 0x400];
    let mut write = |at: u64, words: &[u64]| {
        let mut at = usize::try_from(at - BASE).unwrap();
        for word in words {
            memory[at..at + 8].copy_from_slice(&word.to_le_bytes());
            at += 8;
        }
    };
    let version_and_magic = 1 << 32 | u64::from(MAGIC);
    let modules_and_flags = 1 << 32;
    write(
        INFO,
        &[
            version_and_magic,
            modules_and_flags,
            MODULES,
            TEXT,
            0xf_59e0,
            MEMORY,
            2,
        ],
    );
    write(MODULES, &[0x7ffb_e000, 0x1_9cd8, 0, 0]);
    write(MEMORY, &[0, 0x9_f000, 1, 0x9_f000, 0x1000, 2]);
    write(TEXT, &[u64::from_le_bytes(*b"seed=7\0\0")]);
    memory
}

fn reader<'a>(memory: &'a [u8]) -> impl Read<'a> {
    move |range: PhysRange| {
        let start = usize::try_from(range.start().0.checked_sub(BASE)?).ok()?;
        let end = start.checked_add(usize::try_from(range.len_bytes()).ok()?)?;
        memory.get(start..end)
    }
}

/// Reads everything there is.
fn read_all(memory: &[u8]) -> Result<(PhysRange, Option<PhysRange>, usize), StartInfoError> {
    let read = reader(memory);
    let info = StartInfo::read(INFO, &read)?;
    let mut map = Map::default();
    info.memory_map(&read, &mut map)?;
    Ok((
        info.module(&read)?,
        info.command_line(&read)?,
        map.regions().count(),
    ))
}

fn range(start: u64, len_bytes: u64) -> PhysRange {
    PhysRange::new(PhysAddr(start), len_bytes).unwrap()
}

#[test]
fn every_field_is_found() {
    let memory = memory();
    let read = reader(&memory);
    let info = StartInfo::read(INFO, &read).unwrap();
    assert_eq!(info.rsdp(), Some(PhysAddr(0xf_59e0)));
    assert_eq!(info.module(&read), Ok(range(0x7ffb_e000, 0x1_9cd8)));
    assert_eq!(info.command_line(&read), Ok(Some(range(TEXT, 6))));
    let mut map = Map::default();
    info.memory_map(&read, &mut map).unwrap();
    let regions: Vec<_> = map
        .regions()
        .map(|region| (region.end, region.kind))
        .collect();
    assert_eq!(
        regions,
        [
            (0x9_f000, MemoryRegionKind::Usable),
            (0xa_0000, MemoryRegionKind::UnknownBios(2))
        ]
    );
}

#[test]
fn what_is_missing_is_said() {
    let with = |at: usize, value: u8| {
        let mut memory = memory();
        memory[at] = value;
        read_all(&memory)
    };
    let found = MAGIC & !0xff;
    assert_eq!(with(0, 0), Err(StartInfoError::BadMagic { found }));
    assert_eq!(with(4, 0), Err(StartInfoError::OldVersion { found: 0 }));
    assert_eq!(with(12, 0), Err(StartInfoError::NoModule));
}

#[test]
fn an_empty_command_line_is_none() {
    let mut memory = memory();
    memory[0x300] = 0;
    assert_eq!(read_all(&memory).map(|all| all.1), Ok(None));
}

#[test]
fn a_command_line_without_end_is_an_error() {
    let long = std::vec![b'x'; 0x2_0000];
    let mut memory = memory();
    memory.truncate(0x300);
    memory.extend(long);
    assert_eq!(read_all(&memory), Err(StartInfoError::EndlessCommandLine));
}

#[test]
fn no_prefix_of_the_memory_panics_and_only_the_whole_is_accepted() {
    let memory = memory();
    let needed = usize::try_from(TEXT - BASE).unwrap() + 7;
    for len in 0..memory.len() {
        assert_eq!(
            read_all(&memory[..len]).is_ok(),
            len >= needed,
            "{len} bytes"
        );
    }
}

#[test]
fn no_corrupted_byte_panics() {
    let memory = memory();
    let mut refused = 0;
    for at in 0..memory.len() {
        for bit in 0..8 {
            let mut memory = memory.clone();
            memory[at] ^= 1 << bit;
            refused += usize::from(read_all(&memory).is_err());
        }
    }
    std::println!("{refused} corruptions refused");
    assert!(refused > 200);
}
