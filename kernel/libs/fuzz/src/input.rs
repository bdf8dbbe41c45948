//! An input as a sequence of values.
//!
//! What is missing at the end reads as zero, so that every input means something
//! and a shorter one means something simpler.

/// The rest of an input.
pub(crate) struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    /// Returns the whole input.
    pub(crate) const fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    /// Returns whether nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes up to `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes all that is left.
    pub(crate) fn rest(&mut self) -> &'d [u8] {
        self.bytes(usize::MAX)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// Takes a byte.
    pub(crate) fn u8(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Takes a little-endian number of two bytes.
    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Takes a little-endian number of eight bytes.
    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Takes an address or a length: a byte says in which unit the four that
    /// follow are, so that round ones are as likely as odd ones.
    pub(crate) fn amount(&mut self) -> u64 {
        let shift = [0, 12, 21, 30, 32, 44][usize::from(self.u8()) % 6];
        u64::from(u32::from_le_bytes(self.array())) << shift
    }
}

/// Makes inputs, for seeds: the counterpart of [`Input`].
#[derive(Default)]
pub(crate) struct Output(pub(crate) Vec<u8>);

impl Output {
    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// An amount of so many units of `1 << 12` bytes.
    pub(crate) fn pages(mut self, count: u32) -> Self {
        self.0.push(1);
        self.0.extend(count.to_le_bytes());
        self
    }
}
