//! Lending free huge frames to a hypervisor, and knowing when they need memory again.
//!
//! A guest's free memory is of use to its host, if the host can find it and the guest
//! notices before it touches it (HyperAlloc, EuroSys 2025). Two bits a huge frame say
//! what the host has done, in ordinary memory of the caller's:
//!
//! | | the guest sees | bits |
//! |---|---|---|
//! | installed | as ever | none |
//! | soft reclaimed | free; to be installed by who gets a part of it | evicted |
//! | hard reclaimed | offline: see [`Zone::offline_huge`] | evicted, hard |
//!
//! ```text
//!            reclaim_soft                 reclaim_hard
//! installed ─────────────► soft reclaimed ◄─────────── … ─► hard reclaimed
//!     ▲                         │      ▲                          │
//!     └───── install ◄── get ───┘      └────── return_hard ───────┘
//! ```
//!
//! # Who may do what when
//!
//! * Backing is only removed while the huge frame is offline, so nobody uses it: a
//!   soft reclaim takes it for that moment, and the bit is set before it comes back.
//! * An evicted bit is only cleared by somebody who owns a part of the huge frame, after
//!   the backing is there. As long as they own it, it is not entirely free, so it can't
//!   be evicted again.
//! * Two who get parts of one evicted huge frame may both ask for its backing: each
//!   must not go on before it is there. So asking twice has to be harmless.
//!
//! The bit is set before the entry becomes a count, and read after a count was taken
//! from it: both are updates of the entry, the second one acquires what the first one
//! has released.
//!
//! The bits are lost in a crash, and what is hard reclaimed is offline after it: the
//! caller, who knows what has backing, begins with [`Backing`] and
//! [`Zone::online_huge`].

use core::fmt;

use frame::{FrameId, Order};
use persist::Persist;

use crate::cell::{CELL_BYTES, Cell, cells};
use crate::offline::OnlineError;
use crate::shape::Shape;
use crate::zone::Zone;

/// Huge frames whose bits share a word.
const BITS: usize = u64::BITS as usize;

/// Whether frames have memory behind them to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// All of them.
    Installed,
    /// None: the first get in each huge frame has to install it.
    Evicted,
}

/// Why the bits have no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReclaimError {
    /// The memory does not start at a multiple of 8 bytes.
    Misaligned {
        /// Address of the first byte.
        address: usize,
    },
    /// The memory is too short.
    TooShort {
        /// Bytes that the bits need.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
}

impl fmt::Display for ReclaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Misaligned { address } => {
                write!(
                    f,
                    "bits at {address:#x} do not start at a multiple of 8 bytes"
                )
            }
            Self::TooShort { needed, given } => {
                write!(f, "bits need {needed} bytes, {given} were given")
            }
        }
    }
}

impl core::error::Error for ReclaimError {}

/// Why a huge frame could not be returned to the guest. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReturnError {
    /// It is not hard reclaimed.
    NotReclaimed {
        /// Frame that was given.
        frame: FrameId,
    },
    /// It was, but the guest has put it online by itself.
    Online {
        /// Frame that was given.
        frame: FrameId,
    },
}

impl fmt::Display for ReturnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotReclaimed { frame } => {
                write!(f, "the huge frame at frame {frame} is not hard reclaimed")
            }
            Self::Online { frame } => {
                write!(f, "the huge frame at frame {frame} is online already")
            }
        }
    }
}

impl core::error::Error for ReturnError {}

/// What a hypervisor has taken of a zone.
pub struct Reclaim<'z, 'm, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    zone: &'z Zone<'m, P, WORDS, TREE>,
    evicted: &'z [Cell],
    hard: &'z [Cell],
}

impl<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> Reclaim<'z, 'm, P, WORDS, TREE> {
    /// Returns how much memory the bits of a zone need.
    pub const fn bytes_for(zone: &Zone<'m, P, WORDS, TREE>) -> usize {
        2 * zone.huge_frames().div_ceil(BITS) * CELL_BYTES
    }

    /// Begins with all huge frames in one state; what the memory holds does not matter.
    ///
    /// # Errors
    ///
    /// Returns [`ReclaimError`] if the memory does not fit.
    pub fn new(
        zone: &'z Zone<'m, P, WORDS, TREE>,
        memory: &'z mut [u8],
        backing: Backing,
    ) -> Result<Self, ReclaimError> {
        let (needed, given) = (Self::bytes_for(zone), memory.len());
        if given < needed {
            return Err(ReclaimError::TooShort { needed, given });
        }
        let address = memory.as_ptr().addr();
        let bits = cells(memory, CELL_BYTES).ok_or(ReclaimError::Misaligned { address })?;
        let (evicted, hard) = bits[..needed / CELL_BYTES].split_at(needed / CELL_BYTES / 2);
        let initial = match backing {
            Backing::Installed => 0,
            Backing::Evicted => u64::MAX,
        };
        evicted
            .iter()
            .for_each(|word| word.store(&zone.persist, initial));
        hard.iter().for_each(|word| word.store(&zone.persist, 0));
        Ok(Self {
            zone,
            evicted,
            hard,
        })
    }

