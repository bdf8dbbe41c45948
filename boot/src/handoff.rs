//! The last steps: boot information for the kernel, and the jump.
//!
//! The jump changes the page tables under its own feet. Its code lies in pages
//! that are mapped at the same address before and after ([`switch_code`]); the
//! segment descriptors that it loads are the kernel's to keep, so that nothing
//! of the firmware's is in use any more when the kernel starts.

use core::arch::global_asm;
use core::mem::offset_of;

use bootloader_api::BootInfo;
use bootloader_api::info::{FrameBuffer, MemoryRegion, MemoryRegions, Optional};
use frame::{PhysAddr, PhysRange};
use x86_64::VirtAddr;

use crate::arena::Arena;
use crate::load::Loaded;
use crate::regions::{MAX_REGIONS, Map};
use crate::{PAGE_SIZE, cpu};

/// Bytes that the boot information takes: descriptors, structure, regions, in
/// whole pages.
pub const ROOM: u64 =
    (REGIONS + (MAX_REGIONS * size_of::<MemoryRegion>()) as u64).next_multiple_of(PAGE_SIZE);

const INFO: u64 = size_of::<Descriptors>() as u64;
const REGIONS: u64 = 1024;

const _: () = assert!(INFO.is_multiple_of(align_of::<BootInfo>() as u64));
const _: () = assert!(INFO + size_of::<BootInfo>() as u64 <= REGIONS);
const _: () = assert!(REGIONS.is_multiple_of(align_of::<MemoryRegion>() as u64));

/// A kernel that needs nothing but to be jumped to.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    tables: PhysAddr,
    entry: VirtAddr,
    stack_top: VirtAddr,
    boot_info: VirtAddr,
    descriptors: VirtAddr,
}

/// Writes the boot information for a loaded kernel.
///
/// # Panics
///
/// If the kernel was loaded into another arena.
pub fn finish(loaded: &Loaded, map: &Map, arena: &mut Arena<'_>) -> Ready {
    let room = usize::try_from(ROOM).expect("it fits in memory");
    let room = arena.bytes_mut(loaded.boot_info.phys, room);
    let virt = loaded.boot_info.virt;

    write_at(room, 0, Descriptors::new(virt));
    let mut count: u64 = 0;
    for (region, at) in map
        .regions()
        .zip((REGIONS..).step_by(size_of::<MemoryRegion>()))
    {
        write_at(room, at, region);
        count += 1;
    }
    write_at(room, INFO, boot_info(loaded));
    // `MemoryRegions` can only be made from a reference, and there is none to
    // memory at the kernel's addresses. It is `repr(C)`: a pointer, then a length.
    let regions = INFO + offset_of!(BootInfo, memory_regions) as u64;
    write_at(room, regions, [(virt + REGIONS).as_u64(), count]);

    Ready {
        tables: loaded.tables,
        entry: loaded.entry,
        stack_top: loaded.stack.top(),
        boot_info: virt + INFO,
        descriptors: virt,
    }
}

/// Returns the boot information, except for the memory regions.
fn boot_info(loaded: &Loaded) -> BootInfo {
    let mut info = BootInfo::new(MemoryRegions::from(<&mut [MemoryRegion]>::default()));
    info.physical_memory_offset = Optional::from(loaded.direct_map.map(VirtAddr::as_u64));
    info.rsdp_addr = Optional::from(loaded.rsdp.map(|rsdp| rsdp.0));
    if let Some((start, len_bytes)) = loaded.command_line {
        info.ramdisk_addr = Optional::Some(start.as_u64());
        info.ramdisk_len = len_bytes;
    }
    if let Some((start, screen)) = loaded.screen {
        // SAFETY: it is the firmware's framebuffer, which only the kernel uses
        // from now on, at the address where `load` has mapped all of it.
        info.framebuffer = Optional::Some(unsafe { FrameBuffer::new(start.as_u64(), screen) });
    }
    info.kernel_addr = loaded.kernel_file.start().0;
    info.kernel_len = loaded.kernel_file.len_bytes();
    info.kernel_image_offset = loaded.image.as_u64();
    info.kernel_stack_bottom = loaded.stack.bottom.as_u64();
    info.kernel_stack_len = loaded.stack.len_bytes;
    info
}

