//! What is known about each frame, and lists threaded through it.
//!
//! Linux keeps a `struct page` of 64 bytes for every frame and threads its free
//! lists through them, so that a free frame itself is never touched. The cost of
//! that design is one cache line for each frame on a list, and two neighbours'
//! lines for each removal from the middle; hence the alignment here, which is
//! what Linux pays, not padding for the sake of it.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use frame::Order;

/// The end of a list; no zone has that many frames.
const NONE: u32 = u32::MAX;

/// One frame's metadata; Linux: `struct page`, of which only `lru`, `PageBuddy`
/// and `private` matter to the allocator.
///
/// The fields are atomic because neighbours' metadata is read under the zone lock
/// while their owner may rewrite the links. No access needs an order: each field
/// is written by whoever holds the frame's list, and handed over with its lock.
#[derive(Debug)]
#[repr(align(64))]
pub struct Page {
    next: AtomicU32,
    prev: AtomicU32,
    /// Order of the free block that starts here plus one, 0 if none does.
    block: AtomicU8,
}

const _: () = assert!(size_of::<Page>() == 64);

impl Page {
    /// Returns the metadata of a frame that is on no list.
    pub const fn new() -> Self {
        Self {
            next: AtomicU32::new(NONE),
            prev: AtomicU32::new(NONE),
            block: AtomicU8::new(0),
        }
    }

    /// Returns whether a block of this order starts here and lies in a buddy list.
    pub(super) fn is_free_block(&self, order: Order) -> bool {
        self.block.load(Relaxed) == order.exponent() + 1
    }

    pub(super) fn set_free_block(&self, order: Order) {
        self.block.store(order.exponent() + 1, Relaxed);
    }

    pub(super) fn clear_free_block(&self) {
        self.block.store(0, Relaxed);
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

/// A doubly linked list of blocks; Linux: `struct list_head` and `page->lru`.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    pub(super) fn push_front(&mut self, pages: &[Page], frame: u32) {
        self.link(pages, NONE, frame, self.first);
    }

    pub(super) fn push_back(&mut self, pages: &[Page], frame: u32) {
        self.link(pages, self.last, frame, NONE);
    }

    pub(super) fn pop_front(&mut self, pages: &[Page]) -> Option<u32> {
        let frame = self.first;
        (frame != NONE).then(|| self.remove(pages, frame))
    }

    pub(super) fn pop_back(&mut self, pages: &[Page]) -> Option<u32> {
        let frame = self.last;
        (frame != NONE).then(|| self.remove(pages, frame))
    }

    /// Takes out a frame that is on this list, and returns it.
    pub(super) fn remove(&mut self, pages: &[Page], frame: u32) -> u32 {
        let page = &pages[frame as usize];
        let (prev, next) = (page.prev.load(Relaxed), page.next.load(Relaxed));
        self.join(pages, prev, next);
        frame
    }

    fn link(&mut self, pages: &[Page], prev: u32, frame: u32, next: u32) {
        self.join(pages, prev, frame);
        self.join(pages, frame, next);
    }

    /// Makes two frames neighbours; `NONE` stands for the list's own end.
    fn join(&mut self, pages: &[Page], prev: u32, next: u32) {
        match pages.get(prev as usize) {
            Some(page) => page.next.store(next, Relaxed),
            None => self.first = next,
        }
        match pages.get(next as usize) {
            Some(page) => page.prev.store(prev, Relaxed),
            None => self.last = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_list_gives_back_what_it_was_given_from_either_end() {
        let pages: Vec<Page> = (0..8).map(|_| Page::new()).collect();
        let mut list = List::EMPTY;
        for frame in 0..5 {
            list.push_back(&pages, frame);
        }
        list.push_front(&pages, 7);
        assert_eq!(list.remove(&pages, 2), 2);
        assert_eq!(list.pop_front(&pages), Some(7));
        assert_eq!(list.pop_back(&pages), Some(4));
        let rest: Vec<u32> = core::iter::from_fn(|| list.pop_front(&pages)).collect();
        assert_eq!(rest, [0, 1, 3]);
        assert!(list.is_empty());
        assert_eq!(list.pop_back(&pages), None);
    }
}
