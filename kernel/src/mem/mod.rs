//! Memory: where physical bytes become visible, and who may touch them.
//!
//! Physical memory is reached in two ways. The loader's direct map shows all of
//! it at once and belongs to nobody; it serves for page tables, firmware tables
//! and the frames of the DRAM zones. Everything that has an owner with a
//! lifetime of its own (a persistent range, a stack, a device) is mapped apart,
//! in a window, with exactly the rights that it needs.
//!
//! Neither yields a reference. That is the business of [`claim`] alone.

pub(crate) mod claim;
mod direct_map;
mod mapper;
mod window;

pub(crate) use crate::arch::paging::{Access, FrameSource, MapError};
pub(crate) use direct_map::{DirectMap, FirmwareMemory};
pub(crate) use mapper::{Mapped, Mapper};
pub(crate) use window::Window;
