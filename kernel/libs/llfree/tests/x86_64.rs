//! The `x86_64` crate's traits over a zone.

use frame::{FrameId, Order};
use llfree::nodes::{Member, NodeFrames, NodePutError, Nodes};
use llfree::x86_64::{FreeError, PhysError, PhysFrames};
use llfree::{Class, Layout, LocalError, Memory, PutError, Zone};
use persist::Volatile;
use x86_64::structures::paging::mapper::{MappedFrame, TranslateResult};
use x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, Mapper, OffsetPageTable, Page, PageSize, PageTable,
    PageTableFlags, PhysFrame, Size1GiB, Size2MiB, Size4KiB, Translate,
};
use x86_64::{PhysAddr, VirtAddr};

const BASE: PhysAddr = PhysAddr::new(0x4000_0000);
const FRAMES: usize = 4 * 512 + 100;

/// Runs `test` on a zone of two processors.
fn with_zone(test: impl FnOnce(&Zone<'_, Volatile>)) {
    let size = Layout::for_frames(FRAMES, 2);
    let mut lower = vec![0; size.lower_bytes + 63];
    let mut upper = vec![0; size.upper_bytes + 63];
    let (first, second) = (
        lower.as_ptr().align_offset(64),
        upper.as_ptr().align_offset(64),
    );
    let memory = Memory {
        lower: &mut lower[first..],
        upper: &mut upper[second..],
    };
    test(&Zone::create(FRAMES, 2, memory, Volatile).unwrap());
}

fn frames_at<'z, 'm>(
    zone: &'z Zone<'m, Volatile>,
    base: PhysAddr,
) -> Result<PhysFrames<'z, 'm, Volatile>, PhysError> {
    // SAFETY: nothing uses the frames but the zone's owner.
    unsafe { PhysFrames::new(zone, 0, base) }
}

fn free<S: PageSize>(frames: &mut PhysFrames<'_, '_, Volatile>, frame: PhysFrame<S>) {
    // SAFETY: nothing uses the frame.
    unsafe { frames.deallocate_frame(frame) }
}

#[test]
fn every_frame_size_comes_from_the_zone_and_returns_to_it() {
    with_zone(|zone| {
        let mut frames = frames_at(zone, BASE).unwrap();
        let small: PhysFrame<Size4KiB> = frames.allocate_frame().unwrap();
        let huge: PhysFrame<Size2MiB> = frames.allocate_frame().unwrap();
        let end = BASE + (FRAMES * 4096) as u64;
        for address in [small.start_address(), huge.start_address()] {
            assert!((BASE..end).contains(&address), "{address:?}");
        }
        assert_eq!(zone.stats().free, FRAMES - 1 - 512);
        free(&mut frames, small);
        free(&mut frames, huge);
        assert_eq!(zone.stats().free, FRAMES);
        assert_eq!((frames.failed_frees(), frames.take_last_error()), (0, None));
    });
}

#[test]
fn frames_are_for_what_the_handle_was_told() {
    with_zone(|zone| {
        let mut frames = frames_at(zone, BASE).unwrap();
        frames.set_class(Class::Immovable);
        // The only tree is in use, by the handle itself; so it has to give that up.
        let table: PhysFrame<Size4KiB> = frames.allocate_frame().unwrap();
        assert_eq!(zone.class_stats(Class::Immovable).trees, 1);
        free(&mut frames, table);
    });
}

#[test]
fn a_zone_without_giant_frames_has_none_to_give() {
    with_zone(|zone| {
        let mut frames = frames_at(zone, BASE).unwrap();
        let giant: Option<PhysFrame<Size1GiB>> = frames.allocate_frame();
        assert_eq!(giant, None);
        assert_eq!(zone.stats().free, FRAMES);
    });
}

#[test]
fn giant_frames_come_from_where_the_hardware_can_map_them() {
    const FRAMES: usize = 2 << 18;
    let size = Layout::for_frames(FRAMES, 2);
    let mut lower = vec![0; size.lower_bytes + 63];
    let mut upper = vec![0; size.upper_bytes + 63];
    let (first, second) = (
        lower.as_ptr().align_offset(64),
        upper.as_ptr().align_offset(64),
    );
    let memory = Memory {
        lower: &mut lower[first..],
        upper: &mut upper[second..],
    };
    let zone = Zone::create(FRAMES, 2, memory, Volatile).unwrap();
    {
        let mut frames = frames_at(&zone, BASE).unwrap();
        let giant: PhysFrame<Size1GiB> = frames.allocate_frame().unwrap();
        assert!(giant.start_address().is_aligned(1_u64 << 30));
        assert_eq!(zone.stats().free, FRAMES / 2);
        // SAFETY: nothing uses the frame.
        unsafe { frames.deallocate_frame(giant) };
        assert_eq!((frames.failed_frees(), zone.stats().free), (0, FRAMES));
    }
    let mut frames = frames_at(&zone, BASE + 0x20_0000).unwrap();
    let giant: Option<PhysFrame<Size1GiB>> = frames.allocate_frame();
    assert_eq!(giant, None, "frame 0 is not at a multiple of 1 GiB");
}

#[test]
fn no_two_frames_of_a_zone_are_the_same_and_all_of_them_come() {
    with_zone(|zone| {
        let mut frames = frames_at(zone, BASE).unwrap();
        let mut all: Vec<PhysFrame<Size4KiB>> =
            std::iter::from_fn(|| frames.allocate_frame()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), FRAMES);
        assert_eq!(all[0].start_address(), BASE);
    });
}

