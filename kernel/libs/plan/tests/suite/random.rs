//! Random machines: the plan is sound whatever the firmware says.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::{Refusal, srat::Memory};
use proptest::prelude::*;

use crate::machine::{GIB, MIB, Machine, range};

/// A start and a length, mostly in whole frames, sometimes odd to the byte.
fn extent(most: u64) -> impl Strategy<Value = (u64, u64)> {
    let frames = (0..most / 4096, 0..600 * MIB / 4096);
    let odd = prop_oneof![6 => Just(0_u64), 1 => 1_u64..4096];
    (frames, odd.clone(), odd)
        .prop_map(|((start, len), before, after)| (start * 4096 + before, len * 4096 + after))
}

fn kind() -> impl Strategy<Value = MemoryRegionKind> {
    prop_oneof![
        5 => Just(MemoryRegionKind::Usable),
        1 => Just(MemoryRegionKind::Bootloader),
        1 => (0_u32..16).prop_map(MemoryRegionKind::UnknownUefi),
        1 => (0_u32..13).prop_map(MemoryRegionKind::UnknownBios),
    ]
}

prop_compose! {
    fn machine()(
        regions in prop::collection::vec((extent(4 * GIB), kind()), 0..12),
        reversed in any::<bool>(),
        persistent in prop::collection::vec((0_u64..4, 0_u64..300_000, 0_u32..4, 0_u8..5), 0..5),
        memory in prop::collection::vec((extent(6 * GIB), 0_u32..3, any::<bool>()), 0..5),
        emulate in prop::option::of(extent(4 * GIB)),
        cpus in 1_usize..300,
    ) -> Machine {
        let mut machine = Machine::new();
        for ((start, len), kind) in regions {
            machine = machine.region(start, len, kind);
            if reversed && start % 3 == 0 {
                let region = machine.regions.last_mut().expect("just added");
                std::mem::swap(&mut region.start, &mut region.end);
            }
        }
        for (slot, frames, node, fault) in persistent {
            // Slot 0 lies among the DRAM; the others may coincide.
            let start = if slot == 0 { 300 * MIB } else { 3 * GIB + slot * GIB };
            let refusal = (fault == 0).then_some(Refusal::NoIndex);
            let apart = machine.topology.persistent.iter().all(|known| {
                !known.range.overlaps(range(start, frames * 4096))
            });
            if apart && frames > 0 {
                machine = machine.persistent_with(start, frames * 4096, node, refusal);
            }
        }
        for ((start, len), node, hot_pluggable) in memory {
            machine = machine.memory_of(node, start, len);
            let last: &mut Memory = machine.topology.memory.last_mut().expect("just added");
            last.hot_pluggable = hot_pluggable;
        }
        machine.emulate = emulate.map(|(start, len)| range(start, len));
        machine.cpus = cpus;
        machine
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// `Machine::plan` verifies by address.
    #[test]
    fn a_plan_is_sound_on_any_machine(machine in machine()) {
        machine.plan();
    }

    #[test]
    fn every_persistent_range_is_a_zone_or_refused(machine in machine()) {
        let plan = machine.plan();
        let listed = machine.topology.persistent.len() + usize::from(machine.emulate.is_some());
        prop_assert_eq!(plan.persistent().count() + plan.refused.len(), listed);
    }

    /// Counted frame by frame, independently of how sets of ranges are kept.
    #[test]
    fn all_usable_dram_is_in_a_zone_or_accounted_for(machine in machine()) {
        let plan = machine.plan();
        let inside = |frame: u64, (start, end): (u64, u64)| start < frame + 4096 && frame < end;
        let regions = machine.regions.iter();
        let (usable, others): (Vec<&MemoryRegion>, Vec<&MemoryRegion>) =
            regions.partition(|region| region.kind == MemoryRegionKind::Usable);
        let persistent = machine.topology.persistent.iter().map(|known| known.range);
        let mut taken: Vec<_> = others.iter().map(|other| (other.start, other.end)).collect();
        taken.extend(persistent.map(|range| (range.start().0, range.end().0)));
        taken.retain(|(start, end)| start < end);
        let whole = |frame: u64, start: u64, end: u64| start <= frame && frame + 4096 <= end;
        let is_free = |frame: u64| {
            usable.iter().any(|region| whole(frame, region.start, region.end))
                && !taken.iter().any(|taken| inside(frame, *taken))
        };
        let used = plan.zones.iter().flat_map(|zone| [zone.range, zone.upper]);
        let used: Vec<_> = used.chain(plan.left_out.iter().map(|left| left.range)).collect();
        // A sample: every 61st frame.
        for frame in (MIB..5 * GIB).step_by(61 * 4096).filter(|frame| is_free(*frame)) {
            let refused = plan.refused.iter().any(|refused| refused.range.contains(range(frame, 1)));
            let known = used.iter().any(|used| used.contains(range(frame, 4096)));
            prop_assert!(known || refused, "{:#x} is nowhere", frame);
        }
    }
}

#[test]
fn the_random_machines_are_not_all_trivial() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut persistent, mut volatile, mut refused, mut nodes) = (0, 0, 0, 0);
    for _ in 0..300 {
        let machine = machine()
            .new_tree(&mut runner)
            .expect("a machine")
            .current();
        let plan = machine.plan();
        persistent += usize::from(plan.persistent().count() > 1);
        volatile += usize::from(plan.volatile().count() > 2);
        refused += usize::from(!plan.refused.is_empty());
        let first = plan.zones.first().map(|zone| zone.node);
        nodes += usize::from(plan.zones.iter().any(|zone| Some(zone.node) != first));
    }
    println!(
        "of 300 machines: {persistent} with several persistent zones, {volatile} with more than \
         two of DRAM, {refused} with refusals, {nodes} with several nodes"
    );
    assert!(persistent > 30 && volatile > 30 && refused > 30 && nodes > 30);
}
