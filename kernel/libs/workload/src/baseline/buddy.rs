//! Free blocks by order, split and merged in pairs.
//!
//! The binary buddy system as Linux has it in `mm/page_alloc.c`: one list of free
//! blocks an order; an allocation splits the smallest block that fits, a free
//! merges with the buddy as long as that is free too. One migrate type. No
//! atomics: whoever calls holds the zone lock.

use frame::Order;

use super::page::{List, Page};

/// The largest block in a list; Linux: `MAX_PAGE_ORDER`, 4 MiB.
pub(super) const LARGEST: u8 = 10;

/// Linux: `zone->free_area`, with the zone's count of free pages.
#[derive(Debug)]
pub(super) struct FreeAreas {
    lists: [List; LARGEST as usize + 1],
    free_frames: usize,
}

impl FreeAreas {
    /// Puts all frames of the zone into the lists, lower ones first.
    ///
    /// Linux: `memblock_free_all`. A block never crosses the end of the zone.
    pub(super) fn all_free(pages: &[Page]) -> Self {
        let mut areas = Self {
            lists: [List::EMPTY; LARGEST as usize + 1],
            free_frames: pages.len(),
        };
        let mut start = 0;
        while start < pages.len() {
            let order = largest_block_at(start, pages.len() - start);
            areas.insert_back(pages, index(start), order);
            start += order.frames();
        }
        areas
    }

    pub(super) fn free_frames(&self) -> usize {
        self.free_frames
    }

    /// Takes a block out of the lists; Linux: `__rmqueue_smallest` and `expand`.
    pub(super) fn take(&mut self, pages: &[Page], order: Order) -> Option<u32> {
        let (frame, mut split) = (order.exponent()..=LARGEST).find_map(|exponent| {
            let list = self.lists.get_mut(usize::from(exponent))?;
            Some((list.pop_front(pages)?, exponent))
        })?;
        pages[frame as usize].clear_free_block();
        while split > order.exponent() {
            split -= 1;
            self.insert_front(pages, frame + (1 << split), at(split));
        }
        self.free_frames -= order.frames();
        Some(frame)
    }

    /// Puts a block back and merges it as far as possible; Linux:
    /// `__free_one_page`.
    pub(super) fn give(&mut self, pages: &[Page], mut frame: u32, order: Order) {
        self.free_frames += order.frames();
        let mut exponent = order.exponent();
        while exponent < LARGEST {
            let buddy = frame ^ (1 << exponent);
            if !is_free(pages, buddy, exponent) {
                break;
            }
            self.lists[usize::from(exponent)].remove(pages, buddy);
            pages[buddy as usize].clear_free_block();
            frame &= buddy;
            exponent += 1;
        }
        if merges_soon(pages, frame, exponent) {
            self.insert_back(pages, frame, at(exponent));
        } else {
            self.insert_front(pages, frame, at(exponent));
        }
    }

    /// Returns how many blocks of this order could be handed out, one after the
    /// other.
    pub(super) fn blocks(&self, pages: &[Page], order: Order) -> usize {
        let starts = (0..pages.len()).step_by(1 << order.exponent());
        let whole = |start: usize| {
            (order.exponent()..=LARGEST)
                .any(|exponent| is_free(pages, index(start & !((1 << exponent) - 1)), exponent))
        };
        starts.filter(|&start| whole(start)).count()
    }

    fn insert_front(&mut self, pages: &[Page], frame: u32, order: Order) {
        pages[frame as usize].set_free_block(order);
        self.lists[usize::from(order.exponent())].push_front(pages, frame);
    }

    fn insert_back(&mut self, pages: &[Page], frame: u32, order: Order) {
        pages[frame as usize].set_free_block(order);
        self.lists[usize::from(order.exponent())].push_back(pages, frame);
    }
}

fn is_free(pages: &[Page], frame: u32, exponent: u8) -> bool {
    let page = pages.get(frame as usize);
    page.is_some_and(|page| page.is_free_block(at(exponent)))
}

/// Returns whether the next larger buddy is free already, so that this block had
/// better be used last; Linux: `buddy_merge_likely`.
fn merges_soon(pages: &[Page], frame: u32, exponent: u8) -> bool {
    exponent + 1 < LARGEST && {
        let parent = frame & !(1 << exponent);
        is_free(pages, parent ^ (1 << (exponent + 1)), exponent + 1)
    }
}

fn largest_block_at(start: usize, frames_left: usize) -> Order {
    let aligned = |&exponent: &u8| start.is_multiple_of(1 << exponent);
    let fits = |&exponent: &u8| 1 << exponent <= frames_left;
    let exponents = (0..=LARGEST).rev();
    at(exponents.filter(aligned).find(fits).unwrap_or(0))
}

fn at(exponent: u8) -> Order {
    Order::new(exponent).expect("no list is above the largest order")
}

fn index(frame: usize) -> u32 {
    u32::try_from(frame).expect("a zone has fewer than 2^32 frames")
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn pages(count: usize) -> Vec<Page> {
        (0..count).map(|_| Page::new()).collect()
    }

    #[test]
    fn blocks_merge_again_when_all_parts_are_free() {
        let pages = pages(2048);
        let mut areas = FreeAreas::all_free(&pages);
        let taken: Vec<u32> = (0..2048)
            .map(|_| areas.take(&pages, Order::FRAME).expect("a free frame"))
            .collect();
        assert_eq!(areas.take(&pages, Order::FRAME), None);
        taken
            .iter()
            .step_by(2)
            .chain(taken.iter().skip(1).step_by(2))
            .for_each(|&frame| areas.give(&pages, frame, Order::FRAME));
        assert_eq!(areas.free_frames(), 2048);
        assert_eq!(areas.blocks(&pages, at(10)), 2);
        assert!(areas.take(&pages, at(10)).is_some());
        assert!(areas.take(&pages, at(10)).is_some());
    }

    #[test]
    fn no_block_crosses_an_odd_end() {
        let pages = pages(1024 + 513);
        let mut areas = FreeAreas::all_free(&pages);
        assert_eq!(areas.blocks(&pages, Order::HUGE), 3);
        for expected in [1024, 0, 512] {
            assert_eq!(areas.take(&pages, Order::HUGE), Some(expected));
        }
        assert_eq!(areas.take(&pages, Order::FRAME), Some(1536));
        assert_eq!(areas.take(&pages, Order::FRAME), None);
    }

    #[test]
    fn a_block_is_split_no_further_than_needed() {
        let pages = pages(1024);
        let mut areas = FreeAreas::all_free(&pages);
        assert_eq!(areas.take(&pages, Order::FRAME), Some(0));
        assert_eq!(areas.blocks(&pages, Order::HUGE), 1);
        assert_eq!(areas.blocks(&pages, at(8)), 3);
    }
}
