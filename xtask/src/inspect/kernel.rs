//! The kernel's file, as our loaders and the upstream one want it.
//!
//! The upstream `bootloader` crate's loader can not be built by a stable
//! toolchain, so its demands are held here: the configuration is in a section of
//! its own and can be read, and each segment's address and file offset agree
//! within a page, because it maps pages of the file in place.

use anyhow::Result;
use bootloader_api::BootloaderConfig;
use object::endian::LittleEndian as LE;
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _};

use super::{Finding, red_zone, segments};

const CONFIG_SECTION: &str = ".bootloader-config";

/// Inspects a kernel.
pub(super) fn inspect(file: &[u8]) -> Result<Vec<Finding>> {
    let mut findings = segments::inspect(file, segments::KERNEL)?;
    findings.extend(red_zone::inspect(file)?);
    if let Err(reason) = config(file)? {
        findings.push(Finding::Refused { reason });
    }
    Ok(findings)
}

fn config(file: &[u8]) -> Result<Result<BootloaderConfig, String>> {
    let elf = ElfFile64::<LE>::parse(file)?;
    let Some(section) = elf.section_by_name(CONFIG_SECTION) else {
        return Ok(Err(format!("no section {CONFIG_SECTION}")));
    };
    let config = BootloaderConfig::deserialize(section.data()?);
    Ok(config.map_err(|reason| format!("{CONFIG_SECTION}: {reason}")))
}
