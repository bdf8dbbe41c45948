//! A page allocator in the shape of Linux's.
//!
//! What each part is there, and what it costs, in C (a compare-exchange on a hot
//! line; see the module above):
//!
//! | here | Linux | cost |
//! |---|---|---|
//! | [`Zone`]: free areas under a spin lock | `zone->lock`, `zone->free_area` | lock 1 C when nobody else wants it, else the line travels; 1–2 lines of [`Page`] a split or merge |
//! | [`Handle`]: lists of its own | `struct per_cpu_pages`, taken by `spin_trylock` since 6.1 | 1 C a call, private line |
//! | the same with [`Guard::Interrupts`] | until 6.0: interrupts off | nothing here (`cli`/`sti` are not for user mode) |
//! | refill with [`BATCH`] frames | `rmqueue_bulk` | 1 C and 63 splits for 63 calls |
//! | return above the high mark | `free_pcppages_bulk`, `nr_pcp_free` | 1 C and up to `high` merges, for as many calls |
//!
//! So a *repeat* pair costs 2 C and a few plain stores with the lock, and those
//! stores alone without it; *bulk* adds the share of splits and merges and one
//! line of metadata a frame. Left out, in favour of this baseline: the reference
//! count (`put_page_testzero`, one more locked operation a free), watermarks,
//! cpusets, memory cgroups, migrate types, page poisoning and the checks of
//! `struct page`. Left out, to its disfavour: the automatic tuning of the high
//! mark (6.7).
//!
//! The locks are plain test-and-set locks, which is what Linux falls back to in a
//! virtual machine (`virt_spin_lock`): a queue of waiters would wait for one that
//! the host has taken the processor from.
//!
//! Source: Linux 6.1, `mm/page_alloc.c` and `include/linux/mmzone.h`.

use frame::{FRAME_SIZE, FrameId, Order};
use spin::mutex::SpinMutex;

use super::buddy::FreeAreas;
use super::page::{List, Page};
use crate::FrameAlloc;

/// Frames in a refill; Linux: `zone_batchsize`, 63 for every zone above 1 GiB.
pub const BATCH: usize = 63;

/// Orders up to this one have lists of their own for each processor; Linux:
/// `PAGE_ALLOC_COSTLY_ORDER`. Huge frames have one too, nothing in between.
const COSTLY: u8 = 3;
const LISTS: usize = COSTLY as usize + 2;

/// What keeps a processor's lists consistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A lock on the lists, so that others can empty them: Linux since 6.1.
    Lock,
    /// Interrupts are off meanwhile, and nobody else may look: before that.
    Interrupts,
}

/// All frames that one lock protects; Linux: `struct zone`.
#[derive(Debug)]
pub struct Zone<'m> {
    pages: &'m [Page],
    areas: SpinMutex<FreeAreas>,
    high: usize,
}

impl<'m> Zone<'m> {
    /// Creates a zone with one frame for each of `pages`, all of them free, for
    /// this number of processors.
    pub fn new(pages: &'m [Page], cpus: usize) -> Self {
        Self {
            pages,
            areas: SpinMutex::new(FreeAreas::all_free(pages)),
            high: high_mark(pages.len(), cpus),
        }
    }

    /// Returns the handle of one processor, with empty lists.
    pub fn handle(&self, guard: Guard) -> Handle<'_, 'm> {
        Handle {
            zone: self,
            guard,
            lists: SpinMutex::new(PerCpu {
                lists: [List::EMPTY; LISTS],
                frames: 0,
                frees: 0,
            }),
        }
    }

    /// Returns the frames in the buddy lists; those in processors' lists are
    /// counted as soon as these are drained.
    pub fn free_frames(&self) -> usize {
        self.areas.lock().free_frames()
    }

    /// Returns the number of free blocks of this order in the buddy lists.
    pub fn free_blocks(&self, order: Order) -> usize {
        self.areas.lock().blocks(self.pages, order)
    }
}

/// The frames that a processor keeps at most. Linux: `zone_highsize`, the low
/// watermark shared out among the processors, and at least four batches.
fn high_mark(frames: usize, cpus: usize) -> usize {
    let memory_kib = frames * FRAME_SIZE / 1024;
    let min_free_kib = (memory_kib * 16).isqrt();
    let low_watermark = min_free_kib * 1024 / FRAME_SIZE * 5 / 4;
    (low_watermark / cpus.max(1)).max(4 * BATCH)
}

