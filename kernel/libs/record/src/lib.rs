//! What kernel and host tell each other, one line of JSON each.
//!
//! The serial console carries commentary for people, free to change, and
//! records for programs. A record is one line: [`MARKER`], then a JSON object
//! with a `kind`. Both ends use the types of this crate, so a field that one
//! side renames is a compile error, and a line that a damaged console has cut is
//! a parse error on the host: never a figure that is silently missing.
//!
//! `docs/records.md` lists the kinds for readers of the files.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod kinds;
mod line;

pub use kinds::{
    Boot, Cache, Cpu, CpuState, Crash, How, Inspect, Open, Plan, Pmem, Range, Record, Region,
    Sample, Stage, StageName, Verdict, Violation, Workload, ZonePlan,
};
pub use line::{LineError, MARKER, parse, to_line};

/// Version of the record format; changes whenever a field changes its meaning.
pub const VERSION: u32 = 1;