fn write_at<T>(room: &mut [u8], at: u64, value: T) {
    let at = usize::try_from(at).expect("an offset in memory");
    let target = room[at..][..size_of::<T>()].as_mut_ptr().cast::<T>();
    // SAFETY: the slice just cut is writable and exactly as long as the value;
    // the write asks for no alignment.
    unsafe { target.write_unaligned(value) };
}

/// The segments that the kernel starts with, and an empty interrupt table: an
/// early fault resets the machine instead of running what is left of the firmware.
#[repr(C)]
struct Descriptors {
    segments: [u64; 3],
    interrupt_pointer: [u16; 8],
    segment_pointer: [u16; 8],
}

impl Descriptors {
    /// Present, ring 0, 64-bit code, accessed (Intel SDM vol. 3A, 3.4.5).
    const CODE: u64 = 0x00af_9b00_0000_ffff;
    /// Present, ring 0, writable data, accessed.
    const DATA: u64 = 0x00cf_9300_0000_ffff;

    /// Returns descriptors for use at `virt`.
    fn new(virt: VirtAddr) -> Self {
        let segments = [0, Self::CODE, Self::DATA];
        let limit = size_of_val(&segments) - 1;
        let mut segment_pointer = [0; 8];
        segment_pointer[0] = u16::try_from(limit).expect("three descriptors");
        for (index, part) in (0..4).zip(&mut segment_pointer[1..]) {
            *part = (virt.as_u64() >> (16 * index) & 0xffff) as u16;
        }
        Self {
            segments,
            interrupt_pointer: [0; 8],
            segment_pointer,
        }
    }
}

global_asm!(
    // One page at most: 256 bytes at a multiple of 256.
    ".pushsection .text.boot_switch, \"ax\", @progbits",
    ".p2align 8",
    ".global boot_switch",
    ".type boot_switch, @function",
    // rdi: page tables, rsi: stack top, rdx: boot information, rcx: entry,
    // r8: descriptors.
    "boot_switch:",
    "cli",
    "cld",
    "mov cr3, rdi",
    "lidt [r8 + {interrupt_pointer}]",
    "lgdt [r8 + {segment_pointer}]",
    "mov eax, 0x10",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "xor eax, eax",
    "mov fs, eax",
    "mov gs, eax",
    "mov rsp, rsi",
    "push 0x8",
    "lea rax, [rip + 2f]",
    "push rax",
    "retfq",
    "2:",
    "mov rdi, rdx",
    // Ends a debugger's walk, and leaves the stack as a call would.
    "xor ebp, ebp",
    "push rbp",
    "jmp rcx",
    // Fails if the code is longer.
    ".org boot_switch + 256, 0xcc",
    ".size boot_switch, . - boot_switch",
    ".popsection",
    interrupt_pointer = const offset_of!(Descriptors, interrupt_pointer),
    segment_pointer = const offset_of!(Descriptors, segment_pointer),
);

unsafe extern "sysv64" {
    /// # Safety
    ///
    /// As for [`jump`], with the fields of a [`Ready`].
    fn boot_switch(tables: u64, stack_top: u64, boot_info: u64, entry: u64, descriptors: u64) -> !;
}

/// Returns the page of the code that changes the page tables.
///
/// It is only meaningful while memory is mapped one to one.
pub fn switch_code() -> PhysRange {
    let start = PhysAddr(boot_switch as *const () as u64).align_down(PAGE_SIZE);
    PhysRange::new(start, PAGE_SIZE).unwrap_or_default()
}

/// Gives the machine to the kernel.
///
/// # Safety
///
/// 1. `ready` is what [`finish`] made of a kernel that was loaded for this
///    processor, with [`switch_code`]'s page and an arena at its real address.
/// 2. No firmware service is used any more, and interrupts are off.
/// 3. The memory map says of no memory that it is usable but which is not.
pub unsafe fn jump(ready: Ready) -> ! {
    // SAFETY:
    // - The processor was asked before its abilities became part of `ready`: 1.
    // - All that follows is a jump; the last writes were those of `finish`.
    unsafe { cpu::prepare() };
    // SAFETY:
    // - The code, and what it reads and pushes, is mapped in both sets of
    //   tables or only used in the second: clause 1.
    // - The kernel finds the state that `bootloader_api` promises: clauses 1 to 3.
    unsafe {
        boot_switch(
            ready.tables.0,
            ready.stack_top.as_u64(),
            ready.boot_info.as_u64(),
            ready.entry.as_u64(),
            ready.descriptors.as_u64(),
        )
    }
}

#[cfg(test)]
mod tests;