/// A processor's lists of free blocks, last freed first; Linux: `struct
/// per_cpu_pages`.
#[derive(Debug)]
#[repr(align(64))]
struct PerCpu {
    lists: [List; LISTS],
    /// Frames in all lists; Linux: `count`.
    frames: usize,
    /// Doublings of the next return; Linux: `free_factor`.
    frees: u32,
}

impl PerCpu {
    fn get(&mut self, zone: &Zone<'_>, order: Order, list: usize) -> Option<u32> {
        if self.lists[list].is_empty() {
            self.refill(zone, order, list);
        }
        let frame = self.lists[list].pop_front(zone.pages)?;
        self.frames -= order.frames();
        self.frees /= 2;
        Some(frame)
    }

    fn put(&mut self, zone: &Zone<'_>, frame: u32, order: Order, list: usize) {
        self.lists[list].push_front(zone.pages, frame);
        self.frames += order.frames();
        if self.frames >= zone.high {
            let wanted = BATCH << self.frees;
            if wanted < zone.high - BATCH {
                self.frees += 1;
            }
            self.give_back(zone, wanted.clamp(BATCH, zone.high - BATCH));
        }
    }

    /// Takes a batch from the zone, lowest first; Linux: `rmqueue_bulk`.
    #[cold]
    fn refill(&mut self, zone: &Zone<'_>, order: Order, list: usize) {
        let blocks = match order.exponent() {
            0 => BATCH,
            exponent => (BATCH >> exponent).max(2),
        };
        let mut areas = zone.areas.lock();
        for _ in 0..blocks {
            let Some(frame) = areas.take(zone.pages, order) else {
                break;
            };
            self.lists[list].push_back(zone.pages, frame);
            self.frames += order.frames();
        }
    }

    /// Returns at least this number of frames, if there are as many: those freed
    /// longest ago, from each list in turn. Linux: `free_pcppages_bulk`.
    #[cold]
    fn give_back(&mut self, zone: &Zone<'_>, frames: usize) {
        let keep = self.frames.saturating_sub(frames);
        let mut areas = zone.areas.lock();
        while self.frames > keep {
            for (list, order) in self.lists.iter_mut().zip(listed_orders()) {
                if self.frames <= keep {
                    break;
                }
                if let Some(frame) = list.pop_back(zone.pages) {
                    areas.give(zone.pages, frame, order);
                    self.frames -= order.frames();
                }
            }
        }
    }
}

fn listed_orders() -> impl Iterator<Item = Order> {
    (0..=COSTLY).filter_map(Order::new).chain([Order::HUGE])
}

/// Returns the index of the list for blocks of this order; Linux:
/// `pcp_allowed_order` and `order_to_pindex`.
fn list_of(order: Order) -> Option<usize> {
    match order {
        Order::HUGE => Some(LISTS - 1),
        order if order.exponent() <= COSTLY => Some(usize::from(order.exponent())),
        _ => None,
    }
}

/// What one processor allocates through; frees what it keeps when dropped.
#[derive(Debug)]
pub struct Handle<'z, 'm> {
    zone: &'z Zone<'m>,
    guard: Guard,
    lists: SpinMutex<PerCpu>,
}

impl Handle<'_, '_> {
    /// Works on the lists as this kernel's guard has it.
    fn with_lists<R>(&mut self, work: impl FnOnce(&mut PerCpu, &Zone<'_>) -> R) -> R {
        match self.guard {
            Guard::Lock => work(&mut self.lists.lock(), self.zone),
            Guard::Interrupts => work(self.lists.get_mut(), self.zone),
        }
    }

    fn take(&mut self, order: Order) -> Option<u32> {
        match list_of(order) {
            Some(list) => self.with_lists(|lists, zone| lists.get(zone, order, list)),
            None => self.zone.areas.lock().take(self.zone.pages, order),
        }
    }
}

/// A block that is not in the zone. Nothing else is checked, as in Linux, where
/// freeing twice corrupts the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInZone {
    /// First frame of the block.
    pub frame: FrameId,
}

impl FrameAlloc for Handle<'_, '_> {
    type Error = NotInZone;

