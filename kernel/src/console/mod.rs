//! What the kernel says, one whole line at a time.
//!
//! Programs read the serial line, people read it and the screen. A line that
//! another processor cuts in two is a record lost and a run failed, so a line is
//! written under a lock, from its first byte to its line break. No device is
//! trusted to answer: every wait for one is bounded, and one that stops answering
//! is left alone from then on.

mod firmware_port;
mod screen;
mod serial;

use core::fmt::{self, Write};

use arrayvec::ArrayVec;
use bootloader_api::info::FrameBuffer;
use spin::{Mutex, MutexGuard};

pub(crate) use firmware_port::add_firmware_port;
use screen::Screen;
pub(crate) use serial::{COM1, Serial};

static CONSOLE: Mutex<Console> = Mutex::new(Console {
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
    let _ = CONSOLE.lock().ports.try_push(port);
}

/// Returns whether a port at these registers is in use.
pub(crate) fn has_port(base: u64) -> bool {
    CONSOLE.lock().ports.iter().any(|port| port.base() == base)
}

/// Adds the screen.
pub(crate) fn add_screen(framebuffer: FrameBuffer) {
    let screen = Screen::new(framebuffer);
    CONSOLE.lock().screen = screen;
}

/// Keeps lines off the screen while the returned value lives; it then shows what
/// came in the meantime. Drawing is slow and must not fall into a timed section.
pub(crate) fn keep_off_screen() -> OffScreen {
    if let Some(screen) = &mut CONSOLE.lock().screen {
        screen.pause();
    }
    OffScreen(())
}

/// While it lives, nothing is drawn.
#[derive(Debug)]
#[must_use = "drawing goes on as soon as this is dropped"]
pub(crate) struct OffScreen(());

impl Drop for OffScreen {
    fn drop(&mut self) {
        if let Some(screen) = &mut CONSOLE.lock().screen {
            screen.resume();
        }
    }
}

/// Writes one line.
pub(crate) fn line(audience: Audience, text: fmt::Arguments<'_>) {
    CONSOLE.lock().line(audience, text);
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

fn seize() -> MutexGuard<'static, Console> {
    for _ in 0..PATIENCE {
        if let Some(console) = CONSOLE.try_lock() {
            return console;
        }
        core::hint::spin_loop();
    }
    // SAFETY: all other processors are stopped, or about to be, and this one
    // never returns to whatever held the lock: nobody uses the guard any more.
    unsafe { CONSOLE.force_unlock() };
    CONSOLE.lock()
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
