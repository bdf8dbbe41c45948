//! Where things go in the kernel's virtual address space.
//!
//! A kernel fixes some addresses (its own, and any [`Mapping::FixedAddress`]) and
//! leaves the others to the loader. Those are placed at the start of level 4
//! entries that nothing else uses, so that they can neither collide nor grow
//! into each other, and a kernel finds the entries in between free.

use core::fmt;

use bootloader_api::config::{Mapping, Mappings};
use x86_64::VirtAddr;

use crate::PAGE_SIZE;

/// Bytes behind one entry of a level 4 table.
const SLOT: u64 = 1 << 39;
const SLOTS: usize = 512;

/// What is taken in the address space.
pub struct Layout {
    taken: [bool; SLOTS],
}

/// Why something found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// No run of free entries is long enough.
    Full {
        /// Bytes that were to be placed.
        len_bytes: u64,
    },
    /// The kernel wants it at an address that can not be mapped.
    BadAddress {
        /// The address in the kernel's configuration.
        address: u64,
        /// Bytes that were to be placed.
        len_bytes: u64,
    },
}

impl Layout {
    /// Returns a layout in which all is free that `mappings` permits for dynamic
    /// addresses, save the entry of the null pointer.
    pub fn new(mappings: &Mappings) -> Self {
        let low = mappings.dynamic_range_start.unwrap_or(0);
        let high = mappings.dynamic_range_end.unwrap_or(u64::MAX);
        let mut taken = [true; SLOTS];
        for (slot, taken) in (1..).zip(taken.iter_mut().skip(1)) {
            let start = slot_start(slot);
            *taken = start < low || start + (SLOT - 1) > high;
        }
        Self { taken }
    }

    /// Marks the addresses from `start` on as taken.
    pub fn reserve(&mut self, start: VirtAddr, len_bytes: u64) {
        let last = start.as_u64().saturating_add(len_bytes.saturating_sub(1));
        for slot in slot_of(start.as_u64())..=slot_of(last) {
            self.taken[slot] = true;
        }
    }

    /// Returns the address where `mapping` wants `len_bytes` bytes to be.
    ///
    /// # Errors
    ///
    /// [`LayoutError`]
    pub fn place(&mut self, mapping: Mapping, len_bytes: u64) -> Result<VirtAddr, LayoutError> {
        let start = match mapping {
            Mapping::FixedAddress(address) => fixed(address, len_bytes)?,
            Mapping::Dynamic => self.find(len_bytes)?,
        };
        self.reserve(start, len_bytes);
        Ok(start)
    }

    /// Returns the first run of free entries, the upper half first: the lower
    /// one is where null pointers with an offset, and their victims, are.
    fn find(&self, len_bytes: u64) -> Result<VirtAddr, LayoutError> {
        let wanted = usize::try_from(len_bytes.div_ceil(SLOT).max(1)).unwrap_or(usize::MAX);
        let half = self.taken.len() / 2;
        for slots in [half..self.taken.len(), 0..half] {
            let mut free = 0;
            for slot in slots {
                free = if self.taken[slot] { 0 } else { free + 1 };
                if free == wanted {
                    return Ok(VirtAddr::new(slot_start((slot + 1 - wanted) as u64)));
                }
            }
        }
        Err(LayoutError::Full { len_bytes })
    }
}

fn fixed(address: u64, len_bytes: u64) -> Result<VirtAddr, LayoutError> {
    let last = address.checked_add(len_bytes.saturating_sub(1));
    VirtAddr::try_new(address)
        .ok()
        .filter(|start| start.is_aligned(PAGE_SIZE))
        .filter(|start| last.is_some_and(|last| last >> 47 == start.as_u64() >> 47))
        .ok_or(LayoutError::BadAddress { address, len_bytes })
}

/// Returns the first address behind a level 4 entry, sign-extended.
fn slot_start(slot: u64) -> u64 {
    VirtAddr::new_truncate(slot * SLOT).as_u64()
}

fn slot_of(address: u64) -> usize {
    usize::from(VirtAddr::new_truncate(address).p4_index())
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { len_bytes } => {
                write!(f, "no room for {len_bytes:#x} bytes in the address space")
            }
            Self::BadAddress { address, len_bytes } => {
                write!(f, "{len_bytes:#x} bytes can not be mapped at {address:#x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGHER_HALF: u64 = 0xffff_8000_0000_0000;

    fn layout() -> Layout {
        Layout::new(&Mappings::new_default())
    }

    #[test]
    fn dynamic_places_do_not_share_an_entry() {
        let mut layout = layout();
        let first = layout.place(Mapping::Dynamic, SLOT + 1).unwrap();
        let second = layout.place(Mapping::Dynamic, 1).unwrap();
        assert_eq!(first.as_u64(), HIGHER_HALF);
        assert_eq!(second - first, 2 * SLOT);
    }

    #[test]
    fn a_dynamic_place_avoids_what_is_reserved() {
        let mut layout = layout();
        layout.reserve(VirtAddr::new(HIGHER_HALF + SLOT), 1);
        let big = layout.place(Mapping::Dynamic, 2 * SLOT).unwrap();
        assert_eq!(big.as_u64(), HIGHER_HALF + 2 * SLOT);
    }

    #[test]
    fn the_dynamic_range_is_respected_and_null_never_used() {
        let mut mappings = Mappings::new_default();
        mappings.dynamic_range_end = Some(3 * SLOT - 1);
        let mut layout = Layout::new(&mappings);
        assert_eq!(layout.place(Mapping::Dynamic, 1).unwrap().as_u64(), SLOT);
        assert_eq!(
            layout.place(Mapping::Dynamic, 1).unwrap().as_u64(),
            2 * SLOT
        );
        let full = LayoutError::Full { len_bytes: 1 };
        assert_eq!(layout.place(Mapping::Dynamic, 1), Err(full));
    }

    #[test]
    fn a_fixed_address_must_be_mappable() {
        for (address, len_bytes) in [
            (0x1001, 1),
            (0x8000_0000_0000, 1),
            (0x7fff_ffff_f000, 0x2000),
            (u64::MAX - 0xfff, 0x2000),
        ] {
            let bad = LayoutError::BadAddress { address, len_bytes };
            assert_eq!(
                layout().place(Mapping::FixedAddress(address), len_bytes),
                Err(bad)
            );
        }
        let good = layout().place(Mapping::FixedAddress(0x4000), 0x1000);
        assert_eq!(good, Ok(VirtAddr::new(0x4000)));
    }
}
