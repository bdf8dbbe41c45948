//! Little-endian fields of a table, read by offset.
//!
//! Firmware tables have no alignment and their lengths can't be trusted, so
//! casting them to structures is wrong twice. Here every field is copied out at
//! an offset that the specification's tables give, and one that lies outside
//! the slice is `None` rather than somebody else's byte.

/// Bytes of a firmware table, or of a structure in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Wraps these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes themselves.
    pub const fn as_slice(self) -> &'a [u8] {
        self.0
    }

    /// Returns the number of bytes.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no byte.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes from `offset` to the end; none if there are none.
    pub fn skip(self, offset: usize) -> Self {
        Self(self.0.get(offset..).unwrap_or_default())
    }

    /// Returns the first `len` bytes.
    pub fn first(self, len: usize) -> Option<Self> {
        self.0.get(..len).map(Self)
    }

    /// Returns the `N` bytes at `offset`.
    pub fn array<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }

    /// Returns the byte at `offset`.
    pub fn u8(self, offset: usize) -> Option<u8> {
        self.0.get(offset).copied()
    }

    /// Returns the 16-bit number at `offset`.
    pub fn u16(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// Returns the 32-bit number at `offset`.
    pub fn u32(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// Returns the 64-bit number at `offset`.
    pub fn u64(self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// Returns the sum of all bytes; tables are made so that it is zero.
    pub fn sum(self) -> u8 {
        self.0.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Bytes<'_> = Bytes::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);

    #[test]
    fn fields_are_little_endian_at_any_alignment() {
        assert_eq!(BYTES.u16(1), Some(0x0302));
        assert_eq!(BYTES.u32(3), Some(0x0706_0504));
        assert_eq!(BYTES.u64(1), Some(0x0908_0706_0504_0302));
    }

    #[test]
    fn a_field_that_ends_outside_is_none() {
        assert_eq!(BYTES.u8(9), None);
        assert_eq!(BYTES.u16(8), None);
        assert_eq!(BYTES.u64(2), None);
        assert_eq!(BYTES.u32(usize::MAX), None);
        assert!(BYTES.skip(10).is_empty());
    }
}
