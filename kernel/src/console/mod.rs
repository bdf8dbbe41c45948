//! What the kernel says, one whole line at a time.
//!
//! Programs read the serial line, people read it and the screen. A line that
//! another processor cuts in two is a record lost and a run failed, so a line is
//! written under a lock, from its first byte to its line break. No device is
//! trusted to answer: every wait for one is bounded, and one that stops answering
//! is left alone from then on.

mod firmware_port;
mod lock;
mod screen;
mod serial;

use core::fmt::{self, Write};

use arrayvec::ArrayVec;
use bootloader_api::info::FrameBuffer;

use crate::arch::cpu;
pub(crate) use firmware_port::add_firmware_port;
use lock::{Held, Lock};
use screen::Screen;
pub(crate) use serial::{COM1, Serial};

static CONSOLE: Lock<Console> = Lock::new(Console {
    ports: ArrayVec::new_const(),
    screen: None,
});

/// How often a processor that panics tries the lock before it takes it.
const PATIENCE: u32 = 50_000_000;

struct Console {
    ports: ArrayVec<Serial, 2>,
    screen: Option<Screen>,
}

/// Whom a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// People: every device shows it.
    People,
    /// Programs: the screen does not show it.
    Programs,
}

/// Adds a serial port.
pub(crate) fn add_port(port: Serial) {
    // More than two can't be added: the first serial port and the one that the
    // firmware names.
    if let Some(mut console) = CONSOLE.take() {
        let _ = console.ports.try_push(port);
    }
}

/// Returns whether a port at these registers is in use.
pub(crate) fn has_port(base: u64) -> bool {
    let console = CONSOLE.take();
    console.is_some_and(|console| console.ports.iter().any(|port| port.base() == base))
}

/// Adds the screen.
pub(crate) fn add_screen(framebuffer: FrameBuffer) {
    let screen = Screen::new(framebuffer);
    if let Some(mut console) = CONSOLE.take() {
        console.screen = screen;
    }
}

/// Keeps lines off the screen while the returned value lives; it then shows what
/// came in the meantime. Drawing is slow and must not fall into a timed section.
pub(crate) fn keep_off_screen() -> OffScreen {
    with_screen(Screen::pause);
    OffScreen(())
}

fn with_screen(change: fn(&mut Screen)) {
    let mut console = CONSOLE.take();
    let screen = console.as_mut().and_then(|console| console.screen.as_mut());
    screen.into_iter().for_each(change);
}

/// While it lives, nothing is drawn.
#[derive(Debug)]
#[must_use = "drawing goes on as soon as this is dropped"]
pub(crate) struct OffScreen(());

impl Drop for OffScreen {
    fn drop(&mut self) {
        with_screen(Screen::resume);
    }
}

/// Writes one line. It is lost if a processor holds the console that does not
/// answer any more: better than to be lost with it.
pub(crate) fn line(audience: Audience, text: fmt::Arguments<'_>) {
    if let Some(mut console) = CONSOLE.take() {
        console.line(audience, text);
    }
}

/// Waits until every port has sent what it was given, before the machine goes off: a
/// port holds some bytes of the last line back.
pub(crate) fn drain() {
    // Whoever panics while it writes has the console, and will not return it.
    if let Some(mut console) = CONSOLE.take_within(PATIENCE) {
        console.ports.iter_mut().for_each(Serial::drain);
    }
}

/// Takes the console away from processor `cpu`, and returns whether it had it.
///
/// # Safety
///
/// 1. The processor has been stopped for good.
pub(crate) unsafe fn take_from(cpu: usize) -> bool {
    let had = CONSOLE.is_held_by(cpu);
    if had {
        // SAFETY: by clause 1 its holder does nothing any more.
        unsafe { CONSOLE.free() };
    }
    had
}

/// Stops this processor for good with the console in its hands: a test of what
/// the others do.
pub(crate) fn hold_for_ever() -> ! {
    let _console = CONSOLE.take();
    cpu::stop()
}

/// Writes one line even if whoever holds the console will never let it go.
pub(crate) fn last_line(text: fmt::Arguments<'_>) {
    let mut console = seize();
    // Nothing is timed any more, and the screen may be all that there is.
    if let Some(screen) = &mut console.screen {
        screen.resume();
    }
    // The cut line, if there is one, ends here.
    console.line(Audience::Programs, format_args!(""));
    console.line(Audience::People, text);
}

fn seize() -> Held<'static, Console> {
    loop {
        if let Some(console) = CONSOLE.take_within(PATIENCE) {
            return console;
        }
        // SAFETY: all other processors are stopped, or about to be, and this one
        // never returns to whatever held the lock: nobody uses the guard any more.
        unsafe { CONSOLE.free() };
    }
}

impl Console {
    fn line(&mut self, audience: Audience, text: fmt::Arguments<'_>) {
        let screen = match audience {
            Audience::People => self.screen.as_mut(),
            Audience::Programs => None,
        };
        let mut writer = Writer {
            ports: &mut self.ports,
            screen,
            pending: ArrayVec::new(),
        };
        // A value that fails to format itself leaves a shorter line.
        let _ = writer.write_fmt(text);
        writer.finish();
    }
}

/// Bytes gathered before they are sent: a piece of text is often a single letter,
/// and a port takes sixteen at once.
const PENDING: usize = 64;

struct Writer<'c> {
    ports: &'c mut [Serial],
    screen: Option<&'c mut Screen>,
    pending: ArrayVec<u8, PENDING>,
}

impl Writer<'_> {
    fn push(&mut self, byte: u8) {
        if self.pending.is_full() {
            self.flush();
        }
        self.pending.push(byte);
    }

    fn flush(&mut self) {
        for port in &mut *self.ports {
            port.send(&self.pending);
        }
        if let Some(screen) = &mut self.screen {
            screen.write(&self.pending);
        }
        self.pending.clear();
    }

    fn finish(mut self) {
        self.push(b'\r');
        self.push(b'\n');
        self.flush();
    }
}

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                // One line is one line, whatever is in it.
                b'\n' | b'\r' => self.push(b' '),
                _ => self.push(byte),
            }
        }
        Ok(())
    }
}
