//! Everything between "the kernel file is in memory" and "the firmware is gone".
//!
//! [`load`] copies the kernel's segments, builds the page tables it will run on
//! and finds a place for each thing that it asks for. It needs no firmware, and
//! what it returns needs none either: after the boot services have ended, only
//! the memory map is missing.

use core::fmt;

use bootloader_api::info::FrameBufferInfo;
use frame::{PhysAddr, PhysRange};
use x86_64::VirtAddr;

use crate::arena::{Arena, OutOfMemory};
use crate::cpu::Cpu;
use crate::elf::{Kernel, Segment};
use crate::layout::{Layout, LayoutError};
use crate::paging::{self, Access, MapError, PageSize, PageTables};
use crate::{PAGE_SIZE, handoff, pages};

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
    /// The lowest address of its stack.
    pub stack_bottom: VirtAddr,
    /// The stack's length in bytes.
    pub stack_len: u64,
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

/// Memory of the loader's that the kernel sees too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Where it is in memory.
    pub phys: PhysAddr,
    /// Where the kernel sees it.
    pub virt: VirtAddr,
}

/// Why the kernel could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The kernel asks for something that this loader does not do.
    Unsupported {
        /// The field of `BootloaderConfig`.
        field: &'static str,
    },
    /// The firmware reports something where no memory can be.
    OutOfReach {
        /// Where it is said to begin.
        start: PhysAddr,
        /// Its length in bytes.
        len_bytes: u64,
    },
    /// The arena was made too small.
    OutOfMemory(OutOfMemory),
    /// Something found no place in the address space.
    Layout(LayoutError),
    /// Something could not be mapped.
    Map(MapError),
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

fn direct_map_len(memory_end: u64, largest: PageSize) -> u64 {
    memory_end
        .clamp(DIRECT_MAP_MIN, DIRECT_MAP_MAX)
        .next_multiple_of(largest.bytes())
}

fn stack_len(kernel: &Kernel<'_>) -> Result<u64, LoadError> {
    Some(kernel.config.kernel_stack_size)
        .filter(|len| (1..=STACK_MAX).contains(len))
        .map(|len| len.next_multiple_of(PAGE_SIZE))
        .ok_or(LoadError::Unsupported {
            field: "kernel_stack_size",
        })
}

