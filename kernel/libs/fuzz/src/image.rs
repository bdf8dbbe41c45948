//! A piece of physical memory.

use firmware::Physical;
use frame::PhysAddr;

/// Bytes that lie at an address; nothing else can be read.
pub(crate) struct Image {
    /// The address of the first byte.
    pub(crate) start: u64,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Image {
    /// Returns an empty piece.
    pub(crate) fn at(start: u64) -> Self {
        let bytes = Vec::with_capacity(16 << 10);
        Self { start, bytes }
    }

    /// Returns the address after the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Returns `len` bytes at an address.
    pub(crate) fn get(&self, start: u64, len: usize) -> Option<&[u8]> {
        let offset = usize::try_from(start.checked_sub(self.start)?).ok()?;
        self.bytes.get(offset..offset.checked_add(len)?)
    }
}

impl Physical for Image {
    fn read(&self, start: PhysAddr, len_bytes: usize) -> Option<&[u8]> {
        self.get(start.0, len_bytes)
    }
}

/// Makes the bytes add up to zero by changing the one at `at`.
pub(crate) fn fix_sum(bytes: &mut [u8], at: usize) {
    if at < bytes.len() {
        bytes[at] = 0;
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = sum.wrapping_neg();
    }
}

/// Gives a table its true length and checksum.
pub(crate) fn fix_table(table: &mut [u8]) {
    if let (Ok(len), Some(field)) = (u32::try_from(table.len()), table.get_mut(4..8)) {
        field.copy_from_slice(&len.to_le_bytes());
        fix_sum(table, 9);
    }
}
