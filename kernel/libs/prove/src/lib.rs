//! What a crash can leave on a persistent medium behind caches.
//!
//! The part of the proofs that does not care where stores, flushes and fences come
//! from: the scheduled machine of the proofs, or a trace of the kernel's instructions.

pub mod lines;
pub mod medium;
pub mod random;
pub mod remains;
