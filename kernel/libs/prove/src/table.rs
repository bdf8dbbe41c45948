//! The scenarios.

use llfree::Claims;

use crate::program::Mix;
use crate::program::Op::{Drain, Get, GetAt, Put, PutFrame, PutHalf, PutOther, Share};
use crate::scenario::{Choose, Mode, Scenario, Shape, Work};

const MILLION: u64 = 1_000_000;

/// Few frames, many threads: everything collides.
const NARROW: Mix = Mix {
    calls: 4,
    max_order: 8,
    small: 5,
};
/// All orders alike.
const WIDE: Mix = Mix {
    calls: 4,
    max_order: 9,
    small: 2,
};
/// Orders of the hardware.
const ALL_ORDERS: Mix = Mix {
    calls: 5,
    max_order: 10,
    small: 1,
};
/// Single frames.
const SINGLE: Mix = Mix {
    calls: 8,
    max_order: 0,
    small: 8,
};

const fn base(name: &'static str) -> Scenario {
    Scenario {
        name,
        shape: Shape::Tiny,
        mode: Mode::Volatile,
        claims: Claims::On,
        frames: 256,
        before: &[],
        work: Work::Mix(2, NARROW),
        choose: Choose::ByChance,
        plenty: false,
        schedules: [15_000, MILLION],
    }
}

/// All scenarios, those that most likely find something first.
pub(crate) const SCENARIOS: [Scenario; 28] = [
    Scenario {
        work: Work::Mix(3, NARROW),
        ..base("mix-of-three")
    },
    Scenario {
        shape: Shape::Small,
        frames: 512,
        work: Work::Mix(3, WIDE),
        ..base("mix-of-all-orders")
    },
    Scenario {
        claims: Claims::Off,
        work: Work::Mix(3, NARROW),
        ..base("mix-without-claims")
    },
    Scenario {
        frames: 3 * 256 + 71,
        work: Work::Mix(3, SINGLE),
        plenty: true,
        ..base("plenty-for-all")
    },
    Scenario {
        before: &[(0, GetAt(0, 8))],
        work: Work::Calls(&[
            &[PutHalf(0, false), Get(3)],
            &[PutOther(0), Get(0)],
            &[PutOther(0), Get(7)],
        ]),
        ..base("halves-of-a-pair")
    },
    Scenario {
        before: &[(0, GetAt(0, 7)), (0, Share(1)), (0, Share(2))],
        work: Work::Calls(&[&[Put(0), Get(0)], &[Put(0), Get(7)], &[PutFrame(0), Put(0)]]),
        ..base("splits-at-once")
    },
    Scenario {
        shape: Shape::Small,
        frames: 256,
        work: Work::Calls(&[&[Get(7), Put(0)], &[Get(7), Get(0)], &[Get(7), Get(6)]]),
        ..base("rows-at-once")
    },
    Scenario {
        frames: 128,
        before: &[(0, Get(6)), (0, Get(5)), (0, Drain), (1, Get(4))],
        work: Work::Calls(&[
            &[Get(0), Drain, Get(3)],
            &[Get(0), Put(0), Get(5)],
            &[Get(1), Put(0)],
        ]),
        ..base("last-frames")
    },
    Scenario {
        choose: Choose::All,
        work: Work::Calls(&[&[Get(0), Put(0)], &[Get(0), Put(0)]]),
        schedules: [20_000, 2 * MILLION],
        ..base("all-pairs-of-single-frames")
    },
    Scenario {
        choose: Choose::All,
        claims: Claims::Off,
        work: Work::Calls(&[&[Get(0), Put(0)], &[Get(0), Put(0)]]),
        schedules: [20_000, 2 * MILLION],
        ..base("all-pairs-without-claims")
    },
    Scenario {
        choose: Choose::All,
        before: &[(0, GetAt(0, 7)), (0, Share(1))],
        work: Work::Calls(&[&[Put(0), Get(0)], &[Put(0), Get(7)]]),
        schedules: [20_000, 2 * MILLION],
        ..base("all-splits")
    },
    Scenario {
        choose: Choose::All,
        work: Work::Calls(&[&[Get(7), Put(0)], &[Get(8)], &[Get(6)]]),
        schedules: [20_000, 2 * MILLION],
        ..base("all-gets-of-three-orders")
    },
    Scenario {
        mode: Mode::Eadr,
        work: Work::Mix(2, NARROW),
        schedules: [2_000, 60_000],
        ..base("eadr-mix-of-two")
    },
    Scenario {
        mode: Mode::Eadr,
        frames: 300,
        work: Work::Mix(3, SINGLE),
        schedules: [1_500, 40_000],
        ..base("eadr-single-frames")
    },
    Scenario {
        mode: Mode::Eadr,
        shape: Shape::Hardware,
        frames: 1024 + 70,
        work: Work::Mix(3, ALL_ORDERS),
        schedules: [800, 20_000],
        ..base("eadr-orders-of-the-hardware")
    },
    Scenario {
        mode: Mode::Eadr,
        claims: Claims::Off,
        work: Work::Mix(3, NARROW),
        schedules: [1_000, 20_000],
        ..base("eadr-without-claims")
    },
    Scenario {
        mode: Mode::Eadr,
        choose: Choose::All,
        work: Work::Calls(&[&[Get(0), Drain], &[Get(0)]]),
        schedules: [2_000, 200_000],
        ..base("eadr-all-claims")
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
        schedules: [600, 20_000],
        ..base("adr-mix-of-three")
    },
    Scenario {
        mode: Mode::Adr,
        shape: Shape::Hardware,
        frames: 1024 + 70,
        work: Work::Mix(2, ALL_ORDERS),
        schedules: [500, 15_000],
        ..base("adr-orders-of-the-hardware")
    },
    Scenario {
        mode: Mode::Adr,
        before: &[(0, GetAt(0, 7)), (0, Share(1))],
        work: Work::Calls(&[&[PutFrame(0), Get(7)], &[Put(0), Get(0)]]),
        schedules: [1_000, 30_000],
        ..base("adr-splits")
    },
    Scenario {
        mode: Mode::Adr,
        choose: Choose::All,
        work: Work::Calls(&[&[Get(7), Put(0)], &[Get(0)]]),
        schedules: [2_000, 200_000],
        ..base("adr-all-huge-and-small")
    },
    Scenario {
        mode: Mode::AdrLazy,
        work: Work::Mix(3, NARROW),
        schedules: [600, 25_000],
        ..base("adr-lazy-mix-of-three")
    },
    Scenario {
        mode: Mode::AdrLazy,
        shape: Shape::Hardware,
        frames: 1024 + 70,
        work: Work::Mix(2, ALL_ORDERS),
        schedules: [300, 10_000],
        ..base("adr-lazy-orders-of-the-hardware")
    },
    Scenario {
        mode: Mode::AdrBatched,
        work: Work::Mix(2, NARROW),
        schedules: [600, 25_000],
        ..base("adr-batched-mix-of-two")
    },
    Scenario {
        mode: Mode::AdrBatched,
        frames: 300,
        work: Work::Mix(3, SINGLE),
        schedules: [500, 20_000],
        ..base("adr-batched-single-frames")
    },
    Scenario {
        mode: Mode::Adr,
        choose: Choose::All,
        before: &[(0, GetAt(0, 7))],
        work: Work::Calls(&[&[PutFrame(0)], &[Get(0), Put(0)]]),
        schedules: [2_000, 200_000],
        ..base("adr-all-splits")
    },
];
