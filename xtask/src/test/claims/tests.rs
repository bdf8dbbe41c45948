//! Each claim holds on evidence for it and is refuted by evidence against it.

use record::{Boot, Cpu, Inspect, ZonePlan};

use super::*;

const PMEM: Range = Range {
    start: 1 << 32,
    len: 1 << 30,
};

fn boot() -> Record {
    Record::Boot(Boot {
        version: record::VERSION,
        commit: String::new(),
        toolchain: String::new(),
        loader: String::new(),
        accelerator: String::new(),
        cpu: String::new(),
        processors: 1,
        memory: vec![],
        domain: String::new(),
        tsc_hz: 0,
        timing: false,
        seed: 0,
        command_line: String::new(),
    })
}

fn pmem(usable: bool) -> Record {
    Record::Pmem(Pmem {
        id: "1".into(),
        start: PMEM.start,
        len: PMEM.len,
        usable,
        reason: if usable { "" } else { "device is not armed" }.into(),
        domain: "eadr".into(),
    })
}

fn plan(lower: u64, upper: u64) -> Record {
    let range = |start| Range { start, len: 4096 };
    Record::Plan(Plan {
        zones: vec![ZonePlan {
            name: "pmem0".into(),
            persistent: true,
            node: 1,
            managed: PMEM,
            lower: range(lower),
            upper: range(upper),
            page_size: 1 << 30,
        }],
    })
}

fn crash(cycle: u32, acknowledged: u64, lost: u64, leaked: u64) -> Record {
    Record::Crash(Crash {
        zone: "pmem0".into(),
        cycle,
        reset: "fadt".into(),
        acknowledged,
        in_flight: 1,
        owned: 1,
        lost,
        doubled: 0,
        leaked,
        bound: 4,
    })
}

fn samples(zones: &[&str]) -> Vec<Record> {
    let mut samples = Vec::new();
    for zone in zones {
        for workload in WORKLOADS {
            for order in ORDERS {
                samples.push(Record::Sample(Sample {
                    zone: (*zone).into(),
                    workload,
                    alloc: "llfree".into(),
                    order,
                    cpus: 2,
                    cpu: 0,
                    rep: 1,
                    warmup: false,
                    ops: 1,
                    get_ticks: 1,
                    put_ticks: 1,
                }));
            }
        }
    }
    samples
}

fn holds(claim: Claim, records: &[Record]) -> bool {
    let evidence = Evidence {
        records,
        judgements: &[],
        console: "zones: emulated, not durable",
        before: Some(Digest { start: 1, whole: 1 }),
        after: Some(Digest { start: 1, whole: 2 }),
    };
    evidence.check(claim).is_ok()
}

#[test]
fn processors_are_those_of_the_last_boot_that_are_online() {
    let cpu = |state| {
        Record::Cpu(Cpu {
            apic_id: 0,
            node: 0,
            state,
        })
    };
    let records = [
        boot(),
        cpu(CpuState::Online),
        boot(),
        cpu(CpuState::Online),
        cpu(CpuState::Silent),
    ];
    assert!(holds(Claim::Processors(1), &records));
    assert!(!holds(Claim::Processors(2), &records));
}

#[test]
fn zones_have_lower_tables_inside_and_upper_structures_outside_of_listed_ranges() {
    let (inside, outside) = (PMEM.start + 4096, 1 << 20);
    let check = |lower, upper| holds(Claim::PersistentZones(1), &[pmem(true), plan(lower, upper)]);
    assert!(check(inside, outside));
    assert!(!check(outside, outside));
    assert!(!check(inside, inside));
    assert!(!check(PMEM.start + PMEM.len - 4095, outside));
    assert!(!holds(
        Claim::PersistentZones(2),
        &[pmem(true), plan(inside, outside)]
    ));
}

#[test]
fn a_crash_counts_only_with_thousands_of_operations_and_nothing_lost() {
    let claim = Claim::Crashes(2);
    assert!(holds(claim, &[crash(1, 5000, 0, 4), crash(2, 5000, 0, 0)]));
    assert!(!holds(claim, &[crash(1, 5000, 0, 0)]));
    assert!(!holds(claim, &[crash(1, 5000, 0, 0), crash(1, 5000, 0, 0)]));
    assert!(!holds(claim, &[crash(1, 5000, 0, 0), crash(2, 999, 0, 0)]));
    assert!(!holds(claim, &[crash(1, 5000, 0, 0), crash(2, 5000, 1, 0)]));
    assert!(!holds(claim, &[crash(1, 5000, 0, 0), crash(2, 5000, 0, 5)]));
}

#[test]
fn samples_are_needed_of_every_workload_order_and_zone() {
    let claim = Claim::Samples {
        cpus: &[2],
        zones: 2,
    };
    let mut records = samples(&["pmem0", "dram0"]);
    assert!(holds(claim, &records));
    records.pop();
    assert!(!holds(claim, &records));
    assert!(!holds(claim, &samples(&["pmem0"])));
}

#[test]
fn a_refusal_needs_an_unusable_range_and_its_reason() {
    assert!(holds(Claim::Refused("armed"), &[pmem(false)]));
    assert!(!holds(Claim::Refused("armed"), &[pmem(true)]));
    assert!(!holds(Claim::Refused("broken"), &[pmem(false)]));
}

#[test]
fn files_and_words_are_compared() {
    assert!(holds(Claim::FileChanged, &[]));
    assert!(!holds(Claim::FileUnchanged, &[]));
    assert!(holds(Claim::Says("emulated, not durable"), &[]));
    assert!(!holds(Claim::Says("durable and sound"), &[]));
}

#[test]
fn nothing_at_all_is_no_evidence() {
    for claim in [
        Claim::Created,
        Claim::Recovered,
        Claim::HostJudged,
        Claim::Nodes(1),
        Claim::NotApplicable("domain"),
    ] {
        assert!(!holds(claim, &[]), "{claim}");
    }
}

#[test]
fn marks_are_claimed_all_by_name_and_with_what_permits_to_lose_them() {
    let inspect = |marks: &[&str], permit: &str| {
        Record::Inspect(Inspect {
            zone: "pmem0".into(),
            id: String::new(),
            content: "foreign".into(),
            marks: marks.iter().map(ToString::to_string).collect(),
            adopted: false,
            permit: permit.into(),
        })
    };
    const BOTH: Claim = Claim::Marked(&["gpt", "ext4"]);
    let both = "pmem.format=1-2 pmem.overwrite=gpt,ext4";
    assert!(holds(BOTH, &[boot(), inspect(&["gpt", "ext4"], both)]));
    assert!(!holds(BOTH, &[boot(), inspect(&["gpt"], both)]));
    assert!(!holds(BOTH, &[boot(), inspect(&["gpt", "ext4"], "")]));
    assert!(!holds(BOTH, &[boot()]));
}
