//! The scenarios.

mod chance;
mod crashes;
mod exhaustive;

use llfree::Claims;
use llfree::Class::{Immovable, LongLived, Movable};

use crate::program::Mix;
use crate::program::Op::{
    Get, GetAs, GetAt, GetMany, GetOrNudge, GiveBack, Lend, Offline, Online, Put, PutFrame,
    PutHalf, PutMany, Reserve, Sync,
};
use crate::scenario::{Choose, Mode, Scenario, Shape, Work};

const MILLION: u64 = 1_000_000;

/// Few frames, many threads: everything collides.
const NARROW: Mix = Mix {
    calls: 4,
    max_order: 8,
    small: 5,
    also: &[],
};
/// All orders alike.
const WIDE: Mix = Mix {
    calls: 4,
    max_order: 9,
    small: 2,
    also: &[],
};
/// Orders of the hardware.
const ALL_ORDERS: Mix = Mix {
    calls: 5,
    max_order: 10,
    small: 1,
    also: &[],
};
/// Single frames.
const SINGLE: Mix = Mix {
    calls: 8,
    max_order: 0,
    small: 8,
    also: &[],
};

/// Giant frames, which have order 9 in the smallest shape, and their parts.
const GIANTS: Mix = Mix {
    also: &[Get(9), GetAt(0, 9), Put(0), PutHalf(0, true), PutFrame(0)],
    ..NARROW
};
/// Huge frames that go offline and come back.
const SERVICE: Mix = Mix {
    also: &[Offline(0), Offline(1), Offline(3), Online(0)],
    ..NARROW
};
/// Both.
const GIANTS_AND_SERVICE: Mix = Mix {
    also: &[
        Get(9),
        GetAt(0, 9),
        PutHalf(0, true),
        Offline(0),
        Offline(3),
        Online(0),
    ],
    ..NARROW
};
/// A host that takes memory.
const LENT: Mix = Mix {
    also: &[Lend(0), Lend(1), Lend(2), Get(7)],
    ..NARROW
};
/// Several blocks in one call.
const LISTS: Mix = Mix {
    max_order: 2,
    also: &[
        GetMany(0, 3),
        GetMany(3, 2),
        PutMany(4),
        Reserve(0, 5, true),
        Reserve(3, 8, true),
        Reserve(1, 3, false),
        Sync,
    ],
    ..NARROW
};
/// Content of several classes.
const CLASSES: Mix = Mix {
    also: &[
        GetAs(0, Movable),
        GetAs(0, Immovable),
        GetAs(0, LongLived),
        GetAs(3, Immovable),
        GetAs(7, Movable),
    ],
    ..NARROW
};
/// Frames that others hold.
const REQUESTS: Mix = Mix {
    also: &[GetOrNudge(0), GetOrNudge(7), GiveBack, GiveBack],
    ..NARROW
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
        lends: false,
        schedules: [15_000, MILLION],
    }
}

/// Returns all scenarios, those that most likely find something first.
pub(crate) fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    const ALL: [&[Scenario]; 3] = [chance::SCENARIOS, exhaustive::SCENARIOS, crashes::SCENARIOS];
    ALL.into_iter().flatten()
}
