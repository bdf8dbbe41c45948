//! Boots the kernel from UEFI firmware.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use boot::serial;
use freestanding as _;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    serial::line(format_args!("boot: {info}"));
    loop {
        x86_64::instructions::hlt();
    }
}

/// The entry point that the firmware calls.
#[unsafe(no_mangle)]
extern "efiapi" fn efi_main() -> usize {
    0
}
