//! Builds, runs, tests and judges Perennial.
fn main() {}
