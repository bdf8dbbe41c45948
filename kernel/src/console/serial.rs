//! A serial port that may fall silent.

use core::ptr::NonNull;

use uart_16550::{
    BaudRate, Config, Uart16550,
    backend::{MmioBackend, PioBackend},
    spec::registers::LSR,
};

/// The customary port of the first serial port.
pub(crate) const COM1: u16 = 0x3F8;

/// What everybody assumes unless told otherwise.
const BAUD: u32 = 115_200;

/// Polls until a port counts as dead. One takes a microsecond on hardware; a
/// virtual port may be blocked for a while because nobody reads.
const POLLS: u32 = 1 << 24;

/// A serial port.
pub(crate) struct Serial {
    base: u64,
    wires: Wires,
}

enum Wires {
    Port(Uart16550<PioBackend>),
    Memory(Uart16550<MmioBackend>),
    /// It stopped answering.
    Dead,
}

impl Serial {
    /// Returns the port with its registers at `port`, if one answers there.
    ///
    /// # Safety
    ///
    /// 1. The eight I/O ports from `port` belong to a serial port or to nothing,
    ///    and nothing else uses it.
    pub(crate) unsafe fn at_port(port: u16, baud: Option<u32>) -> Option<Self> {
        // SAFETY: clause 1.
        let mut uart = unsafe { Uart16550::new_port(port) }.ok()?;
        start(&mut uart, baud)?;
        Some(Self {
            base: u64::from(port),
            wires: Wires::Port(uart),
        })
    }

    /// Returns the port with its registers in memory, `stride` bytes apart.
    ///
    /// # Safety
    ///
    /// 1. Eight registers from `registers` are mapped, uncached, for the rest of
    ///    the run, and nothing else uses them.
    pub(crate) unsafe fn in_memory(
        base: u64,
        registers: NonNull<u8>,
        stride: u8,
        baud: Option<u32>,
    ) -> Option<Self> {
        // SAFETY: clause 1.
        let mut uart = unsafe { Uart16550::new_mmio(registers, stride) }.ok()?;
        start(&mut uart, baud)?;
        Some(Self {
            base,
            wires: Wires::Memory(uart),
        })
    }

    /// Returns where the registers are.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Sends `bytes`, or gives the port up.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let sent = match &mut self.wires {
            Wires::Port(uart) => send_all(bytes, |rest| uart.send_bytes(rest)),
            Wires::Memory(uart) => send_all(bytes, |rest| uart.send_bytes(rest)),
            Wires::Dead => return,
        };
        if sent.is_none() {
            self.wires = Wires::Dead;
        }
    }

    /// Waits until what was sent is on the wire, or gives the port up.
    pub(super) fn drain(&mut self) {
        let drained = match &mut self.wires {
            Wires::Port(uart) => drain(uart),
            Wires::Memory(uart) => drain(uart),
            Wires::Dead => return,
        };
        if drained.is_none() {
            self.wires = Wires::Dead;
        }
    }
}

fn start<B: uart_16550::backend::Backend>(
    uart: &mut Uart16550<B>,
    baud: Option<u32>,
) -> Option<()> {
    if !uart.check_present() {
        return None;
    }
    // What the loader sent last is still on its way. Initialising waits for it
    // without a bound of its own.
    drain(uart)?;
    uart.init(Config {
        baud_rate: BaudRate::from_integer(baud.unwrap_or(BAUD)),
        ..Config::DEFAULT
    })
    .ok()
}

/// Waits until the transmitter and the sixteen bytes before it are empty.
fn drain<B: uart_16550::backend::Backend>(uart: &mut Uart16550<B>) -> Option<()> {
    let is_empty = (0..POLLS).find(|_| uart.lsr().contains(LSR::TRANSMITTER_EMPTY));
    is_empty.map(|_| ())
}

fn send_all(mut rest: &[u8], mut send: impl FnMut(&[u8]) -> usize) -> Option<()> {
    while !rest.is_empty() {
        let sent = (0..POLLS).find_map(|_| match send(rest) {
            0 => {
                core::hint::spin_loop();
                None
            }
            sent => Some(sent),
        })?;
        rest = &rest[sent..];
    }
    Some(())
}
