//! Boots the kernel without firmware services, for tests.
//!
//! `qemu -kernel pvh -initrd kernel.elf -append "command line"` starts this stub
//! by the PVH protocol, in a tenth of the time that UEFI firmware takes. It hands
//! the kernel the same `BootInfo` as the UEFI loader does; only the memory map
//! has e820 types, and there is no framebuffer.
#![no_std]
#![no_main]

mod entry;
mod memory;

use core::fmt;
use core::panic::PanicInfo;

use boot::arena::Arena;
use boot::cpu::{Cpu, NoExecuteDisable};
use boot::elf::{ElfError, Kernel};
use boot::handoff::{self, Ready};
use boot::load::{self, LoadError, Request};
use boot::pvh::{StartInfo, StartInfoError};
use boot::regions::{Map, TooManyRegions};
use boot::serial;
use freestanding as _;
use x86_64::instructions::{hlt, interrupts, port::Port};

/// Why the kernel can not be booted.
enum BootError {
    StartInfo(StartInfoError),
    KernelOutOfReach,
    Kernel(ElfError),
    Processor(NoExecuteDisable),
    Regions(TooManyRegions),
    NoRoom { len_bytes: u64 },
    Load(LoadError),
}

/// Runs on the stub's own stack and page tables, once.
extern "sysv64" fn start(start_info: u32) -> ! {
    match boot(u64::from(start_info)) {
        // SAFETY:
        // 1. `boot` has loaded the kernel for this processor, at real addresses.
        // 2. There is no firmware, and the protocol starts with interrupts off.
        // 3. The map is the firmware's, less what the kernel keeps; the stub's own
        //    memory is not used after the jump but for the switch code, kept too.
        Ok(ready) => unsafe { handoff::jump(ready) },
        Err(error) => give_up(format_args!("boot: {error}")),
    }
}

fn boot(start_info: u64) -> Result<Ready, BootError> {
    let read = memory::read;
    let info = StartInfo::read(start_info, &read)?;
    let kernel_file = info.module(&read)?;
    let command_line = info.command_line(&read)?;

    let mut map = Map::default();
    info.memory_map(&read, &mut map)?;
    map.keep(kernel_file)?;
    map.keep(command_line.unwrap_or_default())?;
    map.keep(handoff::switch_code())?;

    let kernel = read(kernel_file).ok_or(BootError::KernelOutOfReach)?;
    let kernel = Kernel::parse(kernel)?;
    let cpu = Cpu::detect()?;
    let memory_end = map.end();
    let len_bytes = load::arena_len(&kernel, None, memory_end, cpu);
    let room = map
        .find(len_bytes, memory::free())
        .ok_or(BootError::NoRoom { len_bytes })?;
    map.keep(room)?;

    // SAFETY:
    // 1. The room lies in `memory::free()`, and the map says it is usable memory.
    // 2. What else is referred to, kernel file and command line, was kept before
    //    the room was found; `boot` runs once.
    let mut arena = Arena::new(room.start(), unsafe { memory::claim(room) });
    let request = Request {
        kernel: &kernel,
        kernel_file,
        command_line,
        screen: None,
        rsdp: info.rsdp(),
        memory_end,
        cpu,
        switch_code: handoff::switch_code(),
    };
    let loaded = load::load(&request, &mut arena)?;
    Ok(handoff::finish(&loaded, &map, &mut arena))
}

/// Says why, and switches the machine off: there is nobody to press a key.
fn give_up(reason: fmt::Arguments<'_>) -> ! {
    serial::line(reason);
    // SAFETY: the power management port of QEMU's q35 and pc machines; elsewhere
    // nothing listens.
    unsafe { Port::<u16>::new(0x604).write(0x2000) };
    interrupts::disable();
    loop {
        hlt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    give_up(format_args!("boot: {info}"))
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartInfo(error) => error.fmt(f),
            Self::KernelOutOfReach => write!(f, "kernel file lies outside the first 4 GiB"),
            Self::Kernel(error) => write!(f, "kernel file: {error}"),
            Self::Processor(NoExecuteDisable) => write!(f, "processor lacks execute-disable"),
            Self::Regions(error) => error.fmt(f),
            Self::NoRoom { len_bytes } => {
                write!(
                    f,
                    "no {len_bytes} bytes of free memory below 4 GiB in one piece"
                )
            }
            Self::Load(error) => error.fmt(f),
        }
    }
}

impl From<StartInfoError> for BootError {
    fn from(error: StartInfoError) -> Self {
        Self::StartInfo(error)
    }
}

impl From<ElfError> for BootError {
    fn from(error: ElfError) -> Self {
        Self::Kernel(error)
    }
}

impl From<NoExecuteDisable> for BootError {
    fn from(error: NoExecuteDisable) -> Self {
        Self::Processor(error)
    }
}

impl From<TooManyRegions> for BootError {
    fn from(error: TooManyRegions) -> Self {
        Self::Regions(error)
    }
}

impl From<LoadError> for BootError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}