    /// Takes a free huge frame out of the guest's hands, searching upwards from `start`
    /// and around. Its backing may be removed when this returns.
    pub fn reclaim_hard(&self, start: FrameId) -> Option<FrameId> {
        let huge = self.search(start, |_| true)?;
        // In this order: what can be returned is known to have no backing.
        self.set(self.evicted, huge);
        self.set(self.hard, huge);
        Some(Self::first_of(huge))
    }

    /// Returns a huge frame to the guest: free, but still without backing.
    ///
    /// # Errors
    ///
    /// Returns [`ReturnError`] if `frame` is not the first one of a huge frame that is
    /// hard reclaimed.
    pub fn return_hard(&self, frame: FrameId) -> Result<(), ReturnError> {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        let word = self.hard.get(huge / BITS);
        let is_first = frame == Self::first_of(huge);
        // Of several who try, one finds the bit set.
        if !is_first || !word.is_some_and(|word| word.clear_bit(&self.zone.persist, huge % BITS)) {
            return Err(ReturnError::NotReclaimed { frame });
        }
        let online = self.zone.online_huge(huge);
        online.map_err(|_: OnlineError| ReturnError::Online { frame })
    }

    /// Removes the backing of a free huge frame that has some, with `evict`, and leaves
    /// it free. Searches upwards from `start` and around.
    ///
    /// While `evict` runs, the guest can't use the huge frame, and misses it in a search.
    pub fn reclaim_soft(&self, start: FrameId, evict: impl FnOnce(FrameId)) -> Option<FrameId> {
        let huge = self.search(start, |huge| !self.is_set(self.evicted, huge))?;
        let frame = Self::first_of(huge);
        self.set(self.evicted, huge);
        evict(frame);
        // Refused only if the guest has put it online by itself; it is evicted all the
        // same.
        let _ = self.zone.online_huge(huge);
        Some(frame)
    }

    /// Provides for the backing of a block that the caller has just got, before its first
    /// use: calls `install` with the first frame of each huge frame of it that has none.
    /// Returns how many that were.
    ///
    /// `install` returns when the memory is there; it may be called for a huge frame that
    /// another processor is asking for at the same time.
    pub fn install(&self, frame: FrameId, order: Order, mut install: impl FnMut(FrameId)) -> usize {
        let huge_frames = Shape::<WORDS, TREE>::HUGE_FRAMES;
        let last = frame.0.saturating_add(order.frames() - 1);
        let last = (last / huge_frames).min(self.zone.huge_frames().saturating_sub(1));
        let mut installed = 0;
        for huge in frame.0 / huge_frames..=last {
            if self.is_set(self.evicted, huge) {
                install(Self::first_of(huge));
                // Not before: who finds the bit clear goes on.
                self.evicted[huge / BITS].clear_bit(&self.zone.persist, huge % BITS);
                installed += 1;
            }
        }
        installed
    }

    /// Whether the huge frame around a frame has no backing.
    pub fn is_evicted(&self, frame: FrameId) -> bool {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        huge < self.zone.huge_frames() && self.is_set(self.evicted, huge)
    }

    /// Whether the huge frame around a frame is hard reclaimed.
    pub fn is_hard(&self, frame: FrameId) -> bool {
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        huge < self.zone.huge_frames() && self.is_set(self.hard, huge)
    }

    /// Takes a free huge frame for which `is_wanted` holds offline, if there is one.
    fn search(&self, start: FrameId, is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let huge_frames = Shape::<WORDS, TREE>::HUGE_FRAMES;
        let whole = self.zone.frames() / huge_frames;
        let start = (start.0 / huge_frames).min(whole);
        let mut all = (start..whole).chain(0..start);
        all.find(|&huge| {
            // The bits of one that is not ours may change, of one that is they don't.
            let taken = is_wanted(huge) && self.zone.try_offline(huge);
            if taken && !is_wanted(huge) {
                // As in `reclaim_soft`.
                let _ = self.zone.online_huge(huge);
                return false;
            }
            taken
        })
    }

    fn is_set(&self, bits: &[Cell], huge: usize) -> bool {
        let word = bits.get(huge / BITS);
        word.is_some_and(|word| word.load(&self.zone.persist) >> (huge % BITS) & 1 != 0)
    }

    fn set(&self, bits: &[Cell], huge: usize) {
        bits[huge / BITS].set(&self.zone.persist, 1 << (huge % BITS));
    }

    const fn first_of(huge: usize) -> FrameId {
        FrameId(huge * Shape::<WORDS, TREE>::HUGE_FRAMES)
    }
}
