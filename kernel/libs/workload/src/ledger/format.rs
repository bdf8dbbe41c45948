//! Making a ledger, and finding one.

use core::sync::atomic::{AtomicU64, Ordering};

use crc::{CRC_64_XZ, Crc};
use frame::FrameId;

use super::intent::MAX_FRAMES;
use super::{Config, Ledger, LedgerError, MAX_CPUS, Medium, Owner};

const LINE_WORDS: usize = 8;
const PROGRESS: usize = LINE_WORDS;
const RESULTS: usize = 2 * LINE_WORDS;
pub(super) const RESULT_LINES: usize = 16;
const INTENTS: usize = RESULTS + RESULT_LINES * LINE_WORDS;
const OWNERS: usize = INTENTS + MAX_CPUS * LINE_WORDS;

const _: () = assert!(INTENTS == 144 && OWNERS == 1168, "the module's table");

/// `PERLEDGR`, read as a little-endian word.
const MAGIC: u64 = u64::from_le_bytes(*b"PERLEDGR");
const VERSION: u64 = 1;

impl<'a, M: Medium> Ledger<'a, M> {
    /// Makes a new ledger in which nobody owns anything.
    ///
    /// # Errors
    ///
    /// The memory is too short, or there are too many frames.
    pub fn format(words: &'a [AtomicU64], config: &Config, medium: M) -> Result<Self, LedgerError> {
        let ledger = Self::within(words, config.frames as u64, medium)?;
        // A ledger that is only half erased must not be found by its magic
        // number, so that goes first and comes last.
        ledger.set(&ledger.words[..1], &[0]);
        ledger
            .words
            .iter()
            .for_each(|w| w.store(0, Ordering::Relaxed));
        ledger.medium.settle(ledger.words);

        let body = [
            VERSION,
            config.frames as u64,
            config.epoch,
            config.seed,
            u64::from(config.cycles),
            MAX_CPUS as u64,
        ];
        ledger.set(&ledger.words[1..7], &body);
        ledger.set(&ledger.words[7..8], &[checksum(&body)]);
        ledger.set(&ledger.words[..1], &[MAGIC]);
        Ok(ledger)
    }

    /// Finds the ledger that was formatted here.
    ///
    /// # Errors
    ///
    /// There is none, or none that can be trusted.
    pub fn open(words: &'a [AtomicU64], medium: M) -> Result<Self, LedgerError> {
        let too_short = LedgerError::TooShort {
            needed: Ledger::bytes(0) as u64,
            given: size_of_val(words) as u64,
        };
        let header = words.get(..LINE_WORDS).ok_or(too_short)?;
        let [magic, body @ .., stored] = load::<LINE_WORDS>(header);
        let [version, frames, ..] = body;
        if magic != MAGIC {
            return Err(LedgerError::NotFormatted { found: magic });
        }
        if version != VERSION {
            return Err(LedgerError::UnknownVersion { found: version });
        }
        let computed = checksum(&body);
        if stored != computed {
            return Err(LedgerError::Checksum { stored, computed });
        }
        Self::within(words, frames, medium)
    }

    /// Cuts the memory to the length of a ledger of so many frames.
    fn within(words: &'a [AtomicU64], frames: u64, medium: M) -> Result<Self, LedgerError> {
        let too_many = LedgerError::TooManyFrames { frames };
        let count = usize::try_from(frames).map_err(|_| too_many)?;
        if count > MAX_FRAMES {
            return Err(too_many);
        }
        let needed = Ledger::bytes(count);
        let given = size_of_val(words);
        let words = words
            .get(..needed / size_of::<u64>())
            .ok_or(LedgerError::TooShort {
                needed: needed as u64,
                given: given as u64,
            })?;
        Ok(Self {
            words,
            frames: count,
            medium,
        })
    }

    /// Stores words one after the other and settles them.
    // Release: whoever sees one of them, also sees what this processor wrote
    // before, such as the other words of the line.
    pub(super) fn set(&self, words: &[AtomicU64], values: &[u64]) {
        let pairs = words.iter().zip(values);
        pairs.for_each(|(word, &value)| word.store(value, Ordering::Release));
        self.medium.settle(words);
    }
}

impl Ledger<'_> {
    /// Returns the size of the ledger of a zone in bytes, a multiple of a line.
    pub const fn bytes(frames: usize) -> usize {
        (OWNERS + frames.next_multiple_of(LINE_WORDS)) * size_of::<u64>()
    }
}

impl<M> Ledger<'_, M> {
    /// Returns the number of frames that it accounts for.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Returns what its owner word says about a frame.
    ///
    /// # Panics
    ///
    /// Panics if the frame is not of this zone.
    pub fn owner(&self, frame: FrameId) -> Owner {
        // Acquire pairs with the worker's store: whoever sees a block owned sees
        // its stamp.
        Owner::decode(self.owner_word(frame).load(Ordering::Acquire))
    }

    pub(super) fn owner_word(&self, frame: FrameId) -> &AtomicU64 {
        &self.words[OWNERS..][..self.frames][frame.0]
    }

    pub(super) fn intent_words(&self, cpu: usize) -> &[AtomicU64] {
        &self.words[INTENTS + cpu * LINE_WORDS..][..LINE_WORDS]
    }

    pub(super) fn header_words(&self) -> &[AtomicU64] {
        &self.words[..LINE_WORDS]
    }

    pub(super) fn progress_words(&self) -> &[AtomicU64] {
        &self.words[PROGRESS..][..1]
    }

    pub(super) fn result_words(&self, line: usize) -> &[AtomicU64] {
        &self.words[RESULTS + line * LINE_WORDS..][..LINE_WORDS]
    }
}

pub(super) fn load<const N: usize>(words: &[AtomicU64]) -> [u64; N] {
    core::array::from_fn(|index| words[index].load(Ordering::Acquire))
}

fn checksum(body: &[u64; 6]) -> u64 {
    const CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);
    let mut digest = CRC.digest();
    body.iter()
        .for_each(|word| digest.update(&word.to_le_bytes()));
    digest.finalize()
}
