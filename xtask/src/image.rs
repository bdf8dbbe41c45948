//! The disk image that firmware boots: GPT, and in it one FAT32 system partition.
//!
//! It is meant for a USB stick as much as for a virtual machine: the loader has
//! the path that firmware tries on removable media, and the command line is a
//! text file that a person can edit. The same input gives the same image, byte
//! for byte: identifiers are fixed and files carry no time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use fscommon::StreamSlice;
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;

use crate::build::Artifacts;

/// Where the loader looks for the kernel, and firmware for the loader.
const LOADER_PATH: &str = "EFI/BOOT/BOOTX64.EFI";
const KERNEL_PATH: &str = "perennial/kernel.elf";
const COMMAND_LINE_PATH: &str = "perennial/command-line.txt";

/// Any fixed identifiers will do; these were drawn once.
const DISK_GUID: &str = "7d2b0c34-6b39-4f0e-9a55-0e5c8f6d1b01";
const PARTITION_GUID: &str = "7d2b0c34-6b39-4f0e-9a55-0e5c8f6d1b02";
const VOLUME_ID: u32 = 0x5045_524e;
const VOLUME_LABEL: [u8; 11] = *b"PERENNIAL  ";

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;

/// Where partitioning tools put the first partition, too.
const PARTITION_START: u64 = MIB;

/// Room for the backup table behind the partition.
const BACKUP_TABLE: u64 = MIB;

/// FAT32 begins at 65525 clusters; with a sector each, that is just under 33 MiB.
const PARTITION_MIN: u64 = 40 * MIB;

/// Writes the image with kernel, loader and command line to `file`.
///
/// # Errors
///
/// If a file can not be read or written.
pub(crate) fn write(artifacts: &Artifacts, command_line: &str, file: &Path) -> Result<()> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("reading {}", file.display()));
    let image = make(&[
        (LOADER_PATH, &read(&artifacts.efi)?),
        (KERNEL_PATH, &read(&artifacts.kernel_elf)?),
        (COMMAND_LINE_PATH, command_line.as_bytes()),
    ])?;
    fs::write(file, image).with_context(|| format!("writing {}", file.display()))
}

/// Returns the image of a disk with these files.
fn make(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let content: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    // A quarter more for tables and directories.
    let partition_len = (content + content / 4).next_multiple_of(MIB) + PARTITION_MIN;
    let disk_len = PARTITION_START + partition_len + BACKUP_TABLE;
    let mut disk = Cursor::new(vec![0; usize::try_from(disk_len)?]);
    make_table(&mut disk, partition_len).context("writing the partition table")?;
    let partition_end = PARTITION_START + partition_len;
    let partition = StreamSlice::new(&mut disk, PARTITION_START, partition_end)?;
    make_file_system(partition, files).context("writing the file system")?;
    Ok(disk.into_inner())
}

fn make_table(disk: &mut Cursor<Vec<u8>>, partition_len: u64) -> Result<()> {
    let sectors = disk.get_ref().len() as u64 / SECTOR;
    ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1)?).overwrite_lba0(disk)?;
    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(disk, Some(DISK_GUID.parse()?))?;
    let first_lba = PARTITION_START / SECTOR;
    let system = Partition {
        part_type_guid: gpt::partition_types::EFI,
        part_guid: PARTITION_GUID.parse()?,
        first_lba,
        last_lba: first_lba + partition_len / SECTOR - 1,
        flags: 0,
        name: "perennial".to_owned(),
    };
    table.update_partitions(BTreeMap::from([(1, system)]))?;
    table.write()?;
    Ok(())
}

/// Formats the partition and copies the files.
fn make_file_system(
    mut partition: StreamSlice<&mut Cursor<Vec<u8>>>,
    files: &[(&str, &[u8])],
) -> Result<()> {
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(u32::try_from(SECTOR)?)
        .volume_id(VOLUME_ID)
        .volume_label(VOLUME_LABEL);
    fatfs::format_volume(&mut partition, options)?;
    let options = FsOptions::new().time_provider(&NO_TIME);
    let volume = FileSystem::new(&mut partition, options)?;
    ensure!(volume.fat_type() == FatType::Fat32, "too small for FAT32");
    for (path, bytes) in files {
        let mut dir = volume.root_dir();
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            dir = dir.create_dir(parent)?;
        }
        dir.create_file(name)?.write_all(bytes)?;
    }
    volume.unmount()?;
    Ok(())
}

/// Tells every file the first instant that FAT can express.
#[derive(Debug)]
struct NoTime;

static NO_TIME: NoTime = NoTime;

impl fatfs::TimeProvider for NoTime {
    fn get_current_date(&self) -> fatfs::Date {
        fatfs::Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        fatfs::DateTime {
            date: self.get_current_date(),
            time: fatfs::Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests;
