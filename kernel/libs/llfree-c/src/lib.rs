//! The allocator `llfree` for kernels in C.
//!
//! A kernel in C has the same two things to give as one in Rust, memory for the
//! tables and a processor number, and wants the same things back. So this crate
//! adds no policy and no state: each function translates its arguments, calls
//! the one of the same name, and turns the outcome into a [`Code`]. What Rust
//! checks by types (one handle a processor, no use after the end) is written
//! down as numbered obligations with each function.
//!
//! The header `include/llfree.h` is generated from these sources, and a test
//! holds one against the other. The README has the command that makes the static
//! library.
//!
//! Unsafe code, all of it at the boundary: `memory` makes Rust memory of what C
//! gives, `zone`, `local`, `class` and `query` trust the pointers that C passes back, `panic` calls
//! out when this code is wrong.
#![no_std]

mod any;
mod class;
mod code;
mod local;
mod memory;
#[cfg(panic_handler)]
mod panic;
mod query;
mod zone;

pub use class::{Class, ClassStats, llfree_count_class, llfree_get_as};
pub use code::{Code, llfree_text};
pub use local::{
    Local, llfree_drain, llfree_get, llfree_get_at, llfree_local_close, llfree_local_open,
    llfree_put,
};
pub use memory::{Config, Domain, Layout, Memory, llfree_measure};
pub use query::{
    Inconsistency, InconsistencyKind, Stats, llfree_count, llfree_is_allocated, llfree_is_free,
    llfree_validate,
};
pub use zone::{Recovery, Zone, llfree_close, llfree_create, llfree_recover};
