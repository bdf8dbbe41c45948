//! Address space, addresses and frames in one hand.

use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use x86_64::VirtAddr;

use super::{Access, DirectMap, FrameSource, MapError, Window};
use crate::{
    arch::{paging::AddressSpace, to_usize},
    frames::DramFrames,
};

/// Addresses for everything but persistent memory: heap, stacks, devices.
const OWN_BYTES: u64 = 256 << 30;

/// Memory that is mapped in a window of its own.
#[derive(Debug)]
#[must_use = "memory that nobody holds can't be unmapped"]
pub(crate) struct Mapped {
    start: VirtAddr,
    len_bytes: u64,
    page_bytes: u64,
}

impl Mapped {
    /// Returns the first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_mut_ptr()
    }

    /// Returns the number of bytes.
    pub(crate) fn len_bytes(&self) -> usize {
        to_usize(self.len_bytes)
    }

    /// Returns the bytes of the largest page used.
    pub(crate) fn page_bytes(&self) -> u64 {
        self.page_bytes
    }
}

/// What it takes to map something.
pub(crate) struct Mapper<'z> {
    direct: DirectMap,
    space: AddressSpace,
    window: Window,
    frames: DramFrames<'z>,
}

impl<'z> Mapper<'z> {
    /// Takes over the page tables in force, with room for `persistent_bytes` of
    /// persistent memory.
    ///
    /// # Errors
    ///
    /// Returns [`MapError::OutOfAddresses`] if the loader left no room.
    ///
    /// # Safety
    ///
    /// 1. Nothing else changes the page tables in force from now on.
    pub(crate) unsafe fn new(
        direct: DirectMap,
        frames: DramFrames<'z>,
        persistent_bytes: u64,
    ) -> Result<Self, MapError> {
        // SAFETY: clause 1.
        let space = unsafe { AddressSpace::current(direct) };
        // Twice: each range may be looked at and then be mapped for good, and
        // both are aligned generously.
        let len_bytes = OWN_BYTES.saturating_add(persistent_bytes.saturating_mul(2));
        let start = space
            .unused(len_bytes)
            .ok_or(MapError::OutOfAddresses { len_bytes })?;
        Ok(Self {
            direct,
            space,
            window: Window::new(start, len_bytes),
            frames,
        })
    }

    /// Returns the map of all memory.
    pub(crate) fn direct(&self) -> DirectMap {
        self.direct
    }

    /// Takes a physical range out of the map of all memory.
    ///
    /// # Errors
    ///
    /// Returns [`MapError::OutOfFrames`].
    ///
    /// # Safety
    ///
    /// 1. Nothing refers to the range through the map of all memory.
    /// 2. No other processor runs.
    pub(crate) unsafe fn hide(&mut self, range: PhysRange) -> Result<(), MapError> {
        // SAFETY: clauses 1 and 2.
        unsafe { self.space.hide(&mut self.frames, range) }
    }

    /// Maps a physical range.
    ///
    /// # Errors
    ///
    /// Returns [`MapError`].
    pub(crate) fn map(&mut self, range: PhysRange, access: Access) -> Result<Mapped, MapError> {
        let start = self.window.take(range.start(), range.len_bytes())?;
        // SAFETY: the window hands out addresses once.
        let page_bytes = unsafe { self.space.map(&mut self.frames, start, range, access)? };
        Ok(Mapped {
            start,
            len_bytes: range.len_bytes(),
            page_bytes,
        })
    }

    /// Maps fresh zeroed frames, with unmapped pages before and after.
    ///
    /// # Errors
    ///
    /// Returns [`MapError`].
    pub(crate) fn map_fresh(&mut self, len_bytes: u64) -> Result<Mapped, MapError> {
        let start = self.reserve(len_bytes)?;
        // SAFETY: the window hands out addresses once.
        unsafe { self.fill(start, len_bytes)? };
        Ok(Mapped {
            start,
            len_bytes,
            page_bytes: FRAME_SIZE as u64,
        })
    }

    /// Takes addresses without mapping them.
    ///
    /// # Errors
    ///
    /// Returns [`MapError::OutOfAddresses`].
    pub(crate) fn reserve(&mut self, len_bytes: u64) -> Result<VirtAddr, MapError> {
        self.window.take(PhysAddr(FRAME_SIZE as u64), len_bytes)
    }

    /// Maps fresh zeroed frames from `start`.
    ///
    /// # Errors
    ///
    /// Returns [`MapError`].
    ///
    /// # Safety
    ///
    /// 1. The addresses were reserved by the caller and are not mapped.
    pub(crate) unsafe fn fill(&mut self, start: VirtAddr, len_bytes: u64) -> Result<(), MapError> {
        for offset in (0..len_bytes).step_by(FRAME_SIZE) {
            let address = start + offset;
            let out = MapError::OutOfFrames { address };
            let frame = self.frames.frame().ok_or(out)?;
            let range = PhysRange::new(frame, FRAME_SIZE as u64).ok_or(out)?;
            // SAFETY: the frame is fresh, and the direct map covers it.
            unsafe { self.direct.pointer(frame).write_bytes(0, FRAME_SIZE) };
            // SAFETY: clause 1.
            unsafe {
                self.space
                    .map(&mut self.frames, address, range, Access::Write)?
            };
        }
        Ok(())
    }

    /// Unmaps what was mapped.
    ///
    /// # Safety
    ///
    /// 1. Nothing refers to the memory any more.
    /// 2. No other processor runs.
    pub(crate) unsafe fn unmap(&mut self, mapped: Mapped) {
        // SAFETY: clauses 1 and 2; `mapped` is what `map` returned.
        unsafe { self.space.unmap(mapped.start, mapped.len_bytes) };
    }

    /// Returns a copy of the address space with its root at `root`, in which the
    /// frame at `page` can be executed at its physical address.
    ///
    /// # Errors
    ///
    /// Returns [`MapError`].
    ///
    /// # Safety
    ///
    /// 1. The frame at `root` is unused, and the direct map covers it.
    pub(crate) unsafe fn fork_with_identity(
        &mut self,
        root: PhysAddr,
        page: PhysRange,
    ) -> Result<PhysAddr, MapError> {
        // SAFETY: clause 1.
        let mut fork = unsafe { self.space.fork(root) };
        let start = VirtAddr::new_truncate(page.start().0);
        // SAFETY: the kernel uses no address of the lower half, and these are
        // unmapped or the mapping fails.
        unsafe { fork.map(&mut self.frames, start, page, Access::Execute)? };
        Ok(fork.root())
    }

    /// Returns the physical address of the root table.
    pub(crate) fn root(&self) -> PhysAddr {
        self.space.root()
    }
}
