//! What goes where, on machines that are known.

use bootloader_api::info::MemoryRegionKind;
use firmware::{Domain, Node, Refusal};
use frame::{FRAME_SIZE, HUGE_SIZE, PhysAddr};
use plan::{LeftOutReason, MAX_ZONES, Part, RefusedReason, Sizes};

use crate::machine::{GIB, KIB, MIB, Machine, Small, range};

const FRAME: u64 = FRAME_SIZE as u64;
const HUGE: u64 = HUGE_SIZE as u64;

/// Half a mebibyte below 1 MiB, 2 GiB of DRAM with holes, one NVDIMM at 4 GiB.
fn desktop() -> Machine {
    Machine::new()
        .usable(0, 640 * KIB)
        .usable(MIB, 100 * MIB)
        .region(101 * MIB, 27 * MIB, MemoryRegionKind::Bootloader)
        .usable(128 * MIB, 1920 * MIB)
        .persistent(4 * GIB, GIB, 0)
}

#[test]
fn a_persistent_range_is_laid_out_in_order() {
    let plan = desktop().plan();
    let (zone, persistent) = plan.persistent().next().expect("a persistent zone");
    assert_eq!(zone.name.as_str(), "pmem0");
    assert_eq!(zone.range, range(4 * GIB, GIB));
    assert_eq!(persistent.superblock, range(4 * GIB, FRAME));
    assert_eq!(persistent.replica, range(5 * GIB - FRAME, FRAME));
    assert_eq!(zone.lower.start().0, 4 * GIB + FRAME);
    assert_eq!(persistent.annex.start(), zone.lower.end());
    assert!(zone.managed.start() >= persistent.annex.end());
    assert!(zone.managed.start().is_aligned(HUGE));
    assert_eq!(zone.managed.end(), persistent.replica.start());
    assert_eq!(
        (persistent.domain, persistent.emulated),
        (Domain::Eadr, false)
    );
}

#[test]
fn every_byte_of_a_zone_is_in_one_part_of_it() {
    let plan = desktop().plan();
    let (zone, persistent) = plan.persistent().next().expect("a persistent zone");
    let part = |at: u64| zone.part_at(PhysAddr(at));
    assert_eq!(part(4 * GIB), Some(Part::Superblock));
    assert_eq!(part(4 * GIB + FRAME), Some(Part::Lower));
    assert_eq!(part(persistent.annex.start().0 - 1), Some(Part::Lower));
    assert_eq!(part(persistent.annex.start().0), Some(Part::Annex));
    let managed = zone.managed.start().0;
    let gap = managed > persistent.annex.end().0;
    assert_eq!(part(managed - 1) == Some(Part::Range), gap);
    assert_eq!(part(managed), Some(Part::Managed));
    assert_eq!(part(5 * GIB - FRAME - 1), Some(Part::Managed));
    assert_eq!(part(5 * GIB - 1), Some(Part::Replica));
    assert_eq!(part(zone.upper.start().0), Some(Part::Upper));
    assert_eq!((part(4 * GIB - 1), part(5 * GIB)), (None, None));
}

#[test]
fn a_zone_within_a_part_of_its_range_keeps_to_that_part() {
    let machine = desktop();
    let plan = machine.plan();
    let zone = &plan.zones[0];
    let part = range(4 * GIB + 2 * MIB, GIB - 8 * MIB);
    let within = zone.within(part, &Small).expect("large enough");
    let (outer, inner) = (zone.persistent(), within.persistent());
    let (outer, inner) = (outer.expect("persistent"), inner.expect("persistent"));
    assert_eq!((within.range, within.upper), (part, zone.upper));
    assert_eq!((inner.id, inner.domain), (outer.id, outer.domain));
    let parts = [
        inner.superblock,
        within.lower,
        inner.annex,
        within.managed,
        inner.replica,
    ];
    assert!(parts.iter().all(|owned| part.contains(*owned)));
    assert!(within.managed.frames() < zone.managed.frames());
    assert!(within.lower.len_bytes() <= zone.lower.len_bytes());
}

