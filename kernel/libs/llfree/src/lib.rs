//! A lock- and log-free page-frame allocator whose lower tables can live in
//! persistent memory.
//!
//! A kernel that keeps its page frames in persistent memory has to know, after
//! any crash, which of them are in use. LLFree (Wrenger et al., USENIX ATC 2023)
//! answers that without a log and without a lock: its whole hard state is one
//! bit a frame and one small entry a huge frame, and each step from one valid
//! state to the next is a single compare-exchange. Whatever a crash leaves
//! behind is a valid state; recovery counts bits.
//!
//! ```text
//! Local   one a processor   which trees and rows it takes from      not shared
//! upper   one word a tree   how many frames are free, who uses it   DRAM, rebuilt at boot
//! lower   one entry (u16) and one line of bits (512) a huge frame,  DRAM or persistent memory
//!         one line a processor: what it holds
//! ```
//!
//! A [`Zone`] owns the tables of one range of frames, in memory that the caller
//! gives it; nothing is allocated here. All its methods take `&self`. Frames are
//! taken and returned through a [`Local`], of which each processor has its own.
//! Orders 0 to [`Zone::MAX_ORDER`] are served, up to half a huge frame from the
//! bits, a huge frame (2 MiB) and a pair of them from the entries alone; and
//! [`Zone::GIANT_ORDER`], giant frames (1 GiB), by a word of their own.
//!
//! ```
//! use frame::Order;
//! use llfree::{Layout, Memory, Zone};
//! use persist::Volatile;
//!
//! #[repr(align(64))]
//! struct Tables([u8; 4096]);
//! let (mut lower, mut upper) = (Tables([0; 4096]), Tables([0; 4096]));
//!
//! let frames = 4 * 512; // 8 MiB
//! let size = Layout::for_frames(frames, 1);
//! let memory = Memory {
//!     lower: &mut lower.0[..size.lower_bytes],
//!     upper: &mut upper.0[..size.upper_bytes],
//! };
//! let zone: Zone<'_, Volatile> = Zone::create(frames, 1, memory, Volatile).unwrap();
//! let mut local = zone.local(0).unwrap();
//! let frame = local.get(Order::FRAME).unwrap();
//! let huge = local.get(Order::HUGE).unwrap();
//! assert_eq!(zone.stats().free, frames - 1 - 512);
//! local.put(frame, Order::FRAME).unwrap();
//! local.put(huge, Order::HUGE).unwrap();
//! ```
//!
//! The invariant that everything rests on: *a count is taken before the bits it
//! stands for, and given back after them*, on both levels. So a tree never
//! promises more than its entries hold, an entry never more than its bits.
//!
//! The only unsafe code is in `cell`, caller-owned bytes seen as atomic words, and
//! in `popcnt`, an instruction that not every processor has.
#![no_std]
#![deny(unsafe_code)]

mod batch;
mod booking;
mod cell;
mod claim;
mod class;
mod debt;
mod doubt;
mod durable;
mod entry;
mod error;
mod giant;
mod hint;
mod layout;
mod local;
mod lower;
pub mod media;
#[cfg(mutant = "any")]
pub mod mutant;
#[cfg(not(mutant = "any"))]
mod mutant;
mod name;
pub mod nodes;
mod offline;
mod policy;
mod popcnt;
mod promise;
mod query;
mod reclaim;
mod reconcile;
mod recovering;
mod row;
mod shape;
mod slot;
mod tree;
mod validate;
#[cfg(feature = "x86_64")]
pub mod x86_64;
mod zone;

pub use batch::Partial;
pub use class::{Class, Occupied, Policy, Verdict, gives_way};
pub use doubt::{Fate, ResolveError};
pub use durable::{Synced, Unpersisted};
pub use error::{GetError, LocalError, PutError, ReserveError, ZoneError};
pub use layout::{Layout, Memory};
pub use local::{DoubleFrees, Environment, Local, Reservation, Unreachable};
pub use lower::Recovery;
pub use offline::{OfflineError, OnlineError};
pub use query::{ClassStats, HugeState, Stats, TreeStats};
pub use reclaim::{Backing, Reclaim, ReclaimError, ReturnError};
pub use reconcile::Reconciled;
pub use recovering::{Incomplete, Recovering};
pub use validate::Inconsistency;
pub use zone::{Claims, Zone};

/// The examples of the README, run like all others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
