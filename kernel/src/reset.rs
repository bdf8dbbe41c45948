//! Ways to reset the machine, without warning.
//!
//! A crash must be possible from anywhere, an interrupt handler included, so
//! nothing here allocates, locks or prints. Machines differ in which way works;
//! one that turns out not to is followed by the next, and the triple fault works
//! everywhere.

use core::arch::asm;

use arrayvec::ArrayVec;
use firmware::{Space, Topology, fadt};
use options::Reset;
use x86_64::{
    VirtAddr,
    instructions::{interrupts, tables::lidt},
    structures::DescriptorTablePointer,
};

use crate::arch::port::{self, in8, out8, out32};

/// A way to reset the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetWay {
    /// The register that the firmware's FADT names, at a port.
    Fadt {
        /// Its port.
        port: u16,
        /// What to write.
        value: u8,
    },
    /// The same in the configuration space of a device on the first PCI bus.
    FadtPci {
        /// Device, function and register, as the configuration port wants them.
        address: u32,
        /// What to write.
        value: u8,
    },
    /// The reset line of the keyboard controller.
    Keyboard,
    /// A fault while delivering a fault while delivering a fault.
    TripleFault,
}

impl ResetWay {
    /// Returns the ways that this machine has, of those that are wanted; at least
    /// one.
    pub(crate) fn available(topology: &Topology, wanted: Reset) -> ArrayVec<Self, 3> {
        let register = topology.reset.and_then(Self::from_register);
        // A keyboard controller that firmware forgets to mention is common; one
        // that isn't there costs nothing but the wait.
        let others = [Self::Keyboard, Self::TripleFault];
        let is_wanted = |way: &Self| match wanted {
            Reset::Any => true,
            Reset::Orderly => *way != Self::TripleFault,
            Reset::TripleFault => *way == Self::TripleFault,
        };
        let ways = register.into_iter().chain(others);
        ways.filter(is_wanted).collect()
    }

    fn from_register(fadt::Reset { register, value }: fadt::Reset) -> Option<Self> {
        match register.space {
            Space::Port => Some(Self::Fadt {
                port: register.port()?,
                value,
            }),
            Space::PciConfig => Some(Self::FadtPci {
                address: pci_address(register.address),
                value,
            }),
            Space::Memory | Space::Other(_) => None,
        }
    }

    /// Returns the name that records use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fadt { .. } | Self::FadtPci { .. } => "fadt",
            Self::Keyboard => "keyboard",
            Self::TripleFault => "triple-fault",
        }
    }

    /// Resets the machine, this way if it works; calls `note` before each try.
    pub(crate) fn pull(self, note: impl Fn(Self)) -> ! {
        interrupts::disable();
        for way in [self, Self::Keyboard] {
            note(way);
            way.try_once();
            port::wait();
        }
        note(Self::TripleFault);
        triple_fault()
    }

    fn try_once(self) {
        match self {
            // SAFETY: the firmware says that this resets the machine, and it is
            // what is wanted.
            Self::Fadt { port, value } => unsafe { out8(port, value) },
            Self::FadtPci { address, value } => pci_write(address, value),
            Self::Keyboard => keyboard(),
            Self::TripleFault => triple_fault(),
        }
    }
}

/// The address of a register as the configuration port wants it; firmware
/// writes device, function and register in 16 bits each (ACPI 6.5, table 5-1).
fn pci_address(address: u64) -> u32 {
    const ENABLE: u64 = 1 << 31;
    let (device, function, register) = (address >> 32 & 0x1F, address >> 16 & 0x7, address & 0xFF);
    let bits = ENABLE | device << 11 | function << 8 | register;
    u32::try_from(bits).unwrap_or(0)
}

fn pci_write(address: u32, value: u8) {
    const ADDRESS: u16 = 0xCF8;
    const DATA: u16 = 0xCFC;
    // SAFETY: selecting a register has no effect on memory.
    unsafe { out32(ADDRESS, address & !0b11) };
    let lane = (address & 0b11) as u16;
    // SAFETY: the firmware says that this resets the machine.
    unsafe { out8(DATA + lane, value) };
}

/// Pulses the line that the keyboard controller has for this.
fn keyboard() {
    const COMMAND: u16 = 0x64;
    const INPUT_FULL: u8 = 1 << 1;
    const PULSE_RESET: u8 = 0xFE;
    const POLLS: u32 = 100_000;
    for _ in 0..POLLS {
        // SAFETY: reading the status has no effect.
        let status = unsafe { in8(COMMAND) };
        if status & INPUT_FULL == 0 {
            break;
        }
    }
    // SAFETY: resetting the machine is what is wanted.
    unsafe { out8(COMMAND, PULSE_RESET) };
}

/// Raises an exception without having an interrupt table.
fn triple_fault() -> ! {
    let nothing = DescriptorTablePointer {
        base: VirtAddr::zero(),
        limit: 0,
    };
    // SAFETY: the next instruction resets the machine.
    unsafe { lidt(&nothing) };
    // SAFETY: the exception finds no handler, and execution ends here.
    unsafe { asm!("ud2", options(noreturn)) }
}
