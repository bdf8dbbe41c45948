//! Taking a range out of the direct map.
//!
//! The loader maps everything below the last address that the firmware's memory
//! map mentions, writable, and persistent memory may lie below that. What is not
//! ours must not be within reach of a stray store, and what is ours is mapped
//! where its owner wants it; so the direct map shows neither.

use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use x86_64::{
    PhysAddr as EntryAddr, VirtAddr,
    instructions::tlb,
    structures::paging::{PageTable, PageTableFlags, page_table::PageTableEntry},
};

use super::{AddressSpace, ENTRIES, FrameSource, MapError, index, page_bytes};

impl AddressSpace {
    /// Takes the whole frames of a physical range out of the direct map. Parts
    /// that it does not show are none of its business.
    ///
    /// # Errors
    ///
    /// Returns [`MapError::OutOfFrames`] where a large page would have to become
    /// smaller ones; the frames before it are out already.
    ///
    /// # Safety
    ///
    /// 1. Nothing refers to the range through the direct map.
    /// 2. No other processor runs.
    pub(crate) unsafe fn hide(
        &mut self,
        frames: &mut impl FrameSource,
        range: PhysRange,
    ) -> Result<(), MapError> {
        let range = self.direct.part_of(range).shrink_to(FRAME_SIZE as u64);
        let mut at = range.start();
        while at < range.end() {
            let address = VirtAddr::from_ptr(self.direct.pointer(at));
            let (entry, level) = self.last_entry(address);
            let page = page_bytes(level);
            let after = PhysAddr(at.align_down(page).0 + page);
            // SAFETY: as in `walk`.
            let is_unused = unsafe { (*entry).is_unused() };
            if !is_unused && (!at.is_aligned(page) || after > range.end()) {
                self.split(entry, level, address, frames)?;
                continue;
            }
            // SAFETY: the page lies in the range (clause 1), and only this
            // processor has to forget it (clause 2).
            unsafe { entry.write(PageTableEntry::new()) };
            tlb::flush(address);
            at = after;
        }
        Ok(())
    }

    /// Returns the entry at which the walk for `address` ends, and its level: the
    /// leaf, or the first unused one.
    fn last_entry(&self, address: VirtAddr) -> (*mut PageTableEntry, u8) {
        let mut table = self.root;
        let mut level = self.levels;
        loop {
            let pointer = self.entry_of(table, index(address, level));
            // SAFETY: as in `walk`, but nothing is written.
            let entry = unsafe { pointer.read() };
            let is_leaf = level == 1 || entry.flags().contains(PageTableFlags::HUGE_PAGE);
            if is_leaf || entry.is_unused() {
                return (pointer, level);
            }
            table = PhysAddr(entry.addr().as_u64());
            level -= 1;
        }
    }

    /// Makes a table of smaller pages out of a large one; they map the same.
    fn split(
        &mut self,
        entry: *mut PageTableEntry,
        level: u8,
        address: VirtAddr,
        frames: &mut impl FrameSource,
    ) -> Result<(), MapError> {
        // SAFETY: as in `walk`.
        let whole = unsafe { entry.read() };
        let frame = frames.frame().ok_or(MapError::OutOfFrames { address })?;
        let part_bytes = page_bytes(level - 1);
        // Below the address, a large page's entry has other things than address.
        let start = PhysAddr(whole.addr().as_u64())
            .align_down(page_bytes(level))
            .0;
        let flags = match level {
            2 => whole.flags() - PageTableFlags::HUGE_PAGE,
            _ => whole.flags(),
        };
        let mut table = PageTable::new();
        for (part, entry) in (0..ENTRIES as u64).zip(table.iter_mut()) {
            entry.set_addr(EntryAddr::new(start + part * part_bytes), flags);
        }
        // SAFETY: the frame is unused and covered (`FrameSource`).
        unsafe { self.table(frame).write(table) };
        let mut parent = PageTableEntry::new();
        let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
        parent.set_addr(EntryAddr::new(frame.0), flags);
        // SAFETY: an entry of a table that only this address space changes; the
        // new one leads to the same memory.
        unsafe { entry.write(parent) };
        tlb::flush(address);
        Ok(())
    }
}
