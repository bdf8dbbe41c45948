use std::io::Read as _;

use super::*;

const FILES: [(&str, &[u8]); 3] = [
    (LOADER_PATH, b"MZ loader"),
    (KERNEL_PATH, &[0x7f; 3 << 20]),
    (COMMAND_LINE_PATH, b"seed=7\n"),
];

fn image() -> Vec<u8> {
    make(&FILES).unwrap()
}

/// Finds the system partition as firmware does: by the partition table.
fn partition(disk: &mut Cursor<Vec<u8>>) -> StreamSlice<&mut Cursor<Vec<u8>>> {
    let table = GptConfig::new().open_from_device(disk.clone()).unwrap();
    assert_eq!(table.partitions().len(), 1);
    let system = &table.partitions()[&1];
    assert_eq!(system.part_type_guid, gpt::partition_types::EFI);
    let (start, end) = (system.first_lba * SECTOR, (system.last_lba + 1) * SECTOR);
    StreamSlice::new(disk, start, end).unwrap()
}

#[test]
fn firmware_finds_every_file_with_its_contents() {
    let mut disk = Cursor::new(image());
    let volume = FileSystem::new(partition(&mut disk), FsOptions::new()).unwrap();
    assert_eq!(volume.fat_type(), FatType::Fat32);
    for (path, contents) in FILES {
        let mut found = Vec::new();
        let mut file = volume.root_dir().open_file(path).unwrap();
        file.read_to_end(&mut found).unwrap();
        assert!(found == contents, "{path} has {} other bytes", found.len());
    }
}

#[test]
fn both_copies_of_the_partition_table_are_valid() {
    let table = GptConfig::new()
        .open_from_device(Cursor::new(image()))
        .unwrap();
    let (primary, backup) = (
        table.primary_header().unwrap(),
        table.backup_header().unwrap(),
    );
    assert_eq!(primary.backup_lba, backup.current_lba);
    assert_eq!(backup.current_lba, image().len() as u64 / SECTOR - 1);
    assert_eq!(image()[510..512], [0x55, 0xaa], "protective MBR");
}

#[test]
fn the_same_files_give_the_same_image() {
    assert!(image() == image());
}

/// Positive control for the comparison above.
#[test]
fn another_command_line_gives_another_image() {
    let mut files = FILES;
    files[2].1 = b"seed=8\n";
    assert!(image() != make(&files).unwrap());
}

#[test]
fn a_person_can_make_the_command_line_longer() {
    let mut disk = Cursor::new(image());
    {
        let volume = FileSystem::new(partition(&mut disk), FsOptions::new()).unwrap();
        let mut file = volume.root_dir().open_file(COMMAND_LINE_PATH).unwrap();
        file.write_all(&[b'#'; 10_000]).unwrap();
    }
    let volume = FileSystem::new(partition(&mut disk), FsOptions::new()).unwrap();
    let mut text = String::new();
    let mut file = volume.root_dir().open_file(COMMAND_LINE_PATH).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), 10_000);
}