#[test]
fn a_free_that_is_refused_is_counted_and_the_last_one_kept() {
    with_zone(|zone| {
        let mut frames = frames_at(zone, BASE).unwrap();
        let small: PhysFrame<Size4KiB> = frames.allocate_frame().unwrap();
        free(&mut frames, small);
        free(&mut frames, small);
        let frame = FrameId(usize::try_from((small.start_address() - BASE) / 4096).unwrap());
        let twice = FreeError::Refused(PutError::NotAllocated { frame });
        assert_eq!(frames.take_last_error(), Some(twice));
        assert_eq!(frames.take_last_error(), None);

        let address = PhysAddr::new(0x1000);
        free(
            &mut frames,
            PhysFrame::<Size4KiB>::containing_address(address),
        );
        let below = FreeError::BelowBase {
            address,
            base: BASE,
        };
        assert_eq!(frames.take_last_error(), Some(below));

        let beyond = PhysFrame::<Size2MiB>::containing_address(PhysAddr::new(0x8000_0000));
        free(&mut frames, beyond);
        let outside = FreeError::Refused(PutError::OutOfRange {
            frame: FrameId(0x4_0000),
            order: Order::HUGE,
            frames: FRAMES,
        });
        assert_eq!(frames.take_last_error(), Some(outside));
        assert_eq!(frames.failed_frees(), 3);
        assert_eq!(zone.stats().free, FRAMES);
    });
}

#[test]
fn a_base_that_would_make_huge_frames_wrong_is_refused() {
    with_zone(|zone| {
        let base = BASE + 0x1000;
        let refused = frames_at(zone, base).err();
        assert_eq!(refused, Some(PhysError::Misaligned { base }));

        let base = PhysAddr::new((1 << 52) - 0x20_0000);
        let refused = frames_at(zone, base).err();
        let frames = FRAMES;
        assert_eq!(refused, Some(PhysError::TooHigh { base, frames }));

        let _first = frames_at(zone, BASE).unwrap();
        let refused = frames_at(zone, BASE).err();
        let busy = LocalError::Busy { cpu: 0 };
        assert_eq!(refused, Some(PhysError::Local(busy)));
    });
}

