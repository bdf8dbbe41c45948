//! The serial port that the firmware talks on, where it names one.

use core::ptr::NonNull;

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::{Space, Topology, spcr::SerialPort};
use frame::{FRAME_SIZE, PhysAddr, PhysRange};

use super::Serial;
use crate::{
    arch::{cpu, to_usize},
    log::{info, warn},
    mem::{Access, Mapper},
};

/// Interfaces that speak like a 16550: full, the subset of debug ports, and with
/// the register layout that the address states (Microsoft, debug port table 2).
const LIKE_16550: [u8; 3] = [0x00, 0x01, 0x12];
/// Registers of a port.
const REGISTERS: u64 = 8;

/// Adds the port, unless it is in use already.
pub(crate) fn add_firmware_port(
    mapper: &mut Mapper<'_>,
    topology: &Topology,
    regions: &[MemoryRegion],
) {
    let Some(named) = topology.serial else { return };
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
        Space::Memory => pages(&named)
            .filter(|pages| !is_memory(*pages, topology, regions))
            .and_then(|pages| in_memory(mapper, pages, &named)),
        Space::PciConfig | Space::Other(_) => None,
    };
    match port {
        Some(port) => {
            super::add_port(port);
            info!("console", "also on the firmware's port at {base:#x}");
        }
        None => warn!(
            "console",
            "the firmware names a port at {base:#x}, where none answers or can be"
        ),
    }
}

/// Returns the pages with the registers, if the processor can address them.
fn pages(named: &SerialPort) -> Option<PhysRange> {
    let start = PhysAddr(named.registers.address);
    let end = start.checked_add(REGISTERS * u64::from(stride(named)))?;
    let frame_bytes = FRAME_SIZE as u64;
    let pages = PhysRange::between(start.align_down(frame_bytes), end.align_up(frame_bytes)?);
    (pages.end().0 - 1)
        .checked_shr(cpu::physical_bits().into())
        .is_none_or(|beyond| beyond == 0)
        .then_some(pages)
}

/// Returns whether something in memory would take the damage if the firmware is
/// wrong and no registers are there.
fn is_memory(pages: PhysRange, topology: &Topology, regions: &[MemoryRegion]) -> bool {
    let in_use = regions.iter().filter(|region| {
        matches!(
            region.kind,
            MemoryRegionKind::Usable | MemoryRegionKind::Bootloader
        )
    });
    let in_use =
        in_use.map(|region| PhysRange::between(PhysAddr(region.start), PhysAddr(region.end)));
    let persistent = topology.persistent.iter().map(|range| range.range);
    in_use.chain(persistent).any(|range| range.overlaps(pages))
}

fn in_memory(mapper: &mut Mapper<'_>, pages: PhysRange, named: &SerialPort) -> Option<Serial> {
    let mapped = mapper.map(pages, Access::Device).ok()?;
    let start = named.registers.address;
    let offset = to_usize(start - pages.start().0);
    let first = NonNull::new(mapped.start().wrapping_add(offset))?;
    // SAFETY: all registers are mapped, uncached, and nothing else drives them.
    unsafe { Serial::in_memory(start, first, stride(named), named.baud) }
}

/// Bytes from one register to the next.
fn stride(named: &SerialPort) -> u8 {
    (named.registers.width_bits / 8).max(1)
}
