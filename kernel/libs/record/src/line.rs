//! Records as lines of the serial console.

use alloc::string::{String, ToString};
use core::fmt;

use crate::Record;

/// What a line that carries a record begins with.
pub const MARKER: &str = "@record ";

/// Why a line is no record although it bears the marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The line, marker included.
    pub line: String,
    /// What is wrong with it, and at which column of the JSON text.
    pub cause: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed record: {} in {:?}", self.cause, self.line)
    }
}

impl core::error::Error for LineError {}

/// Returns the line for `record`, without a line break.
///
/// # Panics
///
/// Never: every record is an object with string keys, which always has a JSON
/// form.
pub fn to_line(record: &Record) -> String {
    let json = serde_json::to_string(record).expect("records are plain objects");
    let mut line = String::with_capacity(MARKER.len() + json.len());
    line.push_str(MARKER);
    line.push_str(&json);
    line
}

/// Returns the record of `line`, or `None` where the line is commentary.
///
/// # Errors
///
/// Returns [`LineError`] for a marked line of an unknown kind, with a missing or
/// unknown field, or cut short, and for a marker in the middle of a line, which
/// is how two writers that got in each other's way look.
pub fn parse(line: &str) -> Result<Option<Record>, LineError> {
    let line = line.trim_end_matches(['\r', '\n']);
    let fail = |cause: &str| LineError {
        line: line.to_string(),
        cause: cause.to_string(),
    };
    match line.strip_prefix(MARKER) {
        Some(json) => serde_json::from_str(json)
            .map(Some)
            .map_err(|error| fail(&error.to_string())),
        None if line.contains(MARKER) => Err(fail("marker in the middle of a line")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec, vec::Vec};

    use super::*;
    use crate::{
        Boot, Cache, Cpu, CpuState, Crash, How, Open, Plan, Pmem, Range, Region, Sample, Stage,
        StageName, VERSION, Verdict, Violation, Workload, ZonePlan,
    };

    fn one_of_each() -> Vec<Record> {
        let range = Range {
            start: 0x1_0000_0000,
            len: 0x4000_0000,
        };
        vec![
            Record::Boot(Boot {
                version: VERSION,
                commit: "0123abc".into(),
                toolchain: "rustc 1.91.0".into(),
                loader: "uefi".into(),
                accelerator: "tcg".into(),
                cpu: "QEMU TCG CPU \"quoted\"".into(),
                processors: 4,
                memory: vec!["dram 2048 MiB".into()],
                domain: "eadr".into(),
                tsc_hz: 1_000_000_000,
                timing: false,
                seed: u64::MAX,
                command_line: "seed=1".into(),
            }),
            Record::Region(Region {
                start: 0,
                len: 4096,
                kind: "usable".into(),
            }),
            Record::Pmem(Pmem {
                id: "5e".into(),
                start: range.start,
                len: range.len,
                usable: false,
                reason: "not armed".into(),
                domain: "adr".into(),
            }),
            Record::Plan(Plan {
                zones: vec![ZonePlan {
                    name: "pmem0".into(),
                    persistent: true,
                    node: 0,
                    managed: range,
                    lower: range,
                    upper: range,
                    page_size: 2 << 20,
                }],
            }),
            Record::Cpu(Cpu {
                apic_id: 3,
                node: 0,
                state: CpuState::Silent,
            }),
            Record::Open(Open {
                zone: "pmem0".into(),
                how: How::Recovered,
                frames: 262_144,
                free: 1,
                free_huge: 0,
                mended: 2,
                lower_bytes: 33 << 10,
                upper_bytes: 512,
                micros: 12,
            }),
            Record::Sample(Sample {
                zone: "dram0".into(),
                workload: Workload::Bulk,
                alloc: "llfree".into(),
                order: 9,
                cpus: 4,
                cpu: 3,
                rep: 0,
                warmup: true,
                ops: 1 << 40,
                get_ticks: 1,
                put_ticks: 0,
            }),
            Record::Stage(Stage {
                stage: StageName::Recovery,
                event: 17,
            }),
            Record::Cache(Cache {
                flushed: 900,
                evicted: 80,
                dirty: 3,
            }),
            Record::Crash(Crash {
                zone: "pmem0".into(),
                cycle: 1,
                reset: "fadt".into(),
                acknowledged: 5000,
                in_flight: 4,
                owned: 100,
                lost: 0,
                doubled: 0,
                leaked: 1,
                bound: 4,
            }),
            Record::Violation(Violation {
                place: "bench".into(),
                what: "frame 3 twice".into(),
            }),
            Record::Verdict(Verdict {
                pass: true,
                reason: "".into(),
                not_applicable: vec![],
            }),
        ]
    }

    #[test]
    fn every_kind_survives_the_line() {
        for record in one_of_each() {
            assert_eq!(parse(&to_line(&record)), Ok(Some(record)));
        }
    }

    #[test]
    fn kind_and_type_are_spelt_as_scripts_expect_them() {
        let line = to_line(&one_of_each()[1]);
        assert_eq!(
            line,
            r#"@record {"kind":"region","start":0,"len":4096,"type":"usable"}"#
        );
    }

    #[test]
    fn commentary_is_no_record() {
        assert_eq!(parse("smp: 4 processors online\r\n"), Ok(None));
    }

    #[test]
    fn no_prefix_of_a_record_is_accepted() {
        for record in one_of_each() {
            let line = to_line(&record);
            for len in MARKER.len()..line.len() {
                assert!(parse(&line[..len]).is_err(), "{}", &line[..len]);
            }
        }
    }

    #[test]
    fn unknown_kinds_and_fields_are_errors() {
        assert!(parse(r#"@record {"kind":"rumour"}"#).is_err());
        let violation = r#"@record {"kind":"violation","place":"a","what":"b"}"#;
        assert!(parse(violation).is_ok());
        let extra = violation.replace("\"what\"", "\"who\":1,\"what\"");
        assert!(parse(&extra).is_err());
    }

    #[test]
    fn two_writers_in_each_others_way_are_noticed() {
        let record = to_line(&one_of_each()[1]);
        assert!(parse(&("smp: 4 proc".to_string() + &record)).is_err());
    }
}
