//! Everything between "the kernel file is in memory" and "the firmware is gone".
//!
//! [`load`] copies the kernel's segments, builds the page tables it will run on
//! and finds a place for each thing that it asks for. It needs no firmware, and
//! what it returns needs none either: after the boot services have ended, only
//! the memory map is missing.

mod error;
mod space;

pub use error::LoadError;

use bootloader_api::config::Mapping;
use bootloader_api::info::FrameBufferInfo;
use frame::{PhysAddr, PhysRange};
use x86_64::VirtAddr;

use crate::arena::Arena;
use crate::cpu::Cpu;
use crate::elf::Kernel;
use crate::paging::{self, PageSize};
use crate::{PAGE_SIZE, handoff, pages};
use space::AddressSpace;

/// The direct map reaches at least this far: below are the devices that every
/// kernel needs (`bootloader_api::config::Mappings::physical_memory`).
const DIRECT_MAP_MIN: u64 = 4 << 30;

/// The direct map reaches no further, whatever the firmware reports: it shares
/// half of the address space with everything else.
const DIRECT_MAP_MAX: u64 = 64 << 40;

/// No kernel means to ask for a larger stack.
const STACK_MAX: u64 = 1 << 30;

/// What a loader has found.
pub struct Request<'a> {
    /// The kernel, checked.
    pub kernel: &'a Kernel<'a>,
    /// The kernel's file in memory.
    pub kernel_file: PhysRange,
    /// The command line in memory.
    pub command_line: Option<PhysRange>,
    /// A linear framebuffer.
    pub screen: Option<Screen>,
    /// The address of the ACPI root pointer.
    pub rsdp: Option<PhysAddr>,
    /// The end of the firmware's memory map.
    pub memory_end: u64,
    /// The processor's paging abilities.
    pub cpu: Cpu,
    /// The pages of [`handoff`]'s code that runs on both sides.
    pub switch_code: PhysRange,
}

/// A linear framebuffer.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Where its first pixel is.
    pub start: PhysAddr,
    /// Its size and format.
    pub info: FrameBufferInfo,
}

/// A kernel ready to run, but for the memory map.
#[derive(Debug)]
pub struct Loaded {
    /// The root of the kernel's page tables.
    pub tables: PhysAddr,
    /// Where the kernel begins to run.
    pub entry: VirtAddr,
    /// Its stack.
    pub stack: Stack,
    /// Room for the boot information.
    pub boot_info: Mapped,
    /// The kernel's first address.
    pub image: VirtAddr,
    /// The kernel's file in memory.
    pub kernel_file: PhysRange,
    /// Where physical address zero is mapped.
    pub direct_map: Option<VirtAddr>,
    /// Where the command line is mapped, and its length in bytes.
    pub command_line: Option<(VirtAddr, u64)>,
    /// Where the framebuffer is mapped.
    pub screen: Option<(VirtAddr, FrameBufferInfo)>,
    /// The address of the ACPI root pointer.
    pub rsdp: Option<PhysAddr>,
}

/// The stack that the kernel starts on; the page below it is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its lowest address.
    pub bottom: VirtAddr,
    /// Its length in bytes, whole pages.
    pub len_bytes: u64,
}

/// Memory of the loader's that the kernel sees too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Where it is in memory.
    pub phys: PhysAddr,
    /// Where the kernel sees it.
    pub virt: VirtAddr,
}

/// Returns how many bytes of arena loading `kernel` takes, at most.
pub fn arena_len(kernel: &Kernel<'_>, screen: Option<Screen>, memory_end: u64, cpu: Cpu) -> u64 {
    let segments: u64 = kernel
        .segments
        .iter()
        .map(|segment| pages(segment.len_bytes))
        .sum();
    let stack = pages(kernel.config.kernel_stack_size.min(STACK_MAX));
    let own = segments + stack + pages(handoff::ROOM);
    // Each small mapping has tables of its own, as they are far apart.
    let small_mappings = kernel.segments.len() as u64 + 4;
    let screen_len = screen.map_or(0, |screen| screen.info.byte_len as u64);
    let direct_map = direct_map_len(memory_end, cpu.largest_page);
    let tables = paging::tables_for(direct_map, cpu.largest_page)
        + paging::tables_for(screen_len, PageSize::Base)
        + paging::tables_for(own * PAGE_SIZE, PageSize::Base)
        + small_mappings * paging::tables_for(PAGE_SIZE, PageSize::Base);
    (own + tables + 1) * PAGE_SIZE
}

/// Lays out the kernel's address space and fills it.
///
/// # Errors
///
/// [`LoadError`]
pub fn load(request: &Request<'_>, arena: &mut Arena<'_>) -> Result<Loaded, LoadError> {
    let kernel = request.kernel;
    let mappings = &kernel.config.mappings;
    refuse_unsupported(kernel)?;

    let mut space = AddressSpace::new(arena, request.cpu, mappings)?;
    space.keep_code(request.switch_code)?;
    space.load_segments(&kernel.segments)?;
    let stack = space.make_stack(mappings.kernel_stack, stack_len(kernel)?)?;
    let boot_info = space.make_room(mappings.boot_info, handoff::ROOM)?;
    let direct_map = match mappings.physical_memory {
        Some(mapping) => {
            let len = direct_map_len(request.memory_end, request.cpu.largest_page);
            Some(space.map_directly(mapping, len)?)
        }
        None => None,
    };
    let command_line = match request.command_line {
        Some(text) => {
            let start = space.map_bytes(mappings.ramdisk_memory, text)?;
            Some((start, text.len_bytes()))
        }
        None => None,
    };
    let screen = match request.screen {
        Some(screen) => {
            let start = space.map_bytes(mappings.framebuffer, screen.range()?)?;
            Some((start, screen.info))
        }
        None => None,
    };
    Ok(Loaded {
        tables: space.tables(),
        entry: kernel.entry,
        stack,
        boot_info,
        image: kernel.start(),
        kernel_file: request.kernel_file,
        direct_map,
        command_line,
        screen,
        rsdp: request.rsdp,
    })
}

fn refuse_unsupported(kernel: &Kernel<'_>) -> Result<(), LoadError> {
    let mappings = &kernel.config.mappings;
    let field = if mappings.page_table_recursive.is_some() {
        "page_table_recursive"
    } else if mappings.aslr {
        "aslr"
    } else if mappings.kernel_base != Mapping::Dynamic {
        "kernel_base"
    } else {
        return Ok(());
    };
    Err(LoadError::Unsupported { field })
}

fn stack_len(kernel: &Kernel<'_>) -> Result<u64, LoadError> {
    Some(kernel.config.kernel_stack_size)
        .filter(|len| (1..=STACK_MAX).contains(len))
        .map(|len| len.next_multiple_of(PAGE_SIZE))
        .ok_or(LoadError::Unsupported {
            field: "kernel_stack_size",
        })
}

fn direct_map_len(memory_end: u64, largest: PageSize) -> u64 {
    memory_end
        .clamp(DIRECT_MAP_MIN, DIRECT_MAP_MAX)
        .next_multiple_of(largest.bytes())
}

impl Screen {
    fn range(&self) -> Result<PhysRange, LoadError> {
        let (start, len_bytes) = (self.start, self.info.byte_len as u64);
        PhysRange::new(start, len_bytes).ok_or(LoadError::OutOfReach { start, len_bytes })
    }
}

impl Stack {
    /// Returns the address after the highest one, where the kernel begins to push.
    pub fn top(self) -> VirtAddr {
        self.bottom + self.len_bytes
    }
}

#[cfg(test)]
mod tests;
