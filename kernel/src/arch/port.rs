//! Ports of the I/O address space.
//!
//! A thin layer: what a write does depends on the device behind the port, so
//! every caller says which device that is and why the write is harmless.

use x86_64::instructions::port::{PortGeneric, ReadWriteAccess};

type Port<T> = PortGeneric<T, ReadWriteAccess>;

/// Reads a byte.
///
/// # Safety
///
/// 1. Reading the port has no side effect on memory.
pub(crate) unsafe fn in8(port: u16) -> u8 {
    // SAFETY: clause 1 is all that the instruction needs.
    unsafe { Port::new(port).read() }
}

/// Writes a byte.
///
/// # Safety
///
/// 1. Writing `value` makes no device change memory that Rust refers to.
pub(crate) unsafe fn out8(port: u16, value: u8) {
    // SAFETY: clause 1 is all that the instruction needs.
    unsafe { Port::new(port).write(value) }
}

/// Reads 16 bits.
///
/// # Safety
///
/// 1. Reading the port has no side effect on memory.
pub(crate) unsafe fn in16(port: u16) -> u16 {
    // SAFETY: clause 1 is all that the instruction needs.
    unsafe { Port::new(port).read() }
}

/// Writes 16 bits.
///
/// # Safety
///
/// 1. Writing `value` makes no device change memory that Rust refers to.
pub(crate) unsafe fn out16(port: u16, value: u16) {
    // SAFETY: clause 1 is all that the instruction needs.
    unsafe { Port::new(port).write(value) }
}

/// Writes 32 bits.
///
/// # Safety
///
/// 1. Writing `value` makes no device change memory that Rust refers to.
pub(crate) unsafe fn out32(port: u16, value: u32) {
    // SAFETY: clause 1 is all that the instruction needs.
    unsafe { Port::new(port).write(value) }
}

/// Waits about a fifth of a second for what a write to a port has set off: port
/// reads take about a microsecond each, on any machine.
pub(crate) fn wait() {
    const DIAGNOSTICS: u16 = 0x80;
    for _ in 0..200_000 {
        // SAFETY: the port of diagnostic codes has no effect on memory.
        let _ = unsafe { in8(DIAGNOSTICS) };
    }
}
