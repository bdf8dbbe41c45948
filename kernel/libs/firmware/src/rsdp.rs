//! The root pointer, from which all other tables are found.
//!
//! Revision 0 has 20 bytes and points to an RSDT; revision 2 adds a length, the
//! XSDT and a checksum over all of it (ACPI 6.5, section 5.2.5.3). QEMU's direct
//! boot and SeaBIOS give revision 0, UEFI firmware revision 2.

use core::fmt;

use frame::PhysAddr;

use crate::{Bytes, Physical};

/// Bytes of revision 0.
const LEN_V0: usize = 20;
/// Bytes of revision 2.
const LEN_V2: usize = 36;
/// What a root pointer starts with.
const SIGNATURE: &[u8; 8] = b"RSD PTR ";

/// Where the lists of tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rsdp {
    /// Revision of the structure.
    pub revision: u8,
    /// The list of 32-bit addresses.
    pub rsdt: Option<PhysAddr>,
    /// The list of 64-bit addresses, to be preferred.
    pub xsdt: Option<PhysAddr>,
}

/// Why there is no root pointer at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsdpError {
    /// The bytes can't be read.
    Unmapped,
    /// It doesn't start with `RSD PTR `.
    Signature,
    /// Its bytes don't add up to zero.
    Checksum {
        /// What they add up to.
        sum: u8,
    },
}

impl fmt::Display for RsdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmapped => f.write_str("its bytes can't be read"),
            Self::Signature => f.write_str("it doesn't start with the signature"),
            Self::Checksum { sum } => write!(f, "its bytes add up to {sum:#04x} instead of 0"),
        }
    }
}

impl core::error::Error for RsdpError {}

/// Reads the root pointer at an address.
///
/// An extended part that is damaged is left out: the RSDT still leads to the
/// tables.
///
/// # Errors
///
/// Returns why there is none.
pub fn read(memory: &impl Physical, at: PhysAddr) -> Result<Rsdp, RsdpError> {
    let base = memory.read(at, LEN_V0).ok_or(RsdpError::Unmapped)?;
    let mut rsdp = parse(Bytes::new(base))?;
    if rsdp.revision >= 2 {
        rsdp.xsdt = memory
            .read(at, LEN_V2)
            .and_then(|whole| extended(Bytes::new(whole)));
    }
    Ok(rsdp)
}

/// Looks for a root pointer where a BIOS leaves one: in the first KiB of the
/// extended data area and between 0xE0000 and 1 MiB, at multiples of 16.
pub fn search(memory: &impl Physical) -> Option<PhysAddr> {
    let segment = memory.read(PhysAddr(0x40e), 2);
    let segment = segment.and_then(|bytes| Bytes::new(bytes).u16(0));
    let extended = segment.map_or(0, |segment| u64::from(segment) << 4);
    let areas = [(extended, 0x400), (0xe_0000, 0x2_0000)];
    let mut candidates = areas
        .into_iter()
        .filter(|(start, _)| *start != 0)
        .flat_map(|(start, len)| (start..start + len).step_by(16))
        .map(PhysAddr);
    candidates.find(|at| read(memory, *at).is_ok())
}

/// Takes the first 20 bytes, which all revisions share.
fn parse(bytes: Bytes<'_>) -> Result<Rsdp, RsdpError> {
    if bytes.array(0).as_ref() != Some(SIGNATURE) {
        return Err(RsdpError::Signature);
    }
    match bytes.sum() {
        0 => Ok(Rsdp {
            revision: bytes.u8(15).unwrap_or(0),
            rsdt: bytes.u32(16).and_then(|at| address(at.into())),
            xsdt: None,
        }),
        sum => Err(RsdpError::Checksum { sum }),
    }
}

/// Takes the XSDT's address from a whole root pointer of revision 2.
///
/// The checksum is over the declared length; longer ones than today's are not
/// known, and read as far as they are.
fn extended(bytes: Bytes<'_>) -> Option<PhysAddr> {
    let len = usize::try_from(bytes.u32(20)?).ok()?;
    let whole = bytes.first(len).filter(|whole| whole.len() >= LEN_V2)?;
    (whole.sum() == 0).then(|| whole.u64(24).and_then(address))?
}

/// Returns the address unless it is null.
fn address(at: u64) -> Option<PhysAddr> {
    (at != 0).then_some(PhysAddr(at))
}
