//! Write-back instructions of x86-64, each with the proof that it exists.
//!
//! A processor without an instruction raises an exception or, worse, executes
//! another one in its place: `clwb` decodes as `xsaveopt` with a prefix. So each
//! instruction is a token that only its `detect` makes, from CPUID, and only if
//! the processor's lines have the length that the loops below assume.
//!
//! Ordering (Intel SDM vol. 2A, `CLWB`, `CLFLUSHOPT`, `CLFLUSH`): `clwb` and
//! `clflushopt` are ordered after older stores to the same line and before a
//! later fence or locked instruction, not among themselves. `clflush` is ordered
//! with stores on current parts, but older manuals promise it for `mfence` only: it
//! gets one wherever the others need nothing but a locked instruction.
#![expect(unsafe_code, reason = "executes cache instructions")]

use core::arch::asm;

use crate::{Domain, LINE_BYTES, Persist};

/// An instruction that writes cache lines back, with the fence it needs.
pub trait FlushInstruction: Copy {
    /// Starts to write back every line that holds a byte of `value`.
    fn flush<T: ?Sized>(self, value: &T);

    /// Waits for the lines flushed before.
    fn fence(self);

    /// Orders the lines flushed before a later locked instruction.
    fn order(self);
}

/// Persistent memory whose domain ends at the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adr<I: FlushInstruction = WriteBack> {
    instruction: I,
}

impl<I: FlushInstruction> Adr<I> {
    /// Uses this instruction.
    pub const fn new(instruction: I) -> Self {
        Self { instruction }
    }
}

impl<I: FlushInstruction> Persist for Adr<I> {
    const DOMAIN: Domain = Domain::Adr;

    #[inline(always)]
    fn flush<T: ?Sized>(&self, value: &T) {
        self.instruction.flush(value);
    }

    #[inline(always)]
    fn fence(&self) {
        self.instruction.fence();
    }

    #[inline(always)]
    fn order(&self) {
        self.instruction.order();
    }
}

/// The best write-back instruction that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteBack {
    /// Writes back and may keep the line.
    Clwb(Clwb),
    /// Writes back and evicts.
    Clflushopt(Clflushopt),
    /// Writes back and evicts, one line after the other.
    Clflush(Clflush),
}

impl WriteBack {
    /// Returns the best instruction.
    ///
    /// # Errors
    ///
    /// Returns [`NoWriteBack`] if there is none, or if this processor's lines do not
    /// have [`LINE_BYTES`].
    pub fn find() -> Result<Self, NoWriteBack> {
        match line_bytes() {
            LINE_BYTES => {}
            found => return Err(NoWriteBack::LineLength { found }),
        }
        (Clwb::detect().map(Self::Clwb))
            .or_else(|| Clflushopt::detect().map(Self::Clflushopt))
            .or_else(|| Clflush::detect().map(Self::Clflush))
            .ok_or(NoWriteBack::NoInstruction)
    }

    /// The same for those to whom the reason does not matter.
    pub fn detect() -> Option<Self> {
        Self::find().ok()
    }
}

/// Why this processor can't write lines back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoWriteBack {
    /// Its lines are not those that tables are laid out for.
    LineLength {
        /// Bytes in a line, according to CPUID.
        found: usize,
    },
    /// It has none of the instructions.
    NoInstruction,
}

impl core::fmt::Display for NoWriteBack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::LineLength { found } => {
                write!(f, "cache lines have {found} bytes, not {LINE_BYTES}")
            }
            Self::NoInstruction => write!(f, "neither clwb nor clflushopt nor clflush exists"),
        }
    }
}

impl core::error::Error for NoWriteBack {}

impl FlushInstruction for WriteBack {
    #[inline]
    fn flush<T: ?Sized>(self, value: &T) {
        match self {
            Self::Clwb(token) => token.flush(value),
            Self::Clflushopt(token) => token.flush(value),
            Self::Clflush(token) => token.flush(value),
        }
    }

    #[inline]
    fn fence(self) {
        match self {
            Self::Clwb(token) => token.fence(),
            Self::Clflushopt(token) => token.fence(),
            Self::Clflush(token) => token.fence(),
        }
    }

    #[inline]
    fn order(self) {
        match self {
            Self::Clwb(token) => token.order(),
            Self::Clflushopt(token) => token.order(),
            Self::Clflush(token) => token.order(),
        }
    }
}

macro_rules! instruction {
    ($(#[$doc:meta])* $token:ident, $mnemonic:literal, $fence:literal, $order:ident, $exists:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $token {
            _made_by_detect: (),
        }

        impl $token {
            /// Returns the proof that this processor has the instruction and
            /// lines of [`LINE_BYTES`].
            pub fn detect() -> Option<Self> {
                let exists: fn() -> bool = $exists;
                (line_bytes() == LINE_BYTES && exists()).then_some(Self { _made_by_detect: () })
            }
        }

        impl FlushInstruction for $token {
            #[inline(always)]
            fn flush<T: ?Sized>(self, value: &T) {
                for line in lines(value) {
                    // A load of the line first: emulators don't tell observers what
                    // a write-back is of, but they do so of a load. The line is in
                    // the cache, since it was just stored to.
                    //
                    // SAFETY:
                    // - The instruction exists: `self` is the proof.
                    // - Neither faults: the line holds a byte of a live reference.
                    // - They change no memory, flag or register that Rust sees, but
                    //   for one that is theirs; others may store to the line
                    //   meanwhile, which the compiler does not see.
                    unsafe {
                        asm!("mov {seen}, [{line}]", concat!($mnemonic, " [{line}]"),
                             line = in(reg) line, seen = out(reg) _,
                             options(nostack, preserves_flags));
                    }
                }
            }

            #[inline(always)]
            fn fence(self) {
                // SAFETY: a fence of SSE2, which every x86-64 processor has; it
                // orders memory accesses and changes nothing.
                unsafe { asm!($fence, options(nostack, preserves_flags)) }
            }

            #[inline(always)]
            fn order(self) {
                $order(self);
            }
        }
    };
}

