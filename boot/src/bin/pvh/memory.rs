//! Physical memory as the stub sees it: the first 4 GiB, one to one.

use core::ptr;

use frame::{PhysAddr, PhysRange};

/// What `entry` has mapped, but for the null pointer. The first page belongs to
/// it: QEMU puts the memory map there.
const MAPPED: PhysRange = PhysRange::between(PhysAddr(1), PhysAddr(4 << 30));

unsafe extern "C" {
    /// The end of the stub in memory, from the linker script.
    static pvh_end: u8;
}

/// Returns what may be given to the kernel: all above the stub. Memory below it
/// is scarce, and some of it is left for processors that start in real mode.
pub(crate) fn free() -> PhysRange {
    let end = PhysAddr((&raw const pvh_end).addr() as u64);
    PhysRange::between(end, MAPPED.end())
}

/// Returns the bytes of a range, if it is within reach.
pub(crate) fn read(range: PhysRange) -> Option<&'static [u8]> {
    if !MAPPED.contains(range) {
        return None;
    }
    let start = ptr::with_exposed_provenance(usize::try_from(range.start().0).ok()?);
    let len = usize::try_from(range.len_bytes()).ok()?;
    // SAFETY:
    // - Mapped, as just tested; reading physical addresses without memory gives
    //   arbitrary bytes, and every byte is a valid `u8`.
    // - Not written meanwhile: the stub writes only to its own image and to what
    //   it has claimed, and refers to neither here.
    Some(unsafe { core::slice::from_raw_parts(start, len) })
}

/// Returns a range of free memory to be written.
///
/// # Safety
///
/// 1. The range lies in [`free`] and is memory.
/// 2. Nothing else refers to it, and it is claimed only once.
pub(crate) unsafe fn claim(range: PhysRange) -> &'static mut [u8] {
    let start = usize::try_from(range.start().0).expect("64-bit addresses");
    let len = usize::try_from(range.len_bytes()).expect("64-bit lengths");
    // SAFETY:
    // - Mapped and writable: clause 1.
    // - Not aliased: clause 2.
    unsafe { core::slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(start), len) }
}
