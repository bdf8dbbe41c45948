//! Perennial: a unikernel that measures and proves a page-frame allocator.
#![no_std]
#![no_main]

use bootloader_api::config::Mapping;
use bootloader_api::{BootInfo, BootloaderConfig, entry_point};
use core::fmt::Write;
use core::panic::PanicInfo;
use freestanding as _;
use uart_16550::{Config, Uart16550Tty};
use x86_64::instructions::{hlt, port::Port};

/// What the kernel asks of its loader.
static CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::Dynamic);
    config.kernel_stack_size = 256 * 1024;
    config
};

entry_point!(main, config = &CONFIG);

fn main(info: &'static mut BootInfo) -> ! {
    say(format_args!(
        "hello from {} built by {}\n{info:#x?}\n",
        env!("PERENNIAL_COMMIT"),
        env!("PERENNIAL_TOOLCHAIN"),
    ));
    exit(0)
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    say(format_args!("{info}\n"));
    exit(1)
}

fn say(text: core::fmt::Arguments) {
    // SAFETY: COM1 is at its customary ports, and nothing else drives it.
    if let Ok(mut serial) = unsafe { Uart16550Tty::new_port(0x3F8, Config::default()) } {
        let _ = serial.write_fmt(text);
    }
}

fn exit(code: u32) -> ! {
    let mut port = Port::new(0xF4);
    // SAFETY: QEMU's debug exit device, or nothing.
    unsafe { port.write(code) };
    loop {
        hlt();
    }
}