#[test]
fn frames_of_several_zones_come_from_the_own_node_first_and_return_home() {
    with_zone(|near| {
        with_zone(|far| {
            let at = |zone, start, node| Member {
                zone,
                start: frame::PhysAddr(start),
                node,
            };
            let nodes = [at(far, BASE.as_u64(), 0), at(near, 0x8000_0000, 1)];
            let local = Nodes::new(nodes).unwrap().local(0, 1, |_| 20).unwrap();
            // SAFETY: nothing uses the frames but the zones' owner.
            let mut frames = unsafe { NodeFrames::new(local) }.unwrap();
            let mut all: Vec<PhysFrame<Size2MiB>> =
                std::iter::from_fn(|| frames.allocate_frame()).collect();
            assert_eq!(all.len(), 2 * 4);
            let is_near =
                |frame: &PhysFrame<Size2MiB>| frame.start_address().as_u64() >= 0x8000_0000;
            assert!(all[..4].iter().all(is_near));
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 2 * 4);

            for &frame in &all {
                // SAFETY: nothing uses the frame.
                unsafe { frames.deallocate_frame(frame) };
            }
            assert_eq!((near.stats().free, far.stats().free), (FRAMES, FRAMES));
            assert_eq!((frames.failed_frees(), frames.take_last_error()), (0, None));

            let nowhere = PhysFrame::<Size4KiB>::containing_address(PhysAddr::new(0x1000));
            // SAFETY: nothing uses the frame.
            unsafe { frames.deallocate_frame(nowhere) };
            let address = frame::PhysAddr(0x1000);
            let error = NodePutError::NoZone { address };
            assert_eq!(frames.take_last_error(), Some(error));
            assert_eq!(frames.failed_frees(), 1);
        });
    });
}

#[test]
fn several_zones_must_end_inside_the_physical_address_space() {
    with_zone(|zone| {
        let base = PhysAddr::new((1 << 52) - 0x20_0000);
        let start = frame::PhysAddr(base.as_u64());
        let nodes = Nodes::new([Member {
            zone,
            start,
            node: 0,
        }])
        .unwrap();
        let local = nodes.local(0, 0, |_| 20).unwrap();
        // SAFETY: nothing uses the frames but the zone's owner.
        let refused = unsafe { NodeFrames::new(local) }.err();
        let frames = FRAMES;
        assert_eq!(refused, Some(PhysError::TooHigh { base, frames }));
    });
}

/// The traits as they are meant: page tables of the `x86_64` crate, in memory
/// that a zone hands out. Virtual addresses stand in for physical ones.
#[test]
fn a_page_table_grows_out_of_a_zone() {
    let mut memory = vec![0_u8; (FRAMES + 512) * 4096];
    let offset = memory.as_ptr().align_offset(0x20_0000);
    let start = VirtAddr::from_ptr(memory[offset..].as_mut_ptr());
    let direct_map = start - BASE.as_u64();

    with_zone(|zone| {
        let mut frames = frames_at(zone, BASE).unwrap();
        let mut root = PageTable::new();
        // SAFETY: the zone's frames are mapped from `direct_map` on, and no
        // processor walks these tables.
        let mut tables = unsafe { OffsetPageTable::new(&mut root, direct_map) };
        let page = Page::<Size4KiB>::containing_address(VirtAddr::new(0x1234_5678_9000));
        let content: PhysFrame<Size4KiB> = frames.allocate_frame().unwrap();
        let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
        // SAFETY: the mapping is never loaded.
        let mapped = unsafe { tables.map_to(page, content, flags, &mut frames) };
        mapped.unwrap().ignore();

        let found = tables.translate(page.start_address());
        let TranslateResult::Mapped { frame, .. } = found else {
            panic!("{found:?}");
        };
        assert!(matches!(frame, MappedFrame::Size4KiB(found) if found == content));
        // The page itself and the three levels below the root.
        assert_eq!(zone.stats().free, FRAMES - 4);
    });
}
