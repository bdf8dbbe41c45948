//! Fuzzing of everything that reads bytes which others have written.
//!
//! Firmware, boot loaders, storage media, people and serial lines give this
//! kernel bytes that may be anything. Every parser of such bytes has a
//! [`Target`] here: a function that must return, whatever it is given, and that
//! checks what it can about the answer. What makes an input interesting to a
//! parser, a checksum or a list of tables, is put right by the target, so that
//! mutations reach the code behind it.
//!
//! The library and its tests need nothing special: they run each target on its
//! seeds, on the inputs that were kept because they mattered, and on a few
//! thousand mutations. The program, which `cargo xtask fuzz` builds with coverage
//! instrumentation, puts libFuzzer in front of the same targets.
#![forbid(unsafe_code)]

mod acpi;
mod control;
mod damage;
mod elf;
mod image;
mod input;
mod ledger;
mod nfit;
mod options;
mod ownership;
mod placement;
mod record;
mod start_info;
mod superblock;
mod tables;
#[cfg(test)]
mod tests;

/// One parser, or a few that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Whether it is a mistake made on purpose, which must be found.
    pub control: bool,
    /// No input needs more bytes.
    pub max_len: usize,
    /// Runs it on an input; panics if something does not hold.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 13] = [
    acpi::TARGET,
    nfit::TARGET,
    placement::TARGET,
    start_info::TARGET,
    elf::TARGET,
    options::TARGET,
    superblock::TARGET,
    ownership::TARGET,
    tables::TARGET,
    ledger::TARGET,
    record::TARGET,
    control::PANICS,
    control::HANGS,
];

/// Returns the target with this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
