//! What a freestanding image must be before anyone runs it.
//!
//! A wrong flag, linker script or compiler version shows up in these images as
//! silent corruption at run time: an interrupt overwrites a red zone, a page is
//! writable and executable, a relocation is applied by nobody. So every build
//! looks at what came out instead of trusting what went in.

mod efi;
mod kernel;
mod red_zone;
mod segments;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::build::Artifacts;

/// Something about an image that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// An instruction accesses memory below the stack pointer, where the next
    /// interrupt writes.
    RedZone {
        /// The function, as far as symbols tell.
        function: String,
        /// The address of the instruction.
        address: u64,
        /// The instruction.
        instruction: String,
    },
    /// A segment is both writable and executable.
    WritableCode {
        /// Where it begins.
        address: u64,
    },
    /// A segment does not begin at a page.
    Unaligned {
        /// Where it begins.
        address: u64,
    },
    /// The image does not begin where its linker script puts it.
    LoadAddress {
        /// Where it should begin.
        expected: u64,
        /// Where it begins, if it has anything to load.
        found: Option<u64>,
    },
    /// The image wants to be relocated by a loader that does not do that.
    DynamicRelocations {
        /// What gives it away.
        what: String,
    },
    /// A loader would refuse the image.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Inspects the images.
///
/// # Errors
///
/// Lists everything that was found.
pub(crate) fn images(artifacts: &Artifacts) -> Result<()> {
    // The image for the firmware has no symbols; its code is that of the file
    // that it was made from.
    let loader = artifacts.efi.with_file_name("efi");
    verdict(&artifacts.kernel_elf, kernel::inspect)?;
    verdict(&loader, efi::inspect_code)?;
    verdict(&artifacts.efi, efi::inspect)?;
    verdict(&artifacts.pvh, |file| {
        segments::inspect(file, segments::PVH)
    })
}

fn verdict(file: &Path, inspect: impl Fn(&[u8]) -> Result<Vec<Finding>>) -> Result<()> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| format!("reading {name}"))?;
    let findings = inspect(&bytes).with_context(|| format!("inspecting {name}"))?;
    if findings.is_empty() {
        return Ok(());
    }
    let list: String = findings
        .iter()
        .map(|finding| format!("\n  {finding}"))
        .collect();
    bail!("{name} must not be run:{list}");
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RedZone {
                function,
                address,
                instruction,
            } => write!(
                f,
                "{function} uses the red zone at {address:#x}: {instruction}"
            ),
            Self::WritableCode { address } => {
                write!(f, "segment at {address:#x} is writable and executable")
            }
            Self::Unaligned { address } => {
                write!(f, "segment at {address:#x} does not begin at a page")
            }
            Self::LoadAddress {
                expected,
                found: Some(found),
            } => write!(f, "begins at {found:#x} instead of {expected:#x}"),
            Self::LoadAddress {
                expected,
                found: None,
            } => write!(f, "has nothing to load, least of all at {expected:#x}"),
            Self::DynamicRelocations { what } => write!(f, "wants to be relocated: {what}"),
            Self::Refused { reason } => write!(f, "loaders refuse it: {reason}"),
        }
    }
}
