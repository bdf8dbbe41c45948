//! Names of an unwinder that never runs.
//!
//! Precompiled `core` was built with unwinding, so its landing pads refer to
//! these symbols. Our images abort on panic and have no unwind tables: nothing
//! can reach them, and if something does, an invalid opcode says so at once.
#![cfg(not(test))]

use core::arch::naked_asm;

/// The personality routine that unwind tables name.
///
/// # Safety
///
/// Nothing may call it: there is nothing to unwind.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_eh_personality() {
    naked_asm!("ud2")
}

/// The end of a landing pad.
///
/// # Safety
///
/// Nothing may call it: there is nothing to unwind.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _Unwind_Resume() {
    naked_asm!("ud2")
}
