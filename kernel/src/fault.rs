//! Breaking down on purpose.
//!
//! The host has to tell a panic, a hang and a machine that switches off without
//! a word from one another and from success. Its tests ask for each.

use options::Fault;

use crate::{arch::cpu, exit};

/// Breaks down as asked.
pub(crate) fn inject(fault: Fault) {
    match fault {
        Fault::None => {}
        Fault::Panic => panic!("asked for on the command line"),
        Fault::Hang => cpu::stop(),
        Fault::Silent => exit::power_off(),
    }
}
