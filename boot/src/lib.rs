//! The parts of the loaders that need no machine.
#![no_std]
