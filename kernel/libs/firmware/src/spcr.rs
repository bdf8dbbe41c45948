//! Which serial port the firmware talks on (Microsoft, "Serial Port Console
//! Redirection Table", revisions 1 to 4).

use crate::sdt::{Signature, Table};
use crate::{Bytes, GenericAddress};

/// The table's name.
pub const SIGNATURE: Signature = Signature(*b"SPCR");
/// Bytes of revisions 1 and 2, which later ones begin with.
pub const FIXED_LEN: usize = 80;

/// A PCI device that the port belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciDevice {
    /// Segment group.
    pub segment: u8,
    /// Bus.
    pub bus: u8,
    /// Device on the bus.
    pub device: u8,
    /// Function of the device.
    pub function: u8,
}

/// The port that the firmware talks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// What it is: 0 and 1 are 16550-compatible, 0x12 is with any register width.
    pub interface: u8,
    /// Where its registers are.
    pub registers: GenericAddress,
    /// Its speed, `None` for as the firmware left it.
    pub baud: Option<u32>,
    /// Clock of the divisor in Hz, if the table says.
    pub clock_hz: Option<u32>,
    /// The PCI device, if it is one.
    pub pci: Option<PciDevice>,
}

/// Takes the port from the table; `None` if the redirection is switched off.
pub fn parse(table: Table<'_>) -> Option<SerialPort> {
    let bytes = table.bytes();
    let revision = table.revision();
    let since = |first: u8, offset| {
        let value = bytes.u32(offset).filter(|value| *value != 0);
        value.filter(|_| revision >= first)
    };
    let coded = match bytes.u8(58)? {
        3 => Some(9_600),
        4 => Some(19_200),
        6 => Some(57_600),
        7 => Some(115_200),
        _ => None,
    };
    Some(SerialPort {
        interface: bytes.u8(36)?,
        registers: GenericAddress::parse(bytes, 40)?,
        baud: since(4, 80).or(coded),
        clock_hz: since(3, 76),
        pci: pci(bytes),
    })
}

fn pci(bytes: Bytes<'_>) -> Option<PciDevice> {
    // All ones in the device id means that it is none.
    bytes.u16(64).filter(|id| *id != u16::MAX)?;
    Some(PciDevice {
        segment: bytes.u8(75)?,
        bus: bytes.u8(68)?,
        device: bytes.u8(69)?,
        function: bytes.u8(70)?,
    })
}
