//! What comes over the serial line.

use record::{How, MARKER, Open, Record, Verdict, Violation};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "record",
    control: false,
    max_len: 1024,
    run,
    seeds,
};

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    one(&text);
    one(&format!("{MARKER}{text}"));
}

/// A line that is understood says the same when it is written again.
fn one(line: &str) {
    match record::parse(line) {
        Ok(Some(read)) => {
            let again = record::parse(&record::to_line(&read));
            assert_eq!(again, Ok(Some(read)));
        }
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let records = [
        Record::Violation(Violation {
            place: "crash".into(),
            what: "frame 7 lost \"here\"".into(),
        }),
        Record::Verdict(Verdict {
            pass: true,
            reason: "\u{e9}verything".into(),
            not_applicable: vec!["domain".into()],
        }),
        Record::Open(Open {
            zone: "pmem0".into(),
            how: How::Recovered,
            frames: 512,
            free: 100,
            free_huge: 0,
            mended: 1,
            lower_bytes: 4096,
            upper_bytes: 4096,
            micros: 17,
        }),
    ];
    let line = |record| record::to_line(record).into_bytes();
    let mut seeds: Vec<_> = records.iter().map(line).collect();
    let bare: Vec<_> = seeds
        .iter()
        .map(|seed| seed[MARKER.len()..].to_vec())
        .collect();
    seeds.extend(bare);
    seeds.push(b"smp: 4 processors online".to_vec());
    seeds
}
