//! Schedules by chance, with power failures at every step.

use llfree::Claims;

use crate::program::Op::{Drain, Get, GetAt, Offline, Put, PutFrame, PutHalf, Share};
use crate::scenario::{Mode, Scenario, Shape, Work};
use crate::table::{
    ALL_ORDERS, CLASSES, GIANTS_AND_SERVICE, LENT, LISTS, NARROW, SINGLE, WIDE, base,
};

/// One mode after the other.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        mode: Mode::Eadr,
        work: Work::Mix(2, NARROW),
        schedules: [2_000, 24_000],
        ..base("eadr-mix-of-two")
    },
    Scenario {
        mode: Mode::Eadr,
        work: Work::Mix(2, CLASSES),
        schedules: [1_000, 24_000],
        ..base("eadr-classes")
    },
    Scenario {
        mode: Mode::Eadr,
        frames: 300,
        work: Work::Mix(3, SINGLE),
        schedules: [800, 24_000],
        ..base("eadr-single-frames")
    },
    Scenario {
        mode: Mode::Eadr,
        shape: Shape::Hardware,
        frames: 1024 + 70,
        work: Work::Mix(3, ALL_ORDERS),
        schedules: [800, 8_000],
        ..base("eadr-orders-of-the-hardware")
    },
    Scenario {
        mode: Mode::Eadr,
        claims: Claims::Off,
        work: Work::Mix(3, NARROW),
        schedules: [1_000, 24_000],
        ..base("eadr-without-claims")
    },
    Scenario {
        mode: Mode::Adr,
        work: Work::Mix(1, NARROW),
        schedules: [2_000, 40_000],
        ..base("adr-alone")
    },
    Scenario {
        mode: Mode::Adr,
        work: Work::Mix(2, NARROW),
        schedules: [1_000, 40_000],
        ..base("adr-mix-of-two")
    },
    Scenario {
        mode: Mode::Adr,
        shape: Shape::Small,
        frames: 512,
        work: Work::Mix(3, WIDE),
        schedules: [600, 8_000],
        ..base("adr-mix-of-three")
    },
    Scenario {
        mode: Mode::Adr,
        shape: Shape::Hardware,
        frames: 1024 + 70,
        work: Work::Mix(2, ALL_ORDERS),
        schedules: [500, 6_000],
        ..base("adr-orders-of-the-hardware")
    },
    Scenario {
        mode: Mode::Adr,
        before: &[(0, GetAt(0, 7)), (0, Share(1))],
        work: Work::Calls(&[&[PutFrame(0), Get(7)], &[Put(0), Get(0)]]),
        schedules: [500, 12_000],
        ..base("adr-splits")
    },
    Scenario {
        mode: Mode::AdrLazy,
        work: Work::Mix(3, NARROW),
        schedules: [600, 24_000],
        ..base("adr-lazy-mix-of-three")
    },
    Scenario {
        mode: Mode::AdrLazy,
        shape: Shape::Hardware,
        frames: 1024 + 70,
        work: Work::Mix(2, ALL_ORDERS),
        schedules: [300, 4_000],
        ..base("adr-lazy-orders-of-the-hardware")
    },
    Scenario {
        mode: Mode::AdrBatched,
        work: Work::Mix(2, NARROW),
        schedules: [600, 24_000],
        ..base("adr-batched-mix-of-two")
    },
    Scenario {
        mode: Mode::AdrBatched,
        frames: 300,
        work: Work::Mix(3, SINGLE),
        schedules: [500, 8_000],
        ..base("adr-batched-single-frames")
    },
    Scenario {
        mode: Mode::Eadr,
        frames: 512 + 70,
        work: Work::Mix(2, GIANTS_AND_SERVICE),
        schedules: [1_000, 40_000],
        ..base("eadr-giants-and-offline")
    },
    Scenario {
        mode: Mode::Eadr,
        work: Work::Mix(2, LISTS),
        schedules: [500, 20_000],
        ..base("eadr-lists")
    },
    Scenario {
        mode: Mode::Adr,
        frames: 512 + 70,
        work: Work::Mix(1, GIANTS_AND_SERVICE),
        schedules: [1_500, 40_000],
        ..base("adr-giants-and-offline-alone")
    },
    Scenario {
        mode: Mode::Adr,
        frames: 512 + 70,
        work: Work::Mix(2, GIANTS_AND_SERVICE),
        schedules: [600, 24_000],
        ..base("adr-giants-and-offline")
    },
    Scenario {
        mode: Mode::Adr,
        frames: 512,
        before: &[(0, GetAt(0, 9)), (0, Share(1)), (0, Share(2))],
        work: Work::Calls(&[&[Put(0), Get(9)], &[PutHalf(0, true), Get(7)], &[Put(0)]]),
        schedules: [400, 16_000],
        ..base("adr-giant-in-parts")
    },
    Scenario {
        mode: Mode::Adr,
        frames: 512,
        lends: true,
        work: Work::Mix(2, LENT),
        schedules: [400, 16_000],
        ..base("adr-with-a-host")
    },
    Scenario {
        mode: Mode::Adr,
        frames: 3 * 256 + 71,
        work: Work::Mix(2, LISTS),
        plenty: true,
        schedules: [150, 6_000],
        ..base("adr-lists-of-plenty")
    },
    Scenario {
        mode: Mode::AdrLazy,
        frames: 512 + 70,
        work: Work::Mix(2, GIANTS_AND_SERVICE),
        schedules: [500, 20_000],
        ..base("adr-lazy-giants-and-offline")
    },
    Scenario {
        mode: Mode::AdrLazy,
        work: Work::Mix(2, LISTS),
        schedules: [150, 6_000],
        ..base("adr-lazy-lists")
    },
    Scenario {
        mode: Mode::AdrBatched,
        frames: 512 + 70,
        work: Work::Mix(3, GIANTS_AND_SERVICE),
        schedules: [400, 16_000],
        ..base("adr-batched-giants-and-offline")
    },
    Scenario {
        mode: Mode::AdrBatched,
        work: Work::Calls(&[&[Get(0), Drain, Put(0), Offline(0)]]),
        schedules: [200, 2_000],
        ..base("adr-batched-offline-after-a-row")
    },
    Scenario {
        mode: Mode::AdrBatched,
        frames: 3 * 256 + 71,
        work: Work::Mix(2, LISTS),
        plenty: true,
        schedules: [100, 4_000],
        ..base("adr-batched-lists-of-plenty")
    },
];
