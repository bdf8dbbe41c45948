//! What happens when this code finds itself wrong.
//!
//! Misuse is an outcome and never ends here. A broken invariant of our own does:
//! then the kernel gets the message, and must not return.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

unsafe extern "C" {
    /// The kernel's: prints `len` bytes and stops.
    fn llfree_panic(message: *const u8, len: usize) -> !;
}

/// A message, cut off where the buffer ends.
struct Message {
    bytes: [u8; 256],
    len: usize,
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let rest = &mut self.bytes[self.len..];
        let len = text.len().min(rest.len());
        rest[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut message = Message {
        bytes: [0; 256],
        len: 0,
    };
    // `write_str` does not fail, and a value that can't be printed is left out.
    let _ = write!(message, "{info}");
    // SAFETY: The kernel defines it as the header says; the bytes are initialised,
    // and nobody changes them.
    unsafe { llfree_panic(message.bytes.as_ptr(), message.len) }
}
