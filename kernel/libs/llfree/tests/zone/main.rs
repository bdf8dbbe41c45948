//! The allocator as its users see it.
//!
//! One binary: what the modules share is built once.

mod common;
mod model;
