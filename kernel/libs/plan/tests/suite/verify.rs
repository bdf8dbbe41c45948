//! Positive controls: every check of the verification can fail.

use frame::{PhysAddr, PhysRange};
use plan::{Kind, Part, Persistent, Plan, Violation, ZonePlacement};

use crate::machine::{GIB, MIB, Machine, Small, range};

fn machine() -> Machine {
    let mut machine = Machine::new()
        .usable(MIB, 512 * MIB)
        .persistent(4 * GIB, GIB, 0);
    machine.emulate = Some(range(256 * MIB, 64 * MIB));
    machine
}

/// Spoils a sound plan and returns what is found.
fn spoiled(spoil: impl FnOnce(&mut Plan)) -> Violation {
    let machine = machine();
    let mut plan = machine.plan();
    spoil(&mut plan);
    plan.verify(&machine.request(), &Small)
        .expect_err("the plan is still sound")
}

fn persistent(zone: &mut ZonePlacement) -> &mut Persistent {
    match &mut zone.kind {
        Kind::Persistent(persistent) => persistent,
        Kind::Volatile => panic!("{} is not persistent", zone.name),
    }
}

fn moved(range: PhysRange, to: u64) -> PhysRange {
    PhysRange::new(PhysAddr(to), range.len_bytes()).expect("range wraps")
}

#[test]
fn the_plan_that_is_spoiled_below_has_all_kinds_of_zones() {
    let plan = machine().plan();
    let names: Vec<_> = plan.zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["pmem0", "pmem1", "dram0", "dram1"]);
}

#[test]
fn lower_tables_in_dram_are_caught() {
    let violation = spoiled(|plan| plan.zones[0].lower = moved(plan.zones[0].lower, 400 * MIB));
    assert!(
        matches!(
            violation,
            Violation::Outside {
                part: Part::Lower,
                ..
            }
        ),
        "{violation}"
    );
}

#[test]
fn upper_tables_in_persistent_memory_are_caught() {
    let violation = spoiled(|plan| {
        let zone = &mut plan.zones[0];
        zone.managed = PhysRange::between(zone.managed.start(), PhysAddr(4 * GIB + 512 * MIB));
        zone.upper = moved(zone.upper, 4 * GIB + 768 * MIB);
    });
    assert!(
        matches!(
            violation,
            Violation::NotDram {
                part: Part::Upper,
                ..
            }
        ),
        "{violation}"
    );
}

#[test]
fn a_zone_in_a_range_that_nobody_vouches_for_is_caught() {
    let machine = machine();
    let plan = machine.plan();
    let mut other = machine.clone();
    other.topology.persistent.clear();
    let violation = plan.verify(&other.request(), &Small).expect_err("sound");
    assert!(
        matches!(violation, Violation::NotPersistent { .. }),
        "{violation}"
    );
}

#[test]
fn a_stand_in_that_nobody_asked_for_is_caught() {
    let violation = spoiled(|plan| persistent(&mut plan.zones[0]).emulated = true);
    assert!(
        matches!(violation, Violation::NotPersistent { .. }),
        "{violation}"
    );
}

#[test]
fn volatile_frames_beyond_the_memory_map_are_caught() {
    let violation = spoiled(|plan| {
        let zone = &mut plan.zones[3];
        zone.range = PhysRange::between(zone.range.start(), PhysAddr(600 * MIB));
    });
    assert!(
        matches!(
            violation,
            Violation::NotDram {
                part: Part::Range,
                ..
            }
        ),
        "{violation}"
    );
}

#[test]
fn tables_among_the_managed_frames_are_caught() {
    for at in 0..4 {
        let violation = spoiled(|plan| {
            let zone = &mut plan.zones[at];
            zone.lower = moved(zone.lower, zone.managed.start().0);
        });
        let overlaps = matches!(violation, Violation::Overlap { .. });
        assert!(overlaps, "zone {at}: {violation}");
    }
}

#[test]
fn a_replica_among_the_managed_frames_is_caught() {
    let violation = spoiled(|plan| {
        let zone = &mut plan.zones[0];
        let at = zone.managed.end().0 - 4096;
        let persistent = persistent(zone);
        persistent.replica = moved(persistent.replica, at);
    });
    assert!(
        matches!(violation, Violation::Overlap { .. }),
        "{violation}"
    );
}

#[test]
fn tables_in_another_zones_gap_are_caught() {
    let violation = spoiled(|plan| {
        let gap = plan.zones[3].managed.start().0 - 4096;
        plan.zones[0].upper = moved(plan.zones[0].upper, gap);
    });
    assert!(
        matches!(violation, Violation::Overlap { .. }),
        "{violation}"
    );
}

#[test]
fn tables_in_an_earlier_zones_gap_are_caught() {
    let violation = spoiled(|plan| {
        plan.zones.swap(0, 3);
        let gap = plan.zones[0].managed.start().0 - 4096;
        plan.zones[3].upper = moved(plan.zones[3].upper, gap);
    });
    assert!(
        matches!(violation, Violation::Overlap { .. }),
        "{violation}"
    );
}

#[test]
fn short_tables_are_caught() {
    for at in 0..4 {
        let violation = spoiled(|plan| {
            let zone = &mut plan.zones[at];
            zone.lower = PhysRange::between(zone.lower.start(), zone.lower.start());
        });
        let short = matches!(
            violation,
            Violation::TooShort {
                part: Part::Lower,
                ..
            }
        );
        assert!(short, "zone {at}: {violation}");
    }
}

#[test]
fn frames_that_do_not_start_at_a_huge_frame_are_caught() {
    let violation = spoiled(|plan| {
        let zone = &mut plan.zones[2];
        let start = PhysAddr(zone.managed.start().0 + 4096);
        zone.managed = PhysRange::between(start, zone.managed.end());
    });
    assert!(
        matches!(
            violation,
            Violation::Misaligned {
                part: Part::Managed,
                ..
            }
        ),
        "{violation}"
    );
}
