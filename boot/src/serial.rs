//! The first serial port, for what must be said before there is a kernel.
//!
//! A port may be there and never send, because nobody takes what it sends; so
//! every wait is bounded, and a port that has stalled loses the rest of the line.

use core::fmt::{self, Write};

use uart_16550::{Config, Uart16550, backend::PioBackend, spec::registers::LSR};

const COM1: u16 = 0x3F8;

/// Polls until a port counts as stalled. One takes a microsecond on hardware.
const POLLS: u32 = 1 << 22;

/// A port that is ready.
struct Port(Uart16550<PioBackend>);

/// Writes a line to the first serial port, if there is one.
pub fn line(text: fmt::Arguments<'_>) {
    if let Some(mut port) = Port::open() {
        // The port was there a moment ago, and nobody else could be told.
        let _ = port.write_fmt(format_args!("{text}\r\n"));
    }
}

impl Port {
    fn open() -> Option<Self> {
        // SAFETY: by convention of the PC these ports are a serial port or nothing,
        // which is found out below; neither loader has another processor or an
        // interrupt handler that would use them at the same time.
        let mut port = unsafe { Uart16550::new_port(COM1) }.ok()?;
        if !port.check_present() {
            return None;
        }
        // Initialising waits for what was sent last, without a bound of its own.
        (0..POLLS).find(|_| port.lsr().contains(LSR::TRANSMITTER_EMPTY))?;
        port.init(Config::default()).ok()?;
        Some(Self(port))
    }
}

impl Write for Port {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let attempts = (0..POLLS).map(|_| self.0.send_bytes(rest));
            let sent = attempts.into_iter().find(|sent| *sent > 0);
            rest = &rest[sent.ok_or(fmt::Error)?..];
        }
        Ok(())
    }
}
