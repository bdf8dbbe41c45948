//! What the loader hands over.
//!
//! `BootInfo` is the whole contract: this kernel runs under any loader that
//! speaks it, ours or the `bootloader` crate's. Here it is taken apart once, into
//! values that say what may be done with them.

use alloc::string::String;

use bootloader_api::{
    BootInfo,
    info::{FrameBuffer, MemoryRegion, MemoryRegionKind},
};
use frame::PhysAddr;

use crate::{
    arch::to_usize,
    log::warn,
    mem::{DirectMap, claim},
};

/// More is no command line but something else.
const COMMAND_LINE_MAX: u64 = 64 << 10;

/// What the loader hands over.
pub(crate) struct Handover {
    /// The firmware's memory map, less what the loader keeps.
    pub(crate) regions: &'static [MemoryRegion],
    /// Where physical memory is visible.
    pub(crate) direct: DirectMap,
    /// The firmware's root pointer, if the loader knows it.
    pub(crate) rsdp: Option<PhysAddr>,
    /// The screen, if there is one.
    pub(crate) framebuffer: Option<FrameBuffer>,
    /// The command line.
    pub(crate) command_line: String,
}

impl Handover {
    /// Takes everything from the loader's value.
    ///
    /// # Panics
    ///
    /// Panics without a map of physical memory: the loader has ignored what this
    /// kernel asks of it.
    pub(crate) fn take(info: &'static mut BootInfo) -> Self {
        let command_line = command_line(info);
        let regions: &'static [MemoryRegion] = &info.memory_regions;
        let offset = info.physical_memory_offset.into_option();
        let offset = offset.expect("the loader maps physical memory");
        Self {
            // SAFETY: this is what the loader was asked for (`CONFIG` in main).
            direct: unsafe { DirectMap::new(offset, regions) },
            regions,
            rsdp: info.rsdp_addr.into_option().map(PhysAddr),
            framebuffer: info.framebuffer.take(),
            command_line,
        }
    }

    /// Returns the loader's name, judged by how it speaks of memory.
    pub(crate) fn loader(&self) -> &'static str {
        let has = |what: fn(&MemoryRegionKind) -> bool| {
            self.regions.iter().any(|region| what(&region.kind))
        };
        if has(|kind| matches!(kind, MemoryRegionKind::UnknownUefi(_))) {
            "uefi"
        } else if has(|kind| matches!(kind, MemoryRegionKind::UnknownBios(_))) {
            "pvh"
        } else {
            "unknown"
        }
    }
}

/// The command line comes as what the loader calls a RAM disk.
fn command_line(info: &BootInfo) -> String {
    let Some(address) = info.ramdisk_addr.into_option() else {
        return String::new();
    };
    if info.ramdisk_len > COMMAND_LINE_MAX {
        let len_bytes = info.ramdisk_len;
        warn!(
            "boot",
            "a command line of {len_bytes} bytes is none; ignored"
        );
        return String::new();
    }
    let start = core::ptr::with_exposed_provenance(to_usize(address));
    // SAFETY: the loader has put that many bytes there for this kernel, and
    // nothing changes them.
    let bytes = unsafe { claim::shared(start, to_usize(info.ramdisk_len)) };
    match core::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => {
            let at = error.valid_up_to();
            warn!(
                "boot",
                "the command line is no UTF-8 text from byte {at} on"
            );
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}
