//! Boots the kernel from UEFI firmware.
//!
//! The application reads `\perennial\kernel.elf` and `\perennial\command-line.txt`
//! from the volume that it was itself loaded from, lays out the kernel's address
//! space while the firmware's services still exist, ends them, and jumps.
#![no_std]
#![no_main]

mod error;
mod firmware;

use core::panic::PanicInfo;

use boot::arena::Arena;
use boot::cpu::Cpu;
use boot::elf::Kernel;
use boot::handoff::{self, Ready};
use boot::load::{self, Request};
use boot::regions::Map;
use boot::serial;
use freestanding as _;
use uefi::{CStr16, Status, cstr16};
use x86_64::instructions::{hlt, interrupts};

use error::BootError;
use firmware::Firmware;

const KERNEL: &CStr16 = cstr16!("\\perennial\\kernel.elf");
const COMMAND_LINE: &CStr16 = cstr16!("\\perennial\\command-line.txt");

#[uefi::entry]
fn main() -> Status {
    let firmware = Firmware::enter();
    match boot(&firmware) {
        Ok(prepared) => start(firmware, prepared),
        Err(error) => {
            firmware.complain(&error);
            firmware.leave()
        }
    }
}

/// A kernel that only lacks the memory map.
struct Prepared {
    loaded: load::Loaded,
    arena: Arena<'static>,
}

fn boot(firmware: &Firmware) -> Result<Prepared, BootError> {
    firmware.disable_watchdog();
    firmware.say(format_args!("boot: {}", firmware.secure_boot()));

    let kernel_file = firmware.read(KERNEL)?.ok_or(BootError::NoKernel)?;
    let kernel = Kernel::parse(kernel_file.bytes())?;
    let command_line = firmware.read(COMMAND_LINE)?;
    if command_line.is_none() {
        firmware.say(format_args!(
            "boot: no {COMMAND_LINE}, the kernel runs with its defaults"
        ));
    }

    let cpu = Cpu::detect()?;
    let screen = firmware.screen();
    let memory_end = firmware.memory_map()?.end();
    let len_bytes = load::arena_len(&kernel, screen, memory_end, cpu);
    let room = firmware.allocate_low(len_bytes)?;
    let start = room.range().start();
    let mut arena = Arena::new(start, room.into_bytes());
    let request = Request {
        kernel: &kernel,
        kernel_file: kernel_file.range(),
        command_line: command_line
            .map(|text| text.range())
            .filter(|text| !text.is_empty()),
        screen,
        rsdp: firmware.rsdp(),
        memory_end,
        cpu,
        switch_code: handoff::switch_code(),
    };
    let loaded = load::load(&request, &mut arena)?;
    Ok(Prepared { loaded, arena })
}

/// Ends the firmware's services and jumps. From here on, errors go to the serial
/// port alone.
fn start(firmware: Firmware, prepared: Prepared) -> ! {
    let Prepared { loaded, mut arena } = prepared;
    match firmware
        .exit()
        .and_then(|map| finish(map, &loaded, &mut arena))
    {
        // SAFETY:
        // 1. `boot` has loaded the kernel for this processor; UEFI maps memory one
        //    to one (UEFI 2.10, 2.3.4), so all addresses were real ones.
        // 2. The services have ended, and `exit` has turned interrupts off.
        // 3. The map is the final one; what the kernel keeps has a type of its own
        //    in it, and the switch code has been added. The loader's other memory
        //    is not used after the jump.
        Ok(ready) => unsafe { handoff::jump(ready) },
        Err(error) => halt(format_args!("boot: {error}")),
    }
}

fn finish(mut map: Map, loaded: &load::Loaded, arena: &mut Arena<'_>) -> Result<Ready, BootError> {
    map.keep(handoff::switch_code())?;
    Ok(handoff::finish(loaded, &map, arena))
}

fn halt(reason: core::fmt::Arguments<'_>) -> ! {
    serial::line(reason);
    interrupts::disable();
    loop {
        hlt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    halt(format_args!("boot: {info}"))
}
