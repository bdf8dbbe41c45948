//! What the processor says about itself.

use alloc::{format, string::String};

use raw_cpuid::{CpuId, Hypervisor};
use x86_64::instructions::interrupts;

/// Returns the brand string, or the vendor where there is none.
pub(crate) fn brand() -> String {
    let cpuid = CpuId::new();
    if let Some(brand) = cpuid.get_processor_brand_string() {
        return brand.as_str().trim().into();
    }
    match cpuid.get_vendor_info() {
        Some(vendor) => vendor.as_str().into(),
        None => "unknown".into(),
    }
}

/// Returns family, model and stepping, as vendors' manuals write them.
pub(crate) fn signature() -> Option<String> {
    let info = CpuId::new().get_feature_info()?;
    let (family, model, stepping) = (info.family_id(), info.model_id(), info.stepping_id());
    Some(format!(
        "family {family:#x} model {model:#x} stepping {stepping}"
    ))
}

/// Returns what runs the processor: `kvm`, `tcg`, another hypervisor, or `none`.
pub(crate) fn accelerator() -> String {
    let cpuid = CpuId::new();
    let Some(info) = cpuid.get_hypervisor_info() else {
        return "none".into();
    };
    match info.identify() {
        Hypervisor::QEMU => "tcg".into(),
        Hypervisor::KVM => "kvm".into(),
        Hypervisor::Unknown(a, b, c) => signature_text([a, b, c]),
        known => format!("{known:?}").to_ascii_lowercase(),
    }
}

/// Returns whether a hypervisor or an emulator runs this processor.
pub(crate) fn is_virtual() -> bool {
    CpuId::new()
        .get_feature_info()
        .is_some_and(|info| info.has_hypervisor())
}

/// Hypervisors sign with twelve letters in three registers.
fn signature_text(registers: [u32; 3]) -> String {
    let letters = registers.into_iter().flat_map(u32::to_le_bytes);
    let text: String = letters
        .filter(u8::is_ascii_graphic)
        .map(char::from)
        .collect();
    if text.is_empty() {
        "unknown".into()
    } else {
        text
    }
}

/// Returns how many bits a physical address has.
pub(crate) fn physical_bits() -> u8 {
    // Without the leaf: what every x86-64 processor has (AMD APM vol. 3, E.4.7).
    CpuId::new()
        .get_processor_capacity_feature_info()
        .map_or(36, |info| info.physical_address_bits())
}

/// Returns whether level 3 page table entries may map pages of 1 GiB.
pub(crate) fn has_giant_pages() -> bool {
    CpuId::new()
        .get_extended_processor_and_feature_identifiers()
        .is_some_and(|info| info.has_1gib_pages())
}

/// Returns whether the local interrupt controller can be driven through
/// registers of the processor.
pub(crate) fn has_x2apic() -> bool {
    CpuId::new()
        .get_feature_info()
        .is_some_and(|info| info.has_x2apic())
}

/// Returns the identity of this processor's local interrupt controller.
pub(crate) fn apic_id() -> u32 {
    let cpuid = CpuId::new();
    // The extended leaf has all 32 bits; the old one only the first eight.
    let extended = cpuid
        .get_extended_topology_info()
        .and_then(|mut levels| levels.next())
        .filter(|level| level.processors() > 0)
        .map(|level| level.x2apic_id());
    extended.unwrap_or_else(|| {
        let initial = cpuid.get_feature_info();
        initial.map_or(0, |info| u32::from(info.initial_local_apic_id()))
    })
}

/// Stops this processor for good. A non-maskable interrupt only makes it stop
/// again.
pub(crate) fn stop() -> ! {
    loop {
        interrupts::disable();
        x86_64::instructions::hlt();
    }
}
