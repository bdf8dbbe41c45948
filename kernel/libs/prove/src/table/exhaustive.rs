//! All schedules of a few calls, with power failures where a mode is named.

use llfree::Claims;
use llfree::Class::{Immovable, Movable};

use crate::program::Op::{
    Drain, Get, GetAs, GetAt, GetOrNudge, GiveBack, Lend, Offline, Online, Put, PutFrame, Share,
};
use crate::scenario::{Choose, Mode, Scenario, Work};
use crate::table::{MILLION, base};

const fn all(name: &'static str) -> Scenario {
    Scenario {
        choose: Choose::All,
        schedules: [20_000, 3 * MILLION],
        ..base(name)
    }
}

/// The simplest first.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        work: Work::Calls(&[&[Get(0), Put(0)], &[Get(0), Put(0)]]),
        ..all("all-pairs-of-single-frames")
    },
    Scenario {
        claims: Claims::Off,
        work: Work::Calls(&[&[Get(0), Put(0)], &[Get(0), Put(0)]]),
        ..all("all-pairs-without-claims")
    },
    Scenario {
        before: &[(0, GetAt(0, 7)), (0, Share(1))],
        work: Work::Calls(&[&[Put(0), Get(0)], &[Put(0), Get(7)]]),
        ..all("all-splits")
    },
    Scenario {
        work: Work::Calls(&[&[GetAs(0, Movable), Put(0)], &[GetAs(0, Immovable), Drain]]),
        ..all("all-pairs-of-classes")
    },
    Scenario {
        work: Work::Calls(&[&[Get(7), Put(0)], &[Get(8)], &[Get(6)]]),
        ..all("all-gets-of-three-orders")
    },
    Scenario {
        frames: 512,
        before: &[(0, GetAt(0, 9)), (0, Share(1))],
        work: Work::Calls(&[&[Put(0)], &[Put(0), Get(9)]]),
        ..all("all-giants-in-halves")
    },
    Scenario {
        frames: 512,
        work: Work::Calls(&[&[Get(9), Put(0)], &[Get(9)], &[Get(7)]]),
        ..all("all-giants-among-others")
    },
    Scenario {
        work: Work::Calls(&[&[Offline(0), Online(0)], &[Get(7), Put(0)]]),
        ..all("all-offline-and-huge")
    },
    Scenario {
        lends: true,
        work: Work::Calls(&[&[Lend(0)], &[Get(7)], &[Get(0)]]),
        ..all("all-lent-and-gotten")
    },
    Scenario {
        frames: 128,
        before: &[(1, Get(0))],
        work: Work::Calls(&[&[GetOrNudge(7)], &[Put(0), GiveBack]]),
        ..all("all-requests")
    },
    Scenario {
        mode: Mode::Eadr,
        work: Work::Calls(&[&[Get(0), Drain], &[Get(0)]]),
        schedules: [2_000, MILLION],
        ..all("eadr-all-claims")
    },
    Scenario {
        mode: Mode::Adr,
        work: Work::Calls(&[&[Get(7), Put(0)], &[Get(0)]]),
        schedules: [2_000, MILLION],
        ..all("adr-all-huge-and-small")
    },
    Scenario {
        mode: Mode::Adr,
        before: &[(0, GetAt(0, 7))],
        work: Work::Calls(&[&[PutFrame(0)], &[Get(0), Put(0)]]),
        schedules: [2_000, MILLION],
        ..all("adr-all-splits")
    },
    Scenario {
        mode: Mode::Adr,
        frames: 512,
        before: &[(0, GetAt(0, 9)), (0, Share(1))],
        work: Work::Calls(&[&[Put(0)], &[Put(0), GetAt(256, 7)]]),
        schedules: [1_000, MILLION],
        ..all("adr-all-giants-in-halves")
    },
    Scenario {
        mode: Mode::Adr,
        work: Work::Calls(&[&[Offline(0), Online(0)], &[Get(7)]]),
        schedules: [1_000, MILLION],
        ..all("adr-all-offline-and-huge")
    },
];
