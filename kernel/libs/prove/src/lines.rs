//! Memory that starts at a cache line, as tables do.

use persist::LINE_BYTES;

/// Bytes that start at a line.
#[derive(Debug)]
pub struct Lines {
    bytes: Vec<u8>,
    len: usize,
}

impl Lines {
    /// So many bytes, all zero.
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len + LINE_BYTES];
        Self { bytes, len }
    }

    /// Returns the bytes.
    pub fn get(&mut self) -> &mut [u8] {
        let skip = self.bytes.as_ptr().align_offset(LINE_BYTES);
        &mut self.bytes[skip..][..self.len]
    }

    /// Returns them as words, but for those after the last whole one.
    pub fn words(&mut self) -> impl Iterator<Item = u64> {
        let words = self.get().as_chunks().0.iter();
        words.map(|&word| u64::from_ne_bytes(word))
    }

    /// Overwrites the bytes with words, as far as there are any.
    pub fn fill(&mut self, words: &[u64]) {
        for (bytes, word) in self.get().as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_ne_bytes();
        }
    }
}
