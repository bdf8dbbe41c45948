//! Whose a persistent range is.
//!
//! It may be somebody's file system. So a range is looked at before it is mapped
//! writable, and nothing is written to it unless it is ours already or the
//! command line says, with a token, that what is there may go.
//!
//! A token names the range and carries a digest of all that was looked at. It is
//! printed by inspection and typed by a person who has seen what it is for; as
//! soon as anything there changes, it is void. Permission is typed once and read
//! at every boot, the ones after our own resets included; it must therefore never
//! format what has become ours in the meantime.
//!
//! [`probe`] says what a range holds, [`decide`] what to do with it. Both only
//! read and compute; who maps and writes is the kernel.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod decision;
mod devdax;
mod marks;
mod probe;
mod sample;

pub use decision::{Decision, Missing, Permission, Refusal, UNKNOWN, Words, decide};
pub use marks::{MARKS, MOST, Mark, Sighting, Sightings};
pub use probe::{Content, Finding, probe};

#[cfg(test)]
mod tests;
