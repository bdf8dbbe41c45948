//! The allocator as its users see it.
//!
//! One binary: what the modules share is built once.

mod ahead;
mod batch;
mod class_races;
mod classes;
mod common;
mod debts;
mod flushes;
mod giant;
mod giant_crash;
mod golden;
mod interleavings;
mod media;
mod media_crash;
mod medium;
mod model;
mod modes;
mod nodes;
mod nudge;
mod offline;
mod reclaim;
mod reconcile;
mod recovering;
mod recovery;
mod region;
mod reserve;
mod roots;
mod stats;
mod stress;
mod traps;
mod work;
