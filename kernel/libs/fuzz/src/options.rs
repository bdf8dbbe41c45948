//! The command line, as people and editors write it.

use options::Options;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "options",
    control: false,
    max_len: 256,
    run,
    seeds,
};

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut complaints = 0;
    let options = Options::parse(&text, |complaint| {
        complaints += 1;
        assert!(!complaint.to_string().is_empty());
    });
    assert!(complaints <= text.len());
    assert!(options.cpus != Some(0));
    if let Some(range) = options.emulate {
        assert!(!range.is_empty());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "seed=0x2a cycles=30 quick run=selftest,crash",
        "pmem.format=blank pmem.emulate=256M@0x40000000 framebuffer=off",
        "cpus=4 break=panic # a comment\r\nquick=no",
        "pmem.format=any seed=18446744073709551615 \u{feff}\t",
    ];
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}
