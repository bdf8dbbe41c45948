//! What the loader needs to know of the processor, and how it prepares it.

use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};

use crate::paging::{Levels, PageSize};

/// The paging abilities of a processor that can run the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The largest page that a direct map may use.
    pub largest_page: PageSize,
    /// Depth of the page tables. The firmware has chosen it: it cannot be
    /// changed in long mode.
    pub levels: Levels,
}

/// The processor cannot mark pages as not executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoExecuteDisable;

impl Cpu {
    /// Asks the processor that this runs on, in long mode.
    ///
    /// # Errors
    ///
    /// [`NoExecuteDisable`]: then data could not be kept from being executed.
    pub fn detect() -> Result<Self, NoExecuteDisable> {
        let features = CpuId::new()
            .get_extended_processor_and_feature_identifiers()
            .filter(raw_cpuid::ExtendedProcessorFeatureIdentifiers::has_execute_disable)
            .ok_or(NoExecuteDisable)?;
        Ok(Self {
            largest_page: if features.has_1gib_pages() {
                PageSize::Giant
            } else {
                PageSize::Huge
            },
            levels: if Cr4::read().contains(Cr4Flags::L5_PAGING) {
                Levels::Five
            } else {
                Levels::Four
            },
        })
    }
}

/// Turns on what the kernel's page tables rely on: execute-disable, write
/// protection in supervisor mode, global pages.
///
/// # Safety
///
/// 1. The processor has execute-disable, as [`Cpu::detect`] checks.
/// 2. Nothing from here on writes through a mapping that is read-only.
pub unsafe fn prepare() {
    // SAFETY: the bit exists (clause 1) and only gives a meaning to bits that
    // were reserved in the page tables in use.
    unsafe { Efer::update(|efer| *efer |= EferFlags::NO_EXECUTE_ENABLE) };
    // SAFETY: clause 2.
    unsafe { Cr0::update(|cr0| *cr0 |= Cr0Flags::WRITE_PROTECT) };
    // SAFETY: entries marked as global stay valid until the tables are replaced,
    // and setting the bit flushes the translations cached so far.
    unsafe { Cr4::update(|cr4| *cr4 |= Cr4Flags::PAGE_GLOBAL) };
}