instruction!(
    /// `clwb` exists (CPUID.7.0:EBX bit 24).
    Clwb, "clwb", "sfence", leave_to_lock, || structured_features() & (1 << 24) != 0
);
instruction!(
    /// `clflushopt` exists (CPUID.7.0:EBX bit 23).
    Clflushopt, "clflushopt", "sfence", leave_to_lock, || structured_features() & (1 << 23) != 0
);
instruction!(
    /// `clflush` exists (CPUID.1:EDX bit 19).
    Clflush, "clflush", "mfence", fence_instead, || cpuid(1).edx & (1 << 19) != 0
);

/// Orders nothing: the locked instruction does.
#[inline(always)]
const fn leave_to_lock<I: FlushInstruction>(_token: I) {}

/// Orders what no locked instruction is sure to.
#[inline(always)]
fn fence_instead(token: Clflush) {
    token.fence();
}

/// Returns the addresses of the cache lines that hold a byte of `value`.
#[inline(always)]
fn lines<T: ?Sized>(value: &T) -> impl Iterator<Item = usize> {
    let start = core::ptr::from_ref(value).addr();
    // A reference never wraps around the end of the address space.
    let end = start + size_of_val(value);
    (start & !(LINE_BYTES - 1)..end).step_by(LINE_BYTES)
}

/// Returns the bytes that one `clflush` covers (CPUID.1:EBX bits 15 to 8, in
/// units of eight).
fn line_bytes() -> usize {
    (cpuid(1).ebx >> 8 & 0xff) as usize * 8
}

/// Returns CPUID.7.0:EBX, zero where the leaf does not exist.
fn structured_features() -> u32 {
    if cpuid(0).eax < 7 {
        return 0;
    }
    cpuid(7).ebx
}

/// The registers that matter here of what `cpuid` answers.
struct Answer {
    eax: u32,
    ebx: u32,
    edx: u32,
}

/// Asks the processor about itself; subleaf zero.
///
/// Not `core::arch::x86_64::__cpuid`, which is unsafe in some of the supported
/// compilers and safe in others.
fn cpuid(leaf: u32) -> Answer {
    let (eax, ebx, edx): (u32, u64, u32);
    // SAFETY:
    // - Every x86-64 processor has `cpuid`, at every privilege level.
    // - The compiler reserves rbx, so it is put back before the block ends.
    unsafe {
        asm!("mov {saved}, rbx", "cpuid", "xchg {saved}, rbx",
             saved = out(reg) ebx, inout("eax") leaf => eax, inout("ecx") 0 => _, out("edx") edx,
             options(nomem, nostack, preserves_flags));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cpuid clears the upper half"
    )]
    let ebx = ebx as u32;
    Answer { eax, ebx, edx }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[repr(align(64))]
    struct Aligned([u8; 256]);

    #[test]
    fn an_unaligned_value_touches_every_line_it_reaches() {
        let memory = Aligned([0; 256]);
        let base = core::ptr::from_ref(&memory).addr();
        let offsets = |bytes: &[u8]| lines(bytes).map(|line| line - base).collect::<Vec<_>>();

        assert_eq!(offsets(&memory.0[..0]), []);
        assert_eq!(offsets(&memory.0[63..64]), [0]);
        assert_eq!(offsets(&memory.0[63..65]), [0, 64]);
        assert_eq!(offsets(&memory.0[64..192]), [64, 128]);
    }

    #[test]
    fn every_instruction_this_processor_has_leaves_the_data_alone() {
        let memory = Aligned([0xa5; 256]);
        let mut tried = 0;
        if let Some(token) = Clwb::detect() {
            tried += 1;
            token.flush(&memory.0);
            token.fence();
        }
        if let Some(token) = Clflushopt::detect() {
            tried += 1;
            token.flush(&memory.0);
            token.fence();
        }
        let adr = Adr::new(Clflush::detect().expect("every x86-64 processor has clflush"));
        adr.flush(&memory.0);
        adr.fence();
        std::println!("instructions tried: {}", tried + 1);
        assert!(memory.0.iter().all(|&byte| byte == 0xa5));
    }

    #[test]
    fn the_best_instruction_is_one_that_exists() {
        match WriteBack::find() {
            Ok(WriteBack::Clwb(token)) => assert_eq!(Clwb::detect(), Some(token)),
            Ok(WriteBack::Clflushopt(_)) => assert_eq!(Clwb::detect(), None),
            Ok(WriteBack::Clflush(_)) => assert_eq!(Clflushopt::detect(), None),
            Err(reason) => panic!("every x86-64 processor has clflush: {reason}"),
        }
    }

    #[test]
    fn the_length_of_a_line_is_what_tables_are_laid_out_for() {
        assert_eq!(line_bytes(), LINE_BYTES);
    }
}
