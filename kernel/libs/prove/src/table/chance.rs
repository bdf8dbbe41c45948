//! Schedules by chance, without power failures.

use llfree::Claims;

use crate::program::Op::{Drain, Get, GetAt, Put, PutFrame, PutHalf, PutOther, Share};
use crate::scenario::{Scenario, Shape, Work};
use crate::table::{CLASSES, GIANTS, LENT, LISTS, NARROW, REQUESTS, SERVICE, SINGLE, WIDE, base};

/// Those that most likely find something first.
pub(super) const SCENARIOS: &[Scenario] = &[
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
        work: Work::Mix(3, CLASSES),
        ..base("mix-of-classes")
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
        frames: 512 + 70,
        work: Work::Mix(3, GIANTS),
        ..base("mix-with-giants")
    },
    Scenario {
        frames: 512,
        before: &[(0, GetAt(0, 9)), (0, Share(1)), (0, Share(2))],
        work: Work::Calls(&[
            &[Put(0), Get(9)],
            &[PutHalf(0, true), Put(0)],
            &[PutFrame(0), Put(0), Get(7)],
        ]),
        ..base("giant-in-parts")
    },
    Scenario {
        frames: 512 + 70,
        work: Work::Mix(3, SERVICE),
        ..base("mix-with-offline")
    },
    Scenario {
        frames: 512,
        work: Work::Mix(3, LENT),
        lends: true,
        ..base("mix-with-a-host")
    },
    Scenario {
        work: Work::Mix(3, LISTS),
        ..base("mix-with-lists")
    },
    Scenario {
        frames: 192,
        work: Work::Mix(3, REQUESTS),
        ..base("mix-with-requests")
    },
];
