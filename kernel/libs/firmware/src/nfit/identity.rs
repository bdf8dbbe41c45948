//! A name for a range that outlives its address.
//!
//! Firmware may map the same devices elsewhere after a DIMM was added, so what
//! is known about a range can't hang on its base. Its name is a hash of what
//! makes up the set of devices behind it: their serial numbers and which part
//! of each lies where in the range (the idea of the interleave set cookie in
//! Linux's `libnvdimm`), together with length and use of the range. Handles
//! stay out: they are numbers of slots.
//!
//! The value is written to media. It must never change for the same input; a
//! test pins it for known tables.

use core::fmt;

use frame::PhysRange;

use super::structure::{Control, Map, Range};

/// The name of a range, printed as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct RegionId(pub u64);

impl RegionId {
    /// Returns a name for memory that has nothing but its addresses, such as
    /// DRAM that stands in for persistent memory.
    pub fn of_addresses(range: PhysRange) -> Self {
        let hash = Fnv::START.number(range.start().0);
        Self(hash.number(range.len_bytes()).finish())
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "region:{self}")
    }
}

/// Gathers what makes up a range.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    range: u64,
    /// Maps come in any order, so their hashes are added.
    maps: u64,
}

impl Identity {
    /// Starts with the range itself.
    pub fn new(range: &Range) -> Self {
        let hash = Fnv::START.bytes(&range.guid).number(range.len_bytes);
        let range = hash.finish();
        Self { range, maps: 0 }
    }

    /// Adds a part of a device, and what the device is if that is known.
    pub fn add(&mut self, map: &Map, control: Option<&Control>) {
        let mut hash = Fnv::START
            .number(map.region_offset)
            .number(map.region_len)
            .number(map.device_base);
        if let Some(control) = control {
            hash = hash
                .number(control.vendor.into())
                .number(control.device.into())
                .number(control.serial.into());
            if let Some(made) = control.made {
                hash = hash.number(made.location.into()).number(made.date.into());
            }
        }
        self.maps = self.maps.wrapping_add(hash.finish());
    }

    /// Returns the name.
    pub fn finish(self) -> RegionId {
        let hash = Fnv::START.number(self.range).number(self.maps);
        RegionId(hash.finish())
    }
}

/// The hash FNV-1a with 64 bits.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    fn bytes(self, bytes: &[u8]) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Spreads the bits (the finaliser of SplitMix64), so that sums of hashes
    /// don't keep their patterns.
    fn finish(self) -> u64 {
        let hash = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ hash >> 31
    }
}
