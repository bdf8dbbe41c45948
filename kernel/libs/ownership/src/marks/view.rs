//! Foreign bytes, read from where a format starts.

/// A range, seen from where a format may start.
#[derive(Clone, Copy)]
pub(super) struct View<'r> {
    /// The whole range.
    pub(super) range: &'r [u8],
    /// Where the format starts in it.
    pub(super) start: usize,
}

impl View<'_> {
    /// Returns whether these bytes are there.
    pub(super) fn has(self, at: usize, bytes: &[u8]) -> bool {
        let offset = self.start.checked_add(at);
        let found = offset.and_then(|offset| self.range.get(offset..));
        found.is_some_and(|found| found.starts_with(bytes))
    }

    /// Returns a little-endian number, zero beyond the end.
    pub(super) fn le16(self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    /// Returns a little-endian number, zero beyond the end.
    pub(super) fn le32(self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    /// Returns a big-endian number, zero beyond the end.
    pub(super) fn be16(self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    /// Returns a big-endian number, zero beyond the end.
    pub(super) fn be32(self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    /// Returns a byte, zero beyond the end.
    pub(super) fn byte(self, at: usize) -> u8 {
        self.array::<1>(at)[0]
    }

    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let offset = self.start.checked_add(at);
        let rest = offset.and_then(|offset| self.range.get(offset..));
        let found = rest.and_then(|rest| rest.first_chunk::<N>());
        found.copied().unwrap_or([0; N])
    }
}
