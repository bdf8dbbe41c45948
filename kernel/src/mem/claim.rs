//! The only place where physical memory becomes a Rust reference.
//!
//! A reference promises more than an address: that the bytes are there, that
//! nobody else changes them, and for how long. Whoever calls these functions
//! makes those promises, and this file is where to look for who does.

use core::sync::atomic::AtomicU64;

/// Claims bytes for the rest of the run.
///
/// # Safety
///
/// 1. The bytes are mapped at `start`, readable, writable and write-back cached,
///    for the rest of the run.
/// 2. Nothing else refers to them: no reference, page table, firmware or device.
/// 3. No part of them has been claimed before.
pub(crate) unsafe fn exclusive(start: *mut u8, len_bytes: usize) -> &'static mut [u8] {
    // SAFETY:
    // - Valid for reads and writes: clause 1.
    // - Initialised: every bit pattern is a valid `u8`, and RAM always holds one.
    // - Not aliased for `'static`: clauses 2 and 3.
    unsafe { core::slice::from_raw_parts_mut(start, len_bytes) }
}

/// Claims bytes to look at.
///
/// # Safety
///
/// 1. The bytes are mapped at `start`, readable, for as long as `'m`.
/// 2. Nothing changes them during `'m`.
pub(crate) unsafe fn shared<'m>(start: *const u8, len_bytes: usize) -> &'m [u8] {
    // SAFETY:
    // - Valid for reads: clause 1.
    // - Initialised: every bit pattern is a valid `u8`.
    // - Not changed during `'m`: clause 2.
    unsafe { core::slice::from_raw_parts(start, len_bytes) }
}

/// Claims memory that all processors access by atomic instructions only; a rest
/// of less than eight bytes is left out.
///
/// # Safety
///
/// 1. The bytes are mapped at `start`, a multiple of 8, readable, writable and
///    write-back cached, for the rest of the run.
/// 2. Nothing refers to them but other claims by this function.
pub(crate) unsafe fn words(start: *mut u8, len_bytes: usize) -> &'static [AtomicU64] {
    // SAFETY:
    // - Valid and aligned: clause 1.
    // - Initialised: every bit pattern is a valid `AtomicU64`.
    // - Changed through atomics only: clause 2.
    unsafe { core::slice::from_raw_parts(start.cast(), len_bytes / size_of::<AtomicU64>()) }
}