#[test]
fn a_part_that_is_not_of_the_range_or_too_small_is_refused() {
    let plan = desktop().plan();
    let refused = |zone: usize, start, len| {
        let part = range(start, len);
        plan.zones[zone].within(part, &Small).err()
    };
    let misaligned = Some(RefusedReason::Misaligned);
    assert_eq!(refused(0, 4 * GIB - MIB, GIB), misaligned);
    assert_eq!(refused(0, 4 * GIB + 512, 8 * MIB), misaligned);
    let small = refused(0, 4 * GIB + MIB, MIB);
    assert!(matches!(small, Some(RefusedReason::TooSmall { .. })));
    assert_eq!(refused(1, MIB, 8 * MIB), Some(RefusedReason::NotUsable));
}

#[test]
fn tables_have_the_size_that_the_managed_frames_need() {
    let plan = desktop().plan();
    for zone in &plan.zones {
        let frames = usize::try_from(zone.managed.frames()).expect("fits");
        let lower = Small.lower_bytes(frames).next_multiple_of(FRAME_SIZE);
        let upper = Small.upper_bytes(frames, 4).next_multiple_of(FRAME_SIZE);
        assert_eq!(zone.lower.len_bytes(), lower as u64, "{}", zone.name);
        assert_eq!(zone.upper.len_bytes(), upper as u64, "{}", zone.name);
    }
}

#[test]
fn every_large_dram_range_is_a_zone_after_the_persistent_ones() {
    let plan = desktop().plan();
    let names: Vec<_> = plan.zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["pmem0", "dram0", "dram1"]);
    // The front of the first range went to the persistent zone's upper tables.
    assert_eq!(plan.zones[0].upper.start().0, MIB);
    assert_eq!(plan.zones[1].range.start(), plan.zones[0].upper.end());
    assert_eq!(plan.zones[2].range, range(128 * MIB, 1920 * MIB));
}

#[test]
fn the_first_mebibyte_is_left_alone_and_listed() {
    let machine = Machine::new().usable(0, 64 * MIB);
    let plan = machine.plan();
    assert_eq!(plan.zones[0].range.start().0, MIB);
    assert_eq!(plan.left_out[0].range, range(0, MIB));
    assert_eq!(plan.left_out[0].reason, LeftOutReason::FirstMebibyte);
}

#[test]
fn a_range_that_is_no_multiple_of_a_huge_frame_is_used_to_the_last_frame() {
    // What QEMU's label-size=128K leaves of a GiB.
    let machine = Machine::new()
        .usable(MIB, 512 * MIB)
        .persistent(4 * GIB, GIB - 128 * KIB, 0);
    let plan = machine.plan();
    let (zone, persistent) = plan.persistent().next().expect("a persistent zone");
    assert_eq!(zone.managed.end(), persistent.replica.start());
    assert_eq!(zone.managed.end().0, 5 * GIB - 128 * KIB - FRAME);
    assert_ne!(zone.managed.len_bytes() % HUGE, 0);
}

#[test]
fn dram_is_split_where_a_node_ends() {
    let machine = Machine::new()
        .usable(MIB, 127 * MIB)
        .usable(128 * MIB, 128 * MIB)
        .memory_of(0, 0, 640 * KIB)
        .memory_of(0, MIB, 127 * MIB)
        .memory_of(1, 128 * MIB, 128 * MIB);
    let plan = machine.plan();
    let zones: Vec<_> = plan
        .zones
        .iter()
        .map(|zone| (zone.node, zone.range))
        .collect();
    let expected = [
        (Node(0), range(MIB, 127 * MIB)),
        (Node(1), range(128 * MIB, 128 * MIB)),
    ];
    assert_eq!(zones, expected);
}

#[test]
fn upper_tables_lie_on_the_node_of_the_persistent_range() {
    let machine = Machine::new()
        .usable(MIB, 127 * MIB)
        .usable(128 * MIB, 128 * MIB)
        .memory_of(0, 0, 128 * MIB)
        .memory_of(1, 128 * MIB, 128 * MIB)
        .persistent(4 * GIB, 512 * MIB, 1)
        .persistent(5 * GIB, 512 * MIB, 0);
    let plan = machine.plan();
    assert_eq!(plan.zones[0].upper.start().0, 128 * MIB);
    assert_eq!(plan.zones[1].upper.start().0, MIB);
    assert_eq!(plan.zones[1].name.as_str(), "pmem1");
}

