//! Mistakes that implementations of this design have made for years.
//!
//! Each was found in a widely used one, undetected because nothing tested it.
//! Contention (2, 4) is in `stress` and `interleavings`, the superblock (6) in
//! `media`, work that grows with the zone (8, 9) in `work`. Accesses of two sizes
//! to one place (10) are impossible by construction: see `cell`.

use frame::{FrameId, Order};
use llfree::{GetError, LocalError, PutError, Zone};
use persist::{Eadr, Volatile};

use crate::common::{Tables, order};

/// Trap 1: recovery looked at bitfields that the last tree does not have.
#[test]
fn a_zone_that_ends_inside_a_tree_recovers_with_an_exact_tail() {
    let tree = 32 * 512;
    let mut checked = 0;
    // The last ones: 64 and 128 GiB whose metadata was cut off their end.
    let large = [16 << 20, 32 << 20].map(|frames| frames - frames / 120);
    let small = [
        1,
        63,
        64,
        65,
        511,
        512,
        513,
        tree - 1,
        tree + 1,
        tree + 513,
        3 * tree - 7,
    ];
    for frames in small.into_iter().chain(large) {
        let mut tables = Tables::new::<8, 32>(frames, 1);
        let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), Eadr).unwrap();
        assert_eq!(zone.stats().free, frames);
        let last = FrameId(frames - 1);
        zone.local(0).unwrap().get_at(last, Order::FRAME).unwrap();

        // The medium says that frames beyond the end are free, and so are huge
        // frames beyond the end.
        let bits = &mut tables.lower[..frames.div_ceil(512) * 64];
        for beyond in frames..bits.len() * 8 {
            bits[beyond / 8] &= !(1 << (beyond % 8));
        }
        let (zone, recovery) = Zone::<'_, _>::recover(frames, 1, tables.memory(), Eadr).unwrap();
        assert_eq!(
            (recovery.free, recovery.mended),
            (frames - 1, 0),
            "{frames} frames"
        );
        assert!(zone.is_allocated(last) && zone.is_allocated(FrameId(frames)));
        assert_eq!(zone.validate(), Ok(()));
        checked += 1;
    }
    println!("sizes: {checked}");
}

/// Trap 1, the other half: what lies behind the last huge frame stays out of reach.
#[test]
fn a_pair_of_huge_frames_never_reaches_beyond_the_end() {
    let frames = 3 * 512 + 511;
    let mut tables = Tables::new::<8, 32>(frames, 1);
    let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    assert_eq!(local.get(order(10)), Ok(FrameId(0)));
    assert_eq!(
        local.get(order(10)),
        Err(GetError::OutOfMemory { order: order(10) })
    );
    assert_eq!(local.get(Order::HUGE), Ok(FrameId(2 * 512)));
    assert_eq!(
        local.get(Order::HUGE),
        Err(GetError::OutOfMemory { order: Order::HUGE })
    );
}

/// Trap 3: undoing a get of several huge frames freed somebody else's.
#[test]
fn a_pair_with_one_taken_half_is_left_alone() {
    let frames = 4 * 512;
    let mut tables = Tables::new::<8, 4>(frames, 1);
    let zone: Zone<'_, _, 8, 4> = Zone::create(frames, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    for taken in [0, 3] {
        local.get_at(FrameId(taken * 512), Order::HUGE).unwrap();
    }
    assert!(local.get(order(10)).is_err());
    for (huge, taken) in [(0, true), (1, false), (2, false), (3, true)] {
        assert_eq!(
            zone.is_allocated(FrameId(huge * 512)),
            taken,
            "huge frame {huge}"
        );
    }
    assert_eq!(zone.stats().free, 2 * 512);
    assert_eq!(zone.validate(), Ok(()));
}

/// Trap 5: frames that were freed into the tree of an idle processor.
#[test]
fn what_was_freed_into_an_idle_processors_tree_can_be_taken() {
    let frames = 4 * 512;
    let mut tables = Tables::new::<8, 4>(frames, 2);
    let zone: Zone<'_, _, 8, 4> = Zone::create(frames, 2, tables.memory(), Volatile).unwrap();
    let mut idle = zone.local(0).unwrap();
    let mut busy = zone.local(1).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| idle.get(Order::FRAME).ok()).collect();
    assert_eq!(taken.len(), frames);
    for &frame in &taken {
        busy.put(frame, Order::FRAME).unwrap();
    }
    let again = std::iter::from_fn(|| busy.get(Order::FRAME).ok()).count();
    assert_eq!(
        again, frames,
        "while the idle processor still has its reservation"
    );
    assert_eq!(zone.validate(), Ok(()));
}

/// Trap 5, the other half: the last block that just fits.
#[test]
fn an_exactly_fitting_last_block_is_handed_out() {
    let frames = 2 * 512;
    for exponent in 0..=10 {
        let order = order(exponent);
        let mut tables = Tables::new::<8, 2>(frames, 2);
        let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 2, tables.memory(), Volatile).unwrap();
        let mut owner = zone.local(0).unwrap();
        let taken = std::iter::from_fn(|| owner.get(order).ok()).count();
        assert_eq!(taken, frames / order.frames(), "{order:?}, to its owner");
        owner.put(FrameId(0), order).unwrap();
        assert_eq!(
            zone.local(1).unwrap().get(order),
            Ok(FrameId(0)),
            "{order:?}, to another"
        );
    }
}

