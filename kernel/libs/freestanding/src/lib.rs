//! The C symbols that a freestanding image must bring along.
//!
//! The host target's precompiled `core` expects a C library: it calls `memcpy`
//! and its relatives, and names an unwinder that never runs because our images
//! abort on panic. Kernel and loaders have neither, so this crate supplies the
//! symbols, once; an image links it with `use freestanding as _`.
//!
//! Every body is assembly. A loop in Rust could be recognised by the optimiser
//! as a memory operation and compiled into a call to itself.
#![no_std]

pub mod mem;
pub mod unwind;
