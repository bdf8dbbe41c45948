//! Allocators to compare with, in the same harness and the same binary.
//!
//! A figure says little by itself, and a figure from another program says less
//! than it seems: another timer, another loop, another compiler. So the rivals
//! are here, behind the same trait as the allocator under test, and as good as
//! their design allows: each structure names its counterpart in Linux, each cost
//! that Linux has and that is left out is named, and what a call has to cost is
//! explained in *C*, the time of one compare-exchange on a line that is already
//! in the processor's cache.
//!
//! * [`linux`]: zone lock, buddy lists, lists of free pages for each processor.
//! * [`control`]: no allocator at all, but the least that one with one atomic
//!   operation a call could cost; it shows how the machine itself scales.

mod buddy;
pub mod control;
pub mod linux;
mod page;

pub use page::Page;