    #[inline]
    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.take(order)
            .or_else(|| {
                // Linux: `drain_all_pages` in direct reclaim; what is in other
                // processors' lists is theirs to drain here.
                self.drain();
                self.take(order)
            })
            .map(|frame| FrameId(frame as usize))
    }

    #[inline]
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotInZone> {
        let index = u32::try_from(frame.0).map_err(|_| NotInZone { frame })?;
        if frame.0 + order.frames() > self.zone.pages.len() {
            return Err(NotInZone { frame });
        }
        match list_of(order) {
            Some(list) => self.with_lists(|lists, zone| lists.put(zone, index, order, list)),
            None => {
                let zone = self.zone;
                zone.areas.lock().give(zone.pages, index, order);
            }
        }
        Ok(())
    }

    /// Linux: `drain_pages`.
    fn drain(&mut self) {
        self.with_lists(|lists, zone| lists.give_back(zone, lists.frames));
    }
}

impl Drop for Handle<'_, '_> {
    fn drop(&mut self) {
        self.drain();
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::baseline::buddy::LARGEST;

    fn pages(count: usize) -> Vec<Page> {
        (0..count).map(|_| Page::new()).collect()
    }

    fn order(exponent: u8) -> Order {
        Order::new(exponent).expect("an order")
    }

    #[test]
    fn every_frame_is_handed_out_once_whoever_asks() {
        let pages = pages(4096);
        let zone = Zone::new(&pages, 2);
        let mut handles = [zone.handle(Guard::Lock), zone.handle(Guard::Interrupts)];
        let mut seen = std::vec![false; 4096];
        for i in 0.. {
            let Some(frame) = handles[i % 2].get(Order::FRAME) else {
                break;
            };
            assert!(!std::mem::replace(&mut seen[frame.0], true), "{frame:?}");
        }
        // What is left can only be in the list of the other processor.
        let left = seen.iter().filter(|&&seen| !seen).count();
        assert!(left <= BATCH, "{left}");
    }

    #[test]
    fn all_orders_come_back_whole() {
        let pages = pages(1 << 14);
        let zone = Zone::new(&pages, 1);
        let mut handle = zone.handle(Guard::Lock);
        for exponent in 0..=LARGEST {
            let blocks: Vec<FrameId> = (0..8)
                .map(|_| handle.get(order(exponent)).expect("a free block"))
                .collect();
            for block in blocks {
                assert!(block.is_aligned(order(exponent)));
                handle.put(block, order(exponent)).expect("a block");
            }
        }
        handle.drain();
        assert_eq!(zone.free_frames(), 1 << 14);
        assert_eq!(zone.free_blocks(order(LARGEST)), 16);
    }

    #[test]
    fn a_processor_keeps_no_more_than_the_high_mark() {
        let pages = pages(1 << 14);
        let zone = Zone::new(&pages, 1);
        let mut handle = zone.handle(Guard::Lock);
        let taken: Vec<FrameId> = (0..8192)
            .map(|_| handle.get(Order::FRAME).expect("a free frame"))
            .collect();
        for frame in taken {
            handle.put(frame, Order::FRAME).expect("a frame");
            assert!((1 << 14) - zone.free_frames() <= 8192 + zone.high);
        }
        assert!((1 << 14) - zone.free_frames() <= zone.high);
        drop(handle);
        assert_eq!(zone.free_frames(), 1 << 14);
    }

    #[test]
    fn a_huge_frame_is_found_behind_frames_in_the_own_lists() {
        let pages = pages(512);
        let zone = Zone::new(&pages, 1);
        let mut handle = zone.handle(Guard::Lock);
        let frame = handle.get(Order::FRAME).expect("a free frame");
        handle.put(frame, Order::FRAME).expect("a frame");
        assert_eq!(handle.get(Order::HUGE), Some(FrameId(0)));
        assert_eq!(handle.get(Order::FRAME), None);
    }

    #[test]
    fn a_block_past_the_end_is_refused() {
        let pages = pages(100);
        let zone = Zone::new(&pages, 1);
        let mut handle = zone.handle(Guard::Lock);
        let frame = FrameId(96);
        let refused = Err(NotInZone { frame });
        assert_eq!(handle.put(frame, order(3)), refused);
    }
}
