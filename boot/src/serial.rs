//! The first serial port, for what must be said before there is a kernel.

use core::fmt::{self, Write};

use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550Tty};

const COM1: u16 = 0x3F8;

/// Writes a line to the first serial port, if there is one.
pub fn line(text: fmt::Arguments<'_>) {
    if let Some(mut port) = open() {
        // The port was there a moment ago, and nobody else could be told.
        let _ = port.write_fmt(format_args!("{text}\n"));
    }
}

fn open() -> Option<Uart16550Tty<PioBackend>> {
    // SAFETY: by convention of the PC these ports are a serial port or nothing,
    // which the constructor finds out; neither loader has another processor or
    // an interrupt handler that would use them at the same time.
    unsafe { Uart16550Tty::new_port(COM1, Config::default()) }.ok()
}
