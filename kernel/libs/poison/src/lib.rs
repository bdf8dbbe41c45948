//! What a machine check says, and which memory is kept from use after it.
//!
//! A line of memory that can't be read correctly any more is found by whoever
//! reads it, in the form of an exception on a processor that was doing something
//! else. Its registers say where the line is, how sure the address is and whether
//! the program that was interrupted can go on: [`Bank`] decodes one of them. What
//! lies around the line has probably the same fate, so all of its huge frame is
//! taken out of use by [`isolate`]: what is free at once, what is not as soon as
//! its owner has returned it.
//!
//! Source: Intel SDM vol. 3B, chapter 16; the layout is AMD's as well where it
//! matters here (AMD APM vol. 2, section 9.3).
#![no_std]
#![forbid(unsafe_code)]

mod bank;
mod isolate;

pub use bank::{Bank, Severity, can_resume};
pub use isolate::{Isolation, TakesAt, isolate};

#[cfg(test)]
mod tests;