/// Lays out the kernel's address space and fills it.
///
/// # Errors
///
/// [`LoadError`]
pub fn load(request: &Request<'_>, arena: &mut Arena<'_>) -> Result<Loaded, LoadError> {
    let mappings = &request.kernel.config.mappings;
    refuse_unsupported(request.kernel)?;

    let mut space = AddressSpace::new(request, arena)?;
    for segment in &request.kernel.segments {
        space.load_segment(arena, segment)?;
    }

    let stack_len = stack_len(request.kernel)?;
    // The first page is left unmapped: an overflow faults instead of spreading.
    let guard = space
        .layout
        .place(mappings.kernel_stack, PAGE_SIZE + stack_len)?;
    let stack_bottom = guard + PAGE_SIZE;
    let stack = arena.allocate(stack_len)?;
    space.map(arena, stack_bottom, stack, stack_len, Access::ReadWrite)?;

    let boot_info = arena.allocate(handoff::ROOM)?;
    let boot_info_virt = space.layout.place(mappings.boot_info, handoff::ROOM)?;
    space.map(
        arena,
        boot_info_virt,
        boot_info,
        handoff::ROOM,
        Access::ReadWrite,
    )?;

    let direct_map = match mappings.physical_memory {
        Some(mapping) => {
            let len = direct_map_len(request.memory_end, request.cpu.largest_page);
            let start = space.layout.place(mapping, len)?;
            space.map(arena, start, PhysAddr(0), len, Access::ReadWrite)?;
            Some(start)
        }
        None => None,
    };
    let command_line = match request.command_line {
        Some(text) => Some((
            space.map_bytes(arena, mappings.ramdisk_memory, text)?,
            text.len_bytes(),
        )),
        None => None,
    };
    let screen = match request.screen {
        Some(Screen { start, info }) => {
            let len_bytes = info.byte_len as u64;
            let pixels = PhysRange::new(start, len_bytes)
                .ok_or(LoadError::OutOfReach { start, len_bytes })?;
            Some((space.map_bytes(arena, mappings.framebuffer, pixels)?, info))
        }
        None => None,
    };

    Ok(Loaded {
        tables: space.tables.root(),
        entry: request.kernel.entry,
        stack_bottom,
        stack_len,
        boot_info: Mapped {
            phys: boot_info,
            virt: boot_info_virt,
        },
        image: request.kernel.start(),
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
    } else if mappings.kernel_base != bootloader_api::config::Mapping::Dynamic {
        "kernel_base"
    } else {
        return Ok(());
    };
    Err(LoadError::Unsupported { field })
}

/// The kernel's address space under construction.
struct AddressSpace {
    tables: PageTables,
    layout: Layout,
    largest: PageSize,
}

impl AddressSpace {
    /// Returns an address space that has the switch code where it is now: the
    /// instruction after the change of page tables must be found in both.
    fn new(request: &Request<'_>, arena: &mut Arena<'_>) -> Result<Self, LoadError> {
        let mut space = Self {
            tables: PageTables::new(arena, request.cpu.levels)?,
            layout: Layout::new(&request.kernel.config.mappings),
            largest: request.cpu.largest_page,
        };
        let code = request.switch_code;
        let virt = VirtAddr::new_truncate(code.start().0);
        space.layout.reserve(virt, code.len_bytes());
        space.map(
            arena,
            virt,
            code.start(),
            code.len_bytes(),
            Access::ReadExecute,
        )?;
        for segment in &request.kernel.segments {
            space.layout.reserve(segment.start, segment.len_bytes);
        }
        Ok(space)
    }

    fn map(
        &mut self,
        arena: &mut Arena<'_>,
        virt: VirtAddr,
        phys: PhysAddr,
        len_bytes: u64,
        access: Access,
    ) -> Result<(), MapError> {
        self.tables
            .map(arena, virt, phys, len_bytes, access, self.largest)
    }

    fn load_segment(
        &mut self,
        arena: &mut Arena<'_>,
        segment: &Segment<'_>,
    ) -> Result<(), LoadError> {
        let len = pages(segment.len_bytes) * PAGE_SIZE;
        let phys = arena.allocate(len)?;
        arena
            .bytes_mut(phys, segment.data.len())
            .copy_from_slice(segment.data);
        Ok(self.map(arena, segment.start, phys, len, segment.access)?)
    }

    /// Maps the pages that contain `bytes` and returns where the first byte is.
    fn map_bytes(
        &mut self,
        arena: &mut Arena<'_>,
        mapping: bootloader_api::config::Mapping,
        bytes: PhysRange,
    ) -> Result<VirtAddr, LoadError> {
        let first_page = bytes.start().align_down(PAGE_SIZE);
        let last_page = bytes
            .end()
            .align_up(PAGE_SIZE)
            .ok_or(LoadError::OutOfReach {
                start: bytes.start(),
                len_bytes: bytes.len_bytes(),
            })?;
        let offset = bytes.start().0 - first_page.0;
        let len = last_page.0 - first_page.0;
        let virt = self.layout.place(mapping, len)?;
        self.map(arena, virt, first_page, len, Access::ReadWrite)?;
        Ok(virt + offset)
    }
}

impl From<OutOfMemory> for LoadError {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

impl From<LayoutError> for LoadError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<MapError> for LoadError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { field } => {
                write!(f, "kernel sets {field}, which this loader does not support")
            }
            Self::OutOfReach { start, len_bytes } => {
                write!(f, "{len_bytes:#x} bytes at {start} leave the address space")
            }
            Self::OutOfMemory(error) => write!(f, "loader's memory: {error}"),
            Self::Layout(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
        }
    }
}
