//! The serial port that the firmware talks on, where it names one.

use core::ptr::NonNull;

use firmware::{Space, spcr::SerialPort};
use frame::{FRAME_SIZE, PhysAddr, PhysRange};

use super::Serial;
use crate::{
    log::{info, warn},
    mem::{Access, Mapper},
};

/// Interfaces that speak like a 16550: full, the subset of debug ports, and with
/// the register layout that the address states (Microsoft, debug port table 2).
const LIKE_16550: [u8; 3] = [0x00, 0x01, 0x12];
/// Registers of a port.
const REGISTERS: u64 = 8;

/// Adds the port, unless it is in use already.
pub(crate) fn add_firmware_port(mapper: &mut Mapper<'_>, named: Option<SerialPort>) {
    let Some(named) = named else { return };
    let (base, space) = (named.registers.address, named.registers.space);
    if super::has_port(base) {
        return;
    }
    if !LIKE_16550.contains(&named.interface) {
        let interface = named.interface;
        warn!(
            "console",
            "the firmware's port has interface {interface:#x}, which is not supported"
        );
        return;
    }
    let port = match space {
        Space::Port => named.registers.port().and_then(|port| {
            // SAFETY: the firmware says that a serial port is there, and nothing
            // else drives it.
            unsafe { Serial::at_port(port, named.baud) }
        }),
        Space::Memory => in_memory(mapper, &named),
        Space::PciConfig | Space::Other(_) => None,
    };
    match port {
        Some(port) => {
            super::add_port(port);
            info!("console", "also on the firmware's port at {base:#x}");
        }
        None => warn!(
            "console",
            "the firmware names a port at {base:#x}, where none answers"
        ),
    }
}

fn in_memory(mapper: &mut Mapper<'_>, named: &SerialPort) -> Option<Serial> {
    let stride = (named.registers.width_bits / 8).max(1);
    let start = PhysAddr(named.registers.address);
    let end = start.checked_add(REGISTERS * u64::from(stride))?;
    let frame_bytes = FRAME_SIZE as u64;
    let pages = PhysRange::between(start.align_down(frame_bytes), end.align_up(frame_bytes)?);
    let mapped = mapper.map(pages, Access::Device).ok()?;
    let offset = start.0 - pages.start().0;
    let first = mapped.start().wrapping_add(crate::arch::to_usize(offset));
    // SAFETY: all registers are mapped, uncached, and nothing else drives them.
    unsafe { Serial::in_memory(start.0, NonNull::new(first)?, stride, named.baud) }
}
