//! Tables in place of all of QEMU's, as its firmware takes them.
//!
//! QEMU hands its firmware blobs of tables and a list of commands: reserve memory
//! for a blob, add its address to a pointer, compute a checksum. Without tables of
//! its own it has none of these files, and ours take their names. So tables can be
//! wrong in every way, lengths and checksums included, and lie where firmware
//! puts them.
//!
//! Source: QEMU, `hw/acpi/bios-linker-loader.c`.

use std::{fs, path::Path};

use anyhow::Result;

/// The blobs, by the names that the commands use.
const TABLES: &str = "etc/acpi/tables";
const ROOT: &str = "etc/acpi/rsdp";
const NAME_LEN: usize = 56;
const COMMAND_LEN: usize = 128;
/// Bytes before the list of an RSDT.
const HEADER_LEN: usize = 36;
/// Where header and root pointer have their checksums, and the latter its pointer.
const HEADER_SUM: usize = 9;
const ROOT_SUM: usize = 8;
const ROOT_LIST: usize = 16;
const ROOT_LEN: usize = 20;

/// Writes the files that put `tables` into a guest's memory.
///
/// # Errors
///
/// If they can't be written.
pub(super) fn write(tables: &[Vec<u8>], dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let (blob, list) = blob(tables);
    fs::write(dir.join("loader"), commands(list, tables.len()))?;
    fs::write(dir.join("rsdp"), root(list))?;
    fs::write(dir.join("tables"), blob)?;
    Ok(())
}

/// The tables and, at the returned offset, the list of them. Pointers are
/// offsets, to which the firmware adds the address.
fn blob(tables: &[Vec<u8>]) -> (Vec<u8>, usize) {
    let mut blob = Vec::new();
    let mut list = b"RSDT".to_vec();
    list.extend(number(HEADER_LEN + 4 * tables.len()));
    list.resize(HEADER_LEN, 0);
    list[8] = 1;
    for table in tables {
        list.extend(number(blob.len()));
        blob.extend(table);
    }
    let at = blob.len();
    blob.extend(list);
    (blob, at)
}

fn root(list: usize) -> Vec<u8> {
    let mut root = b"RSD PTR ".to_vec();
    root.resize(ROOT_LEN, 0);
    root[ROOT_LIST..].copy_from_slice(&number(list));
    root
}

fn commands(list: usize, count: usize) -> Vec<u8> {
    const ALIGN: usize = 64;
    const HIGH: u8 = 1;
    const LOW_SEGMENT: u8 = 2;
    let list_len = HEADER_LEN + 4 * count;
    let mut commands = vec![
        command(1, &[&name(TABLES), &number(ALIGN), &[HIGH]]),
        command(1, &[&name(ROOT), &number(16), &[LOW_SEGMENT]]),
    ];
    for entry in 0..count {
        let at = number(list + HEADER_LEN + 4 * entry);
        commands.push(command(2, &[&name(TABLES), &name(TABLES), &at, &[4]]));
    }
    let pointer = number(ROOT_LIST);
    commands.push(command(2, &[&name(ROOT), &name(TABLES), &pointer, &[4]]));
    for (file, sum, start, len) in [
        (TABLES, list + HEADER_SUM, list, list_len),
        (ROOT, ROOT_SUM, 0, ROOT_LEN),
    ] {
        let fields = [number(sum), number(start), number(len)].concat();
        commands.push(command(3, &[&name(file), &fields]));
    }
    commands.concat()
}

/// A command: its number, then its fields.
fn command(kind: usize, fields: &[&[u8]]) -> Vec<u8> {
    let mut command = number(kind).to_vec();
    command.extend(fields.concat());
    command.resize(COMMAND_LEN, 0);
    command
}

fn name(file: &str) -> Vec<u8> {
    let mut name = file.as_bytes().to_vec();
    name.resize(NAME_LEN, 0);
    name
}

/// A number as all of these structures have it; everything here is small.
fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_points_to_each_table() {
        let (blob, list) = blob(&[vec![1; 50], vec![2; 7]]);
        assert_eq!(list, 57);
        assert_eq!(blob[list..list + 8], *b"RSDT\x2c\0\0\0");
        assert_eq!(blob[list + HEADER_LEN..], [0, 0, 0, 0, 50, 0, 0, 0]);
    }

    #[test]
    fn every_command_has_its_length_and_every_pointer_its_command() {
        let commands = commands(57, 2);
        assert_eq!(commands.len() % COMMAND_LEN, 0);
        let kinds: Vec<_> = commands.chunks(COMMAND_LEN).map(|c| c[0]).collect();
        assert_eq!(kinds, [1, 1, 2, 2, 2, 3, 3]);
    }
}
