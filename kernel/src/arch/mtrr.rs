//! Whether all processors agree on what is cached.
//!
//! Compare-and-swap on persistent memory is atomic only where every processor
//! caches it write-back. Firmware sets that up, once on each processor, and it
//! has been known to forget one.

use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

/// `IA32_MTRR_DEF_TYPE` (Intel SDM vol. 3A, 12.11.2.1).
const DEFAULT_TYPE: u32 = 0x2FF;
/// `IA32_PAT` (Intel SDM vol. 3A, 12.12.2).
const PAGE_ATTRIBUTES: u32 = 0x277;

/// What decides how this processor caches memory, apart from its page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caching {
    default_type: u64,
    page_attributes: u64,
}

impl Caching {
    /// Reads this processor's registers, or returns `None` if they decide nothing:
    /// the processor has none, or it is a virtual one.
    pub(crate) fn read() -> Option<Self> {
        let features = CpuId::new().get_feature_info()?;
        if !(features.has_mtrr() && features.has_pat()) || features.has_hypervisor() {
            return None;
        }
        // SAFETY: CPUID says that the register exists; reading has no effect.
        let default_type = unsafe { Msr::new(DEFAULT_TYPE).read() };
        // SAFETY: likewise.
        let page_attributes = unsafe { Msr::new(PAGE_ATTRIBUTES).read() };
        Some(Self {
            default_type,
            page_attributes,
        })
    }
}
