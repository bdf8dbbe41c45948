use record::{How, Open, Plan, Range, ZonePlan};

use super::*;

fn sample(cpu: u32, rep: u32, get_ticks: u64, put_ticks: u64) -> Record {
    Record::Sample(Sample {
        zone: "pmem0".into(),
        workload: Workload::Bulk,
        alloc: "llfree".into(),
        order: 0,
        cpus: 2,
        cpu,
        rep,
        warmup: rep == 0,
        ops: 1000,
        get_ticks,
        put_ticks,
    })
}

fn boot(tsc_hz: u64) -> Record {
    Record::Boot(Boot {
        version: record::VERSION,
        commit: "0123abc".into(),
        toolchain: "rustc".into(),
        loader: "pvh".into(),
        accelerator: "tcg".into(),
        cpu: "QEMU, \"max\"".into(),
        processors: 2,
        memory: vec!["dram 2048 MiB".into(), "nvdimm 1024 MiB".into()],
        domain: "eadr".into(),
        tsc_hz,
        timing: false,
        seed: 42,
        command_line: String::new(),
    })
}

fn zone() -> [Record; 2] {
    let range = Range {
        start: 1 << 32,
        len: 1 << 29,
    };
    [
        Record::Plan(Plan {
            zones: vec![ZonePlan {
                name: "pmem0".into(),
                persistent: true,
                node: 0,
                managed: range,
                lower: range,
                upper: range,
                page_size: 1 << 30,
            }],
        }),
        Record::Open(Open {
            zone: "pmem0".into(),
            how: How::Created,
            frames: 1 << 17,
            free: 1 << 17,
            free_huge: 256,
            mended: 0,
            lower_bytes: 1,
            upper_bytes: 1,
            micros: 1500,
        }),
    ]
}

/// Two processors, a warm-up and one repetition, at two ticks a nanosecond.
fn run(tsc_hz: u64) -> Vec<Record> {
    let mut records = vec![boot(tsc_hz)];
    records.extend(zone());
    records.extend([sample(0, 0, 1, 1), sample(1, 0, 1, 1)]);
    records.extend([sample(0, 1, 20_000, 6000), sample(1, 1, 60_000, 10_000)]);
    records
}

#[test]
fn ticks_become_nanoseconds_an_operation() {
    let figures = figures(&run(2_000_000_000));
    let [row] = &figures.rows[..] else {
        panic!("{figures:?}");
    };
    assert_eq!(
        (row.get_min, row.get_avg, row.get_max),
        (Some(10.0), Some(20.0), Some(30.0))
    );
    assert_eq!(
        (row.put_min, row.put_avg, row.put_max),
        (Some(3.0), Some(4.0), Some(5.0))
    );
    assert_eq!(
        (row.x, row.order, row.iteration, row.allocs),
        (2, 0, 1, 1000)
    );
    assert_eq!((row.memory, row.init, row.total), (0.5, 1.5, Some(0.035)));
}

#[test]
fn a_repetition_that_a_processor_did_not_report_is_no_figure() {
    let mut records = run(1);
    records.pop();
    let figures = figures(&records);
    assert_eq!(figures.rows, []);
    assert_eq!(figures.incomplete.len(), 1, "{figures:?}");
}

#[test]
fn a_processor_that_reports_twice_does_not_stand_for_another() {
    let mut records = run(1);
    records.pop();
    records.push(sample(0, 1, 1, 1));
    assert_eq!(figures(&records).incomplete.len(), 1);
}

#[test]
fn an_unknown_clock_gives_no_times() {
    let figures = figures(&run(0));
    assert_eq!(figures.rows[0].get_avg, None);
    assert_eq!(figures.rows[0].total, None);
}

#[test]
fn the_file_starts_with_upstreams_columns_and_has_one_field_a_column() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    write(&figures(&run(2_000_000_000)).rows, file.path()).expect("writable");
    let mut reader = csv::Reader::from_path(file.path()).expect("readable");
    let headers = reader.headers().expect("a first line").clone();
    let upstream = "alloc,x,order,iteration,memory,get_min,get_avg,get_max,\
                    put_min,put_avg,put_max,init,total,allocs";
    assert!(headers.iter().zip(upstream.split(',')).all(|(a, b)| a == b));
    let rows: Vec<_> = reader
        .records()
        .map(|row| row.expect("even rows"))
        .collect();
    let field = |name| {
        let column = headers.iter().position(|header| header == name);
        &rows[0][column.expect("a column")]
    };
    assert_eq!(rows.len(), 1);
    assert_eq!(field("workload"), "bulk");
    assert_eq!(field("cpu"), "QEMU, \"max\"");
    assert_eq!(field("memory_kinds"), "dram 2048 MiB + nvdimm 1024 MiB");
    assert_eq!(field("timing"), "false");
}
