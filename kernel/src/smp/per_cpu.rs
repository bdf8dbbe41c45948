//! What each processor has for itself.

use core::arch::asm;

use x86_64::{VirtAddr, registers::model_specific::GsBase};

/// A processor's own data, which its GS register points to.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct PerCpu {
    /// Its number, from 0 for the boot processor.
    index: usize,
}

impl PerCpu {
    /// Returns the data of the processor with this number.
    pub(crate) const fn new(index: usize) -> Self {
        Self { index }
    }

    /// Returns the processor's number.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Makes this the data of the processor that calls.
    pub(crate) fn install(&'static self) {
        GsBase::write(VirtAddr::from_ptr(self));
    }
}

/// Returns the number of the processor that calls.
pub(crate) fn cpu() -> usize {
    let index: usize;
    // SAFETY: `install` is the first thing that each processor does, so GS points
    // to a `PerCpu`, which begins with the number and never changes.
    unsafe {
        asm!(
            "mov {}, gs:[0]",
            out(reg) index,
            options(nostack, preserves_flags, pure, readonly)
        );
    }
    index
}
