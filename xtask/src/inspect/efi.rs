//! The UEFI loader: the code as linked, and the image made from it.

use anyhow::Result;
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, PeFile64};

use super::{Finding, red_zone, segments};

/// Inspects the ELF file that the image was made from.
pub(super) fn inspect_code(file: &[u8]) -> Result<Vec<Finding>> {
    let mut findings = segments::inspect(file, segments::EFI)?;
    findings.extend(red_zone::inspect(file)?);
    Ok(findings)
}

/// Inspects the image.
pub(super) fn inspect(file: &[u8]) -> Result<Vec<Finding>> {
    let image = PeFile64::parse(file)?;
    let mut findings = Vec::new();
    let subsystem = image.nt_headers().optional_header().subsystem();
    if subsystem != pe::IMAGE_SUBSYSTEM_EFI_APPLICATION {
        let reason = format!("subsystem {subsystem:?}, not an EFI application");
        findings.push(Finding::Refused { reason });
    }
    let mut start = None;
    for section in image.section_table().iter() {
        let address = u64::from(section.virtual_address.get(LE));
        start.get_or_insert(address);
        let rights = section.characteristics.get(LE);
        if rights.contains(pe::IMAGE_SCN_MEM_WRITE | pe::IMAGE_SCN_MEM_EXECUTE) {
            findings.push(Finding::WritableCode { address });
        }
    }
    if start != Some(segments::EFI.start) {
        findings.push(Finding::LoadAddress {
            expected: segments::EFI.start,
            found: start,
        });
    }
    Ok(findings)
}
