//! The memory that the kernel inherits from its loader.
//!
//! Page tables, segments, stack and boot information must survive the loader
//! and be marked as taken in the memory map. So they all come from one piece of
//! memory, found once by each loader in its own way: there is a single range to
//! report, and everything in it is written through one slice.

use core::fmt;
use core::ops::Range;

use frame::{PhysAddr, PhysRange};

use crate::{PAGE_SIZE, pages};

/// A piece of physical memory that is given away page by page, never back.
pub struct Arena<'a> {
    start: PhysAddr,
    bytes: &'a mut [u8],
    used: usize,
}

/// The arena is too small for what the kernel asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Pages asked for.
    pub wanted: u64,
    /// Pages left.
    pub left: u64,
}

impl<'a> Arena<'a> {
    /// Takes the memory at physical address `start`, which `bytes` gives access to.
    ///
    /// # Panics
    ///
    /// If `start` is not the start of a page.
    pub fn new(start: PhysAddr, bytes: &'a mut [u8]) -> Self {
        assert!(start.is_aligned(PAGE_SIZE), "an arena at {start}");
        Self {
            start,
            bytes,
            used: 0,
        }
    }

    /// Returns the whole arena, used or not.
    pub fn range(&self) -> PhysRange {
        PhysRange::new(self.start, self.bytes.len() as u64).unwrap_or_default()
    }

    /// Returns the start of as many zeroed pages as `len_bytes` bytes need.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if fewer pages are left.
    pub fn allocate(&mut self, len_bytes: u64) -> Result<PhysAddr, OutOfMemory> {
        let left_bytes = (self.bytes.len() - self.used) as u64;
        let out_of_memory = OutOfMemory {
            wanted: pages(len_bytes),
            left: left_bytes / PAGE_SIZE,
        };
        if out_of_memory.wanted > out_of_memory.left {
            return Err(out_of_memory);
        }
        let start = self.start.0 + self.used as u64;
        let len = usize::try_from(out_of_memory.wanted * PAGE_SIZE).map_err(|_| out_of_memory)?;
        self.bytes[self.used..][..len].fill(0);
        self.used += len;
        Ok(PhysAddr(start))
    }

    /// Returns `len` bytes of allocated memory.
    ///
    /// # Panics
    ///
    /// If they were not allocated here.
    pub fn bytes_mut(&mut self, start: PhysAddr, len: usize) -> &mut [u8] {
        let range = self.index(start, len);
        &mut self.bytes[range]
    }

    /// Returns the eight bytes at `at` as a number.
    ///
    /// # Panics
    ///
    /// If they were not allocated here.
    pub fn word(&self, at: PhysAddr) -> u64 {
        let bytes = &self.bytes[self.index(at, size_of::<u64>())];
        u64::from_le_bytes(bytes.try_into().expect("eight bytes were cut"))
    }

    /// Overwrites the eight bytes at `at`.
    ///
    /// # Panics
    ///
    /// If they were not allocated here.
    pub fn set_word(&mut self, at: PhysAddr, word: u64) {
        self.bytes_mut(at, size_of::<u64>())
            .copy_from_slice(&word.to_le_bytes());
    }

    fn index(&self, start: PhysAddr, len: usize) -> Range<usize> {
        let offset = start
            .0
            .checked_sub(self.start.0)
            .and_then(|o| usize::try_from(o).ok());
        match offset.and_then(|offset| Some(offset..offset.checked_add(len)?)) {
            Some(range) if range.end <= self.used => range,
            _ => panic!("{len} bytes at {start} were not allocated here"),
        }
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, left } = self;
        write!(f, "{wanted} pages needed, {left} left")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn pages_are_zeroed_and_disjoint() {
        let mut bytes = std::vec![0xEE; 0x3000];
        let mut arena = Arena::new(PhysAddr(0x10_0000), &mut bytes);
        assert_eq!(arena.allocate(1), Ok(PhysAddr(0x10_0000)));
        assert_eq!(arena.allocate(0x1001), Ok(PhysAddr(0x10_1000)));
        assert!(
            arena
                .bytes_mut(PhysAddr(0x10_0000), 0x3000)
                .iter()
                .all(|&b| b == 0)
        );
    }

    #[test]
    fn an_exhausted_arena_says_how_much_was_missing() {
        let mut bytes = std::vec![0; 0x2fff];
        let mut arena = Arena::new(PhysAddr(0), &mut bytes);
        let error = OutOfMemory { wanted: 3, left: 2 };
        assert_eq!(arena.allocate(0x3000), Err(error));
        assert_eq!(arena.allocate(0x2000), Ok(PhysAddr(0)));
    }

    #[test]
    #[should_panic(expected = "not allocated here")]
    fn bytes_that_nobody_allocated_are_out_of_reach() {
        let mut bytes = std::vec![0; 0x2000];
        let mut arena = Arena::new(PhysAddr(0), &mut bytes);
        arena.allocate(0x1000).unwrap();
        arena.bytes_mut(PhysAddr(0xfff), 2);
    }
}