#[test]
fn without_dram_on_the_node_the_nearest_has_the_upper_tables() {
    let mut machine = Machine::new()
        .usable(MIB, 127 * MIB)
        .usable(128 * MIB, 128 * MIB)
        .memory_of(0, 0, 128 * MIB)
        .memory_of(1, 128 * MIB, 128 * MIB)
        .persistent(4 * GIB, GIB, 2);
    let mut slit = vec![0; 44];
    slit[..4].copy_from_slice(b"SLIT");
    slit[36] = 3;
    slit.extend([10, 20, 31, 20, 10, 17, 31, 17, 10]);
    slit[4] = u8::try_from(slit.len()).expect("short");
    slit[9] = slit.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    let table = firmware::sdt::Table::new(&slit, firmware::slit::SIGNATURE, 44).expect("sound");
    let matrix = firmware::slit::Matrix::new(table).expect("sound");
    machine.topology.distances.set(matrix);
    let plan = machine.plan();
    assert_eq!(plan.zones[0].node, Node(2));
    assert_eq!(plan.zones[0].upper.start().0, 128 * MIB);
}

#[test]
fn a_small_persistent_range_is_refused_with_what_it_would_need() {
    let machine = Machine::new()
        .usable(MIB, 64 * MIB)
        .persistent(4 * GIB, 4 * MIB - FRAME, 0);
    let plan = machine.plan();
    let given = 4 * MIB - FRAME;
    // Tables up to the first multiple of 2 MiB, a huge frame, the replica.
    let needed = 4 * MIB + FRAME;
    assert_eq!(
        plan.refused[0].reason,
        RefusedReason::TooSmall { given, needed }
    );
    assert_eq!(plan.persistent().count(), 0);

    let enough = Machine::new()
        .usable(MIB, 64 * MIB)
        .persistent(4 * GIB, needed, 0);
    assert_eq!(enough.plan().zones[0].managed, range(4 * GIB + HUGE, HUGE));
}

#[test]
fn what_the_firmware_is_unsure_of_is_refused_with_its_reason() {
    let refusal = Refusal::NotArmed {
        handle: 1,
        flags: 8,
    };
    let machine =
        Machine::new()
            .usable(MIB, 64 * MIB)
            .persistent_with(4 * GIB, GIB, 0, Some(refusal));
    let plan = machine.plan();
    assert_eq!(plan.refused[0].reason, RefusedReason::Firmware(refusal));
    assert_eq!(plan.refused[0].range, range(4 * GIB, GIB));
    assert_eq!(plan.persistent().count(), 0);
}

#[test]
fn a_persistent_range_that_the_memory_map_gives_to_others_is_nobodys() {
    let machine = Machine::new()
        .usable(MIB, 128 * MIB)
        .persistent(64 * MIB, 32 * MIB, 0);
    let plan = machine.plan();
    let by = range(MIB, 128 * MIB);
    let reason = RefusedReason::Firmware(Refusal::Occupied { by });
    assert_eq!(plan.refused[0].reason, reason);
    let claimed = range(64 * MIB, 32 * MIB);
    assert!(plan.zones.iter().all(|zone| !zone.range.overlaps(claimed)));
    assert_eq!(plan.zones.len(), 2);
}

#[test]
fn a_memory_map_that_calls_the_range_persistent_too_is_no_objection() {
    for kind in [
        MemoryRegionKind::UnknownUefi(14),
        MemoryRegionKind::UnknownBios(7),
    ] {
        let machine = desktop().region(4 * GIB, GIB, kind);
        assert_eq!(machine.plan().persistent().count(), 1, "{kind:?}");
    }
}

#[test]
fn dram_can_stand_in_and_is_never_called_durable() {
    let mut machine = Machine::new().usable(MIB, GIB);
    machine.emulate = Some(range(512 * MIB, 256 * MIB));
    let plan = machine.plan();
    let (zone, persistent) = plan.persistent().next().expect("a persistent zone");
    assert_eq!(zone.range, range(512 * MIB, 256 * MIB));
    assert!(persistent.emulated);
    assert_eq!(persistent.domain, Domain::None);
    assert_eq!(plan.volatile().count(), 2);
}

