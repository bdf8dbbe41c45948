//! The kernel's address space under construction.

use bootloader_api::config::{Mapping, Mappings};
use frame::{PhysAddr, PhysRange};
use x86_64::VirtAddr;

use super::{LoadError, Mapped, Stack};
use crate::arena::Arena;
use crate::cpu::Cpu;
use crate::elf::Segment;
use crate::layout::Layout;
use crate::paging::{Access, MapError, PageSize, PageTables};
use crate::{PAGE_SIZE, pages};

/// Page tables, what they leave free, and the memory to make more of them.
pub(super) struct AddressSpace<'a, 'm> {
    arena: &'a mut Arena<'m>,
    tables: PageTables,
    layout: Layout,
    largest: PageSize,
}

impl<'a, 'm> AddressSpace<'a, 'm> {
    /// Returns an address space in which nothing is mapped.
    pub(super) fn new(
        arena: &'a mut Arena<'m>,
        cpu: Cpu,
        mappings: &Mappings,
    ) -> Result<Self, LoadError> {
        let tables = PageTables::new(arena, cpu.levels)?;
        Ok(Self {
            arena,
            tables,
            layout: Layout::new(mappings),
            largest: cpu.largest_page,
        })
    }

    /// Returns the root of the page tables.
    pub(super) fn tables(&self) -> PhysAddr {
        self.tables.root()
    }

    /// Leaves the loader's last code where it is: the instruction after the change
    /// of page tables must be found in both.
    pub(super) fn keep_code(&mut self, code: PhysRange) -> Result<(), LoadError> {
        let virt = VirtAddr::new_truncate(code.start().0);
        self.layout.reserve(virt, code.len_bytes());
        Ok(self.map(virt, code, Access::ReadExecute)?)
    }

    /// Copies the kernel's segments to where they can be mapped.
    pub(super) fn load_segments(&mut self, segments: &[Segment<'_>]) -> Result<(), LoadError> {
        for segment in segments {
            self.layout.reserve(segment.start, segment.len_bytes);
            let memory = self.allocate(segment.len_bytes)?;
            self.arena
                .bytes_mut(memory.start(), segment.data.len())
                .copy_from_slice(segment.data);
            self.map(segment.start, memory, segment.access)?;
        }
        Ok(())
    }

    /// Makes a stack. The page below is left unmapped: an overflow faults instead
    /// of spreading.
    pub(super) fn make_stack(
        &mut self,
        mapping: Mapping,
        len_bytes: u64,
    ) -> Result<Stack, LoadError> {
        let guard = self.layout.place(mapping, PAGE_SIZE + len_bytes)?;
        let bottom = guard + PAGE_SIZE;
        let memory = self.allocate(len_bytes)?;
        self.map(bottom, memory, Access::ReadWrite)?;
        Ok(Stack { bottom, len_bytes })
    }

    /// Makes room that both the loader and the kernel can write to.
    pub(super) fn make_room(
        &mut self,
        mapping: Mapping,
        len_bytes: u64,
    ) -> Result<Mapped, LoadError> {
        let virt = self.layout.place(mapping, len_bytes)?;
        let memory = self.allocate(len_bytes)?;
        self.map(virt, memory, Access::ReadWrite)?;
        Ok(Mapped {
            phys: memory.start(),
            virt,
        })
    }

    /// Maps physical memory from address zero on, and returns where.
    pub(super) fn map_directly(
        &mut self,
        mapping: Mapping,
        len_bytes: u64,
    ) -> Result<VirtAddr, LoadError> {
        let virt = self.layout.place(mapping, len_bytes)?;
        let memory = PhysRange::between(PhysAddr(0), PhysAddr(len_bytes));
        self.map(virt, memory, Access::ReadWrite)?;
        Ok(virt)
    }

    /// Maps the pages that contain `bytes` and returns where the first byte is.
    pub(super) fn map_bytes(
        &mut self,
        mapping: Mapping,
        bytes: PhysRange,
    ) -> Result<VirtAddr, LoadError> {
        let start = bytes.start().align_down(PAGE_SIZE);
        let end = bytes
            .end()
            .align_up(PAGE_SIZE)
            .ok_or(LoadError::OutOfReach {
                start: bytes.start(),
                len_bytes: bytes.len_bytes(),
            })?;
        let memory = PhysRange::between(start, end);
        let virt = self.layout.place(mapping, memory.len_bytes())?;
        self.map(virt, memory, Access::ReadWrite)?;
        Ok(virt + (bytes.start().0 - start.0))
    }

    fn allocate(&mut self, len_bytes: u64) -> Result<PhysRange, LoadError> {
        let start = self.arena.allocate(len_bytes)?;
        let len_bytes = pages(len_bytes) * PAGE_SIZE;
        PhysRange::new(start, len_bytes).ok_or(LoadError::OutOfReach { start, len_bytes })
    }

    fn map(&mut self, virt: VirtAddr, memory: PhysRange, access: Access) -> Result<(), MapError> {
        let (phys, len_bytes) = (memory.start(), memory.len_bytes());
        self.tables
            .map(self.arena, virt, phys, len_bytes, access, self.largest)
    }
}
