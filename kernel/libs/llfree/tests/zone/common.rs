//! What the tests share: memory, randomness, and an oracle that knows who owns
//! what.
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU8, Ordering};

use frame::{FrameId, Order};
use llfree::{Memory, Zone};
use persist::Persist;

/// Returns an order that exists.
pub(crate) fn order(exponent: u8) -> Order {
    Order::new(exponent).expect("an order up to 18")
}

/// Bytes that start at a cache line.
pub(crate) struct Bytes {
    raw: Vec<u8>,
    len: usize,
}

impl Bytes {
    /// Returns bytes that all have this value.
    pub(crate) fn filled(len: usize, value: u8) -> Self {
        let raw = vec![value; len + 63];
        Self { raw, len }
    }

    fn start(&self) -> usize {
        self.raw.as_ptr().align_offset(64)
    }
}

impl Clone for Bytes {
    /// Not derived: the copy begins elsewhere in its buffer.
    fn clone(&self) -> Self {
        let mut copy = Self::filled(self.len, 0);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.raw[self.start()..][..self.len]
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.start();
        &mut self.raw[start..][..self.len]
    }
}

/// The memory of a zone.
pub(crate) struct Tables {
    pub(crate) lower: Bytes,
    pub(crate) upper: Bytes,
}

impl Tables {
    /// Returns memory for a zone, full of noise.
    pub(crate) fn new<const WORDS: usize, const TREE: usize>(frames: usize, cpus: usize) -> Self {
        let layout = Zone::<'_, persist::Volatile, WORDS, TREE>::layout(frames, cpus);
        Self {
            lower: Bytes::filled(layout.lower_bytes, 0xa5),
            upper: Bytes::filled(layout.upper_bytes, 0x5a),
        }
    }

    /// Lends the memory to a zone.
    pub(crate) fn memory(&mut self) -> Memory<'_> {
        Memory {
            lower: &mut self.lower,
            upper: &mut self.upper,
        }
    }
}

/// Numbers that look random and follow from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns the next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("fits, being below `end`")
    }

    /// Returns a number up to and including `max`, small ones more often.
    pub(crate) fn order(&mut self, max: u8) -> Order {
        let most = u8::try_from(self.below(usize::from(max) + 1)).expect("at most `max`");
        order(u8::try_from(self.below(usize::from(most) + 1)).expect("at most `max`"))
    }

    /// Removes a random element.
    pub(crate) fn pick<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        (!from.is_empty()).then(|| {
            let index = self.below(from.len());
            from.swap_remove(index)
        })
    }
}

/// Who owns each frame, according to those who took them.
pub(crate) struct Oracle(Vec<AtomicU8>);

impl Oracle {
    pub(crate) fn new(frames: usize) -> Self {
        Self((0..frames).map(|_| AtomicU8::new(0)).collect())
    }

    /// Notes that a block was handed out; false if any frame of it already was.
    #[must_use]
    pub(crate) fn claim(&self, frame: FrameId, order: Order) -> bool {
        let block = &self.0[frame.0..][..order.frames()];
        block
            .iter()
            .all(|owned| owned.swap(1, Ordering::AcqRel) == 0)
    }

    /// Notes that a block is about to be returned.
    pub(crate) fn release(&self, frame: FrameId, order: Order) {
        for owned in &self.0[frame.0..][..order.frames()] {
            assert_eq!(
                owned.swap(0, Ordering::AcqRel),
                1,
                "the test returns what it owns"
            );
        }
    }

    /// Whether a frame is handed out.
    pub(crate) fn owns(&self, frame: FrameId) -> bool {
        self.0[frame.0].load(Ordering::Acquire) == 1
    }

    /// Returns the number of frames that are handed out.
    pub(crate) fn owned(&self) -> usize {
        self.0
            .iter()
            .filter(|owned| owned.load(Ordering::Acquire) == 1)
            .count()
    }

    /// Holds the allocator's view against this one, frame by frame.
    pub(crate) fn compare<P: Persist, const WORDS: usize, const TREE: usize>(
        &self,
        zone: &Zone<'_, P, WORDS, TREE>,
    ) {
        for (index, owned) in self.0.iter().enumerate() {
            let owned = owned.load(Ordering::Acquire) == 1;
            assert_eq!(zone.is_allocated(FrameId(index)), owned, "frame {index:#x}");
        }
        assert_eq!(zone.stats().free, self.0.len() - self.owned());
        assert_eq!(zone.validate(), Ok(()));
    }
}
