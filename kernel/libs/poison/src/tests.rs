//! Decoding, and containment on the allocator itself.

extern crate std;

use std::{vec, vec::Vec};

use frame::{FrameId, Order, PhysAddr};
use llfree::{Layout, Local, Memory, Zone};
use persist::Volatile;

use crate::{Bank, Severity, TakesAt, can_resume, isolate, isolate::HUGE_FRAMES};

const FRAMES: usize = 4 * HUGE_FRAMES;
const LATENT: u64 = 1 << 63 | 1 << 61 | 1 << 59 | 1 << 58;

fn bank(status: u64) -> Bank {
    Bank {
        number: 1,
        status,
        address: 0x1_4020_0abc,
        // A physical address, exact to 64 bytes.
        misc: 0b010 << 6 | 6,
    }
}

#[test]
fn severity_follows_the_bits_that_say_who_is_hurt() {
    for (bits, severity) in [
        (0, Severity::Corrected),
        (1 << 61, Severity::Latent),
        (1 << 61 | 1 << 55, Severity::Consumed),
        (1 << 61 | 1 << 55 | 1 << 57, Severity::Fatal),
    ] {
        assert_eq!(bank(1 << 63 | bits).severity(), severity);
    }
}

#[test]
fn an_address_is_as_exact_as_the_bank_says() {
    assert_eq!(bank(LATENT).location(), Some(PhysAddr(0x1_4020_0a80)));
    let page = Bank {
        misc: 0b010 << 6 | 12,
        ..bank(LATENT)
    };
    assert_eq!(page.location(), Some(PhysAddr(0x1_4020_0000)));
    let silent = bank(LATENT & !(1 << 59));
    assert_eq!(silent.location(), Some(PhysAddr(0x1_4020_0a80)));
}

#[test]
fn what_names_no_place_in_memory_has_no_location() {
    let linear = Bank {
        misc: 0b001 << 6 | 6,
        ..bank(LATENT)
    };
    assert_eq!(linear.location(), None);
    assert_eq!(bank(LATENT & !(1 << 58)).location(), None);
    assert_eq!(bank(LATENT & !(1 << 63)).location(), None);
}

#[test]
fn only_an_undamaged_program_is_resumed() {
    assert!(can_resume(1, [Severity::Latent, Severity::Corrected]));
    assert!(!can_resume(0, [Severity::Latent]));
    assert!(!can_resume(1, [Severity::Consumed]));
    assert!(!can_resume(1, [Severity::Corrected, Severity::Fatal]));
}

/// A handle of the real allocator.
struct Handle<'z, 'm>(Local<'z, 'm, Volatile>);

impl TakesAt for Handle<'_, '_> {
    fn take_at(&mut self, frame: FrameId, order: Order) -> bool {
        self.0.get_at(frame, order).is_ok()
    }
}

/// Runs `work` on a zone of four huge frames.
fn with_zone(work: impl FnOnce(&Zone<'_, Volatile>)) {
    let layout = Layout::for_frames(FRAMES, 2);
    let [mut lower, mut upper] =
        [layout.lower_bytes, layout.upper_bytes].map(|len| vec![0_u8; len + 63]);
    fn aligned(bytes: &mut [u8], len: usize) -> &mut [u8] {
        let skip = bytes.as_ptr().align_offset(64);
        &mut bytes[skip..skip + len]
    }
    let memory = Memory {
        lower: aligned(&mut lower, layout.lower_bytes),
        upper: aligned(&mut upper, layout.upper_bytes),
    };
    work(&Zone::create(FRAMES, 2, memory, Volatile).expect("the memory fits"));
}

/// Takes everything that there is.
fn exhaust(local: &mut Local<'_, '_, Volatile>) -> Vec<usize> {
    let take = || local.get(Order::FRAME).ok().map(|frame| frame.0);
    std::iter::from_fn(take).collect()
}

#[test]
fn nobody_gets_a_frame_of_an_isolated_huge_frame() {
    with_zone(|zone| {
        let mut local = zone.local(0).expect("nobody has it");
        let held = local.get(Order::FRAME).expect("all is free");
        // It keeps no more than the one.
        local.drain();
        let free = (0..FRAMES).filter(|frame| *frame != held.0);
        // One that is free as a whole, and the one around a frame in use.
        let other = free
            .into_iter()
            .find(|f| f / HUGE_FRAMES != held.0 / HUGE_FRAMES);
        let other = FrameId(other.expect("there are four huge frames"));
        let mut handle = Handle(zone.local(1).expect("nobody has it"));
        let whole = isolate(&mut handle, other, FRAMES);
        assert_eq!((whole.kept, whole.left), (HUGE_FRAMES, 0));
        let part = isolate(&mut handle, held, FRAMES);
        assert_eq!((part.kept, part.left), (HUGE_FRAMES - 1, 1));

        let bad = [held.0 / HUGE_FRAMES, other.0 / HUGE_FRAMES];
        let taken = exhaust(&mut local);
        assert!(taken.len() > HUGE_FRAMES);
        assert!(
            taken
                .iter()
                .all(|frame| !bad.contains(&(frame / HUGE_FRAMES)))
        );

        // Once its owner has returned it, the last one is taken too.
        local.put(held, Order::FRAME).expect("it is ours");
        local.drain();
        assert_eq!(isolate(&mut handle, held, FRAMES).kept, 1);
        assert!(exhaust(&mut local).is_empty());
    });
}

/// Positive control: without isolation the frames around are handed out.
#[test]
fn without_isolation_its_frames_are_handed_out() {
    with_zone(|zone| {
        let mut local = zone.local(0).expect("nobody has it");
        let taken = exhaust(&mut local);
        assert_eq!(taken.len(), FRAMES);
    });
}

#[test]
fn the_end_of_a_zone_is_respected() {
    struct All(Vec<usize>);
    impl TakesAt for All {
        fn take_at(&mut self, frame: FrameId, order: Order) -> bool {
            self.0.push(frame.0);
            order == Order::FRAME
        }
    }
    let mut all = All(Vec::new());
    let cut = isolate(&mut all, FrameId(HUGE_FRAMES + 7), HUGE_FRAMES + 10);
    assert_eq!((cut.kept, cut.left), (10, 0));
    assert_eq!(all.0.last(), Some(&(HUGE_FRAMES + 9)));
}
