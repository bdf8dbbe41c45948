//! Whose a persistent range is.
//!
//! It may be somebody's file system. So a range is looked at before it is mapped
//! writable, and nothing is written to it unless it is ours already or the
//! command line says that what is there may go. Permission is typed once and read
//! at every boot, the ones after our own resets included; it must therefore never
//! format what has become ours in the meantime.
//!
//! [`probe`] says what a range holds, [`decide`] what to do with it. Both only
//! read and compute; who maps and writes is the kernel.
#![no_std]
#![forbid(unsafe_code)]

mod decision;
mod probe;

pub use decision::{Decision, Refusal, decide};
pub use probe::{Content, probe};

#[cfg(test)]
mod tests;