#[test]
fn dram_that_isnt_wholly_usable_cannot_stand_in() {
    let cases = [
        (range(100 * MIB, 16 * MIB), RefusedReason::NotUsable),
        (range(0, 16 * MIB), RefusedReason::NotUsable),
        (range(4 * GIB, 16 * MIB), RefusedReason::NotUsable),
        (range(200 * MIB + 1, 16 * MIB), RefusedReason::Misaligned),
        (range(200 * MIB, 0), RefusedReason::Misaligned),
    ];
    for (emulate, reason) in cases {
        let mut machine = desktop();
        machine.emulate = Some(emulate);
        let plan = machine.plan();
        assert_eq!(plan.refused[0].reason, reason, "{emulate}");
        assert_eq!(plan.persistent().count(), 1, "only the real one");
    }
}

#[test]
fn dram_below_eight_mebibytes_is_left_out() {
    let machine = Machine::new()
        .usable(MIB, 64 * MIB)
        .usable(100 * MIB, 8 * MIB - FRAME)
        .usable(200 * MIB, 8 * MIB);
    let plan = machine.plan();
    assert_eq!(plan.zones.len(), 2);
    assert_eq!(plan.left_out[0].range, range(100 * MIB, 8 * MIB - FRAME));
    let needed = 8 * MIB;
    assert_eq!(plan.left_out[0].reason, LeftOutReason::TooSmall { needed });
    assert_eq!(plan.left_out_bytes, 8 * MIB - FRAME);
}

#[test]
fn a_persistent_range_without_dram_for_its_upper_tables_is_refused() {
    let machine = Machine::new()
        .usable(MIB, 8 * MIB)
        .persistent(4 * GIB, GIB, 0);
    let plan = machine.plan();
    let needed = FRAME;
    let node = Node(0);
    assert_eq!(
        plan.refused[0].reason,
        RefusedReason::NoDram { needed, node }
    );
    assert_eq!(plan.volatile().count(), 1, "the kernel keeps its memory");
}

#[test]
fn with_more_ranges_than_zones_the_small_ones_are_left_out() {
    let mut machine = Machine::new();
    for number in 0..40 {
        let len = if number % 10 == 0 { 16 * MIB } else { 32 * MIB };
        machine = machine.usable(MIB + number * 64 * MIB, len);
    }
    let plan = machine.plan();
    assert_eq!(plan.zones.len(), MAX_ZONES);
    assert_eq!(plan.left_out.len(), 8);
    let small = plan
        .left_out
        .iter()
        .filter(|left| left.range.len_bytes() == 16 * MIB);
    assert_eq!(small.count(), 4);
    assert!(
        plan.left_out
            .iter()
            .all(|left| left.reason == LeftOutReason::NoZoneLeft)
    );
}

#[test]
fn one_zone_is_kept_for_dram() {
    let mut machine = Machine::new().usable(MIB, 512 * MIB);
    for number in 0..32 {
        machine = machine.persistent(4 * GIB + number * GIB, 64 * MIB, 0);
    }
    let plan = machine.plan();
    assert_eq!(plan.persistent().count(), MAX_ZONES - 1);
    assert_eq!(plan.volatile().count(), 1);
    assert_eq!(plan.refused[0].reason, RefusedReason::NoZoneLeft);
}

#[test]
fn contradictions_in_the_memory_map_are_nobodys_memory() {
    let machine = Machine::new()
        .usable(64 * MIB, 64 * MIB)
        .usable(MIB, 96 * MIB)
        .region(40 * MIB + 5, 10, MemoryRegionKind::UnknownUefi(6))
        .region(90 * MIB, 0, MemoryRegionKind::UnknownUefi(0));
    let mut odd = machine.clone();
    odd.regions[2].end = u64::MAX;
    let plan = machine.plan();
    let zones: Vec<_> = plan.zones.iter().map(|zone| zone.range).collect();
    assert_eq!(zones[0], range(MIB, 39 * MIB));
    assert_eq!(zones[1], range(40 * MIB + FRAME, 88 * MIB - FRAME));
    assert_eq!(odd.plan().zones.len(), 1);
}

#[test]
fn a_machine_without_memory_has_an_empty_plan() {
    let plan = Machine::new().plan();
    assert!(plan.zones.is_empty() && plan.refused.is_empty());
}
