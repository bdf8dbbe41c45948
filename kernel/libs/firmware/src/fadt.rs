//! How to switch the machine off and on again (ACPI 6.5, section 5.2.9).
//!
//! The table has grown over six revisions: registers have a 32-bit form and,
//! from revision 2 on, a generic one that wins where it isn't null. Fields that
//! lie behind the table's end don't exist, whatever the revision says.

use frame::PhysAddr;

use crate::Bytes;
use crate::sdt::{Signature, Table};

/// The table's name.
pub const SIGNATURE: Signature = Signature(*b"FACP");
/// Bytes of revision 1, which all later ones begin with.
pub const FIXED_LEN: usize = 116;

/// Flag of a reset register that works.
const RESET_REGISTER: u32 = 1 << 10;
/// Boot architecture flag of an 8042 keyboard controller.
const KEYBOARD_CONTROLLER: u16 = 1 << 1;

/// What kind of address a register has (table 5-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Physical memory.
    Memory,
    /// An input/output port.
    Port,
    /// Configuration space of a device on the first PCI bus.
    PciConfig,
    /// Something else, by its number.
    Other(u8),
}

/// Where a register is, in the firmware's generic form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenericAddress {
    /// What kind of address it is.
    pub space: Space,
    /// Width of the register in bits.
    pub width_bits: u8,
    /// The register's lowest bit at the address.
    pub offset_bits: u8,
    /// Size of an access: 1 to 4 for 1, 2, 4 and 8 bytes, 0 if not said.
    pub access: u8,
    /// The address.
    pub address: u64,
}

impl GenericAddress {
    /// Takes the 12 bytes at `offset`; null addresses are `None`.
    pub fn parse(bytes: Bytes<'_>, offset: usize) -> Option<Self> {
        let [space, width_bits, offset_bits, access] = bytes.array(offset)?;
        let address = bytes.u64(offset.checked_add(4)?)?;
        let space = match space {
            0 => Space::Memory,
            1 => Space::Port,
            2 => Space::PciConfig,
            other => Space::Other(other),
        };
        (address != 0).then_some(Self {
            space,
            width_bits,
            offset_bits,
            access,
            address,
        })
    }

    /// Returns the port, if it is one.
    pub fn port(self) -> Option<u16> {
        let port = u16::try_from(self.address).ok();
        port.filter(|_| self.space == Space::Port)
    }

    fn from_port(port: u32, width_bits: u8) -> Option<Self> {
        (port != 0).then_some(Self {
            space: Space::Port,
            width_bits,
            offset_bits: 0,
            access: 0,
            address: port.into(),
        })
    }
}

/// How to reset the machine: write the value to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The register.
    pub register: GenericAddress,
    /// The value.
    pub value: u8,
}

/// How to take the machine from the firmware's hands: write the value to the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnableAcpi {
    /// The port.
    pub port: u16,
    /// The value.
    pub value: u8,
}

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fadt {
    /// Where the definition block is that has the sleep states.
    pub dsdt: Option<PhysAddr>,
    /// Power management control register.
    pub pm1a_control: Option<GenericAddress>,
    /// Its second half on machines that split it.
    pub pm1b_control: Option<GenericAddress>,
    /// How to enable ACPI where the machine starts without.
    pub enable_acpi: Option<EnableAcpi>,
    /// How to reset the machine.
    pub reset: Option<Reset>,
    /// Whether there is an 8042 keyboard controller, which can reset too.
    pub keyboard_controller: bool,
}

/// Takes what matters from the table.
pub fn parse(table: Table<'_>) -> Fadt {
    let bytes = table.bytes();
    Fadt {
        dsdt: dsdt(bytes),
        pm1a_control: control(bytes, 64, 172),
        pm1b_control: control(bytes, 68, 184),
        enable_acpi: enable_acpi(bytes),
        reset: reset(bytes),
        keyboard_controller: bytes
            .u16(109)
            .is_some_and(|flags| flags & KEYBOARD_CONTROLLER != 0),
    }
}

fn dsdt(bytes: Bytes<'_>) -> Option<PhysAddr> {
    let short = bytes.u32(40).map(u64::from);
    let long = bytes.u64(140).filter(|at| *at != 0);
    long.or(short).filter(|at| *at != 0).map(PhysAddr)
}

fn control(bytes: Bytes<'_>, port: usize, generic: usize) -> Option<GenericAddress> {
    let width_bits = bytes.u8(89)?.saturating_mul(8);
    GenericAddress::parse(bytes, generic)
        .or_else(|| GenericAddress::from_port(bytes.u32(port)?, width_bits))
}

fn enable_acpi(bytes: Bytes<'_>) -> Option<EnableAcpi> {
    let port = bytes.u32(48).filter(|port| *port != 0)?;
    Some(EnableAcpi {
        port: u16::try_from(port).ok()?,
        value: bytes.u8(52).filter(|value| *value != 0)?,
    })
}

fn reset(bytes: Bytes<'_>) -> Option<Reset> {
    let works = bytes.u32(112)? & RESET_REGISTER != 0;
    let reset = Reset {
        register: GenericAddress::parse(bytes, 116)?,
        value: bytes.u8(128)?,
    };
    works.then_some(reset)
}
