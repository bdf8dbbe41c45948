//! No fast path of the allocator gains a locked instruction unnoticed.
//!
//! Such an instruction costs as much as everything else in a fast path together,
//! and a table of nanoseconds on a busy machine hides it. The benchmark counts them
//! by stepping through the code, and fails beyond the limits that it lays down; the
//! number does not depend on how well the code is optimised, so the build of the
//! test will do.

use std::{fs, process::Command};

use serde_json::Value;

/// Runs the benchmark's counts and returns what it wrote.
fn counts() -> Vec<Value> {
    let out = tempfile::tempdir().expect("a directory");
    let bench = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "bench",
            "--host",
            "--quick",
            "--only",
            "counts",
            "--this-build",
            "--out",
        ])
        .arg(out.path())
        .output()
        .expect("the benchmark can be started");
    assert!(
        bench.status.success(),
        "{}{}",
        String::from_utf8_lossy(&bench.stdout),
        String::from_utf8_lossy(&bench.stderr)
    );
    let figures = fs::read_to_string(out.path().join("figures.json")).expect("figures");
    let figures: Value = serde_json::from_str(&figures).expect("JSON");
    figures["counts"].as_array().expect("counts").clone()
}

#[test]
fn no_fast_path_locks_more_than_is_laid_down() {
    let counts = counts();
    let allocators = counts
        .iter()
        .filter(|count| count["alloc"] != "control")
        .count();
    assert!(allocators >= 18, "{counts:?}");

    // Positive control: what is known to lock once an operation is seen to.
    let control = counts.iter().filter(|count| count["alloc"] == "control");
    let mut controls = 0;
    for count in control {
        assert_eq!(count["locked"], count["ops"], "{count}");
        controls += 1;
    }
    assert_eq!(controls, 2);
}
