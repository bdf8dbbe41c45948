//! What the kernel's instructions do to persistent memory, recorded by QEMU.
//!
//! A virtual machine has no caches, so nothing in it shows a missing flush. But the
//! emulator sees every instruction: stores to the persistent range, write-backs,
//! fences. Written down in their order they are enough to tell, on the host, what a
//! power failure could have left at each moment ([`Event`]).
//!
//! The kernel is not asked and not changed. QEMU's plugin interface tells the address
//! of a memory access, but neither the value (it is read from the file behind the
//! module, right after the store: all processors must be emulated by one thread) nor
//! the operand of `clwb`, which accesses nothing. So the kernel loads from a line just
//! before it writes it back, and a write-back without a load right before it is an
//! event of its own, which no trace may have.
//!
//! Here is the format; `plugin.rs` is what QEMU loads.

mod event;
mod instruction;

pub use event::{EVENT_BYTES, Event, What};
pub use instruction::Kind;
