//! From firmware to [`bootloader_api::BootInfo`]: what both loaders share.
//!
//! The UEFI application and the PVH stub differ in how they find memory, the
//! kernel file and the command line. From there on they do the same: check the
//! kernel ([`elf`]), lay out the address space ([`layout`], [`paging`]), convert
//! the firmware's memory map ([`regions`]) and jump ([`handoff`]). All of it
//! works on byte slices, so that it can be tested without a machine; `unsafe` is
//! confined to [`cpu`], [`handoff`] and [`serial`].
#![no_std]

#[forbid(unsafe_code)]
pub mod arena;
pub mod cpu;
#[forbid(unsafe_code)]
pub mod elf;
pub mod handoff;
#[forbid(unsafe_code)]
pub mod layout;
#[forbid(unsafe_code)]
pub mod load;
#[forbid(unsafe_code)]
pub mod paging;
#[forbid(unsafe_code)]
pub mod pvh;
#[forbid(unsafe_code)]
pub mod regions;
pub mod serial;

#[cfg(test)]
mod testing;

/// Bytes in a page, the unit of everything that a loader maps.
pub const PAGE_SIZE: u64 = frame::FRAME_SIZE as u64;

/// Returns how many pages `len_bytes` bytes need.
pub const fn pages(len_bytes: u64) -> u64 {
    len_bytes.div_ceil(PAGE_SIZE)
}