/// Trap 7: each misuse is an error that names it, and changes nothing.
#[test]
fn misuse_is_named_and_changes_nothing() {
    let frames = 4 * 512 + 100;
    let mut tables = Tables::new::<8, 2>(frames, 2);
    let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 2, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    local.get_at(FrameId(0), Order::HUGE).unwrap();
    local.get_at(FrameId(512), order(7)).unwrap();
    let state = || {
        (
            zone.allocated().collect::<Vec<_>>(),
            zone.stats(),
            zone.validate(),
        )
    };
    let before = state();

    let max = order(10);
    let cases = [
        (
            0,
            11,
            PutError::BadOrder {
                order: order(11),
                max,
                giant: Order::GIANT,
            },
        ),
        (
            0,
            18,
            PutError::OutOfRange {
                frame: FrameId(0),
                order: Order::GIANT,
                frames,
            },
        ),
        (
            1,
            1,
            PutError::Misaligned {
                frame: FrameId(1),
                order: order(1),
            },
        ),
        (
            frames,
            0,
            PutError::OutOfRange {
                frame: FrameId(frames),
                order: order(0),
                frames,
            },
        ),
        (
            2048,
            9,
            PutError::OutOfRange {
                frame: FrameId(2048),
                order: order(9),
                frames,
            },
        ),
        (
            usize::MAX,
            0,
            PutError::OutOfRange {
                frame: FrameId(usize::MAX),
                order: order(0),
                frames,
            },
        ),
        // Never allocated, in a huge frame in parts and in a free one.
        (
            640,
            0,
            PutError::NotAllocated {
                frame: FrameId(640),
            },
        ),
        (
            1024,
            3,
            PutError::NotAllocated {
                frame: FrameId(1024),
            },
        ),
        (
            1024,
            9,
            PutError::NotAllocated {
                frame: FrameId(1024),
            },
        ),
        // Larger than what was allocated: within words, and of whole words.
        (
            512,
            8,
            PutError::NotAllocated {
                frame: FrameId(640),
            },
        ),
        (
            512,
            9,
            PutError::NotWhole {
                frame: FrameId(512),
            },
        ),
        // Half of the pair is a whole huge frame, half is not.
        (
            0,
            10,
            PutError::NotWhole {
                frame: FrameId(512),
            },
        ),
    ];
    for (frame, exponent, error) in cases {
        assert_eq!(
            local.put(FrameId(frame), order(exponent)),
            Err(error),
            "{error}"
        );
        assert_eq!(state(), before, "{error}");
    }
    let gets = [
        (
            0,
            0,
            GetError::NotFree {
                frame: FrameId(0),
                order: order(0),
            },
        ),
        (
            512,
            8,
            GetError::NotFree {
                frame: FrameId(512),
                order: order(8),
            },
        ),
        (
            0,
            10,
            GetError::NotFree {
                frame: FrameId(0),
                order: order(10),
            },
        ),
        (
            3,
            2,
            GetError::Misaligned {
                frame: FrameId(3),
                order: order(2),
            },
        ),
        (
            2144,
            5,
            GetError::OutOfRange {
                frame: FrameId(2144),
                order: order(5),
                frames,
            },
        ),
        (
            0,
            12,
            GetError::BadOrder {
                order: order(12),
                max,
                giant: Order::GIANT,
            },
        ),
    ];
    for (frame, exponent, error) in gets {
        assert_eq!(
            local.get_at(FrameId(frame), order(exponent)),
            Err(error),
            "{error}"
        );
        assert_eq!(state(), before, "{error}");
    }
    assert_eq!(
        local.get(order(11)),
        Err(GetError::BadOrder {
            order: order(11),
            max,
            giant: Order::GIANT,
        })
    );
    assert_eq!(
        zone.local(2).err(),
        Some(LocalError::OutOfRange { cpu: 2, cpus: 2 })
    );
    assert_eq!(zone.local(0).err(), Some(LocalError::Busy { cpu: 0 }));
    assert_eq!(state(), before);
}

/// Trap 7: freed twice, for each order, alone and as a part.
#[test]
fn a_second_free_is_refused_at_every_order() {
    let frames = 4 * 512;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(frames, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    for exponent in 0..=10 {
        let frame = local.get(order(exponent)).unwrap();
        local.put(frame, order(exponent)).unwrap();
        for part in [exponent, exponent.saturating_sub(1), 0] {
            let error = local.put(frame, order(part));
            assert_eq!(
                error,
                Err(PutError::NotAllocated { frame }),
                "order {exponent}, {part}"
            );
        }
        assert_eq!(zone.stats().free, frames);
    }
    assert_eq!(zone.validate(), Ok(()));
}

/// What can't be detected, as the documentation says: live blocks freed as one.
#[test]
fn neighbouring_blocks_can_be_freed_as_one_without_anybody_noticing() {
    let mut tables = Tables::new::<8, 2>(1024, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(1024, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let (first, second) = (
        local.get(Order::FRAME).unwrap(),
        local.get(Order::FRAME).unwrap(),
    );
    assert_eq!((first, second), (FrameId(0), FrameId(1)));
    assert_eq!(local.put(first, order(1)), Ok(()));
}
