//! Taking frames out of service, and putting them back.
//!
//! Memory goes bad, is unplugged, or is lent to somebody else. A huge frame that is
//! offline is neither free nor allocated: no search finds it, no count contains it,
//! and whoever returns or wants a part of it is told why not. It stays so over
//! crashes and restarts, until somebody puts it online.
//!
//! Only what is entirely free can go. To empty it first, move what
//! [`Zone::allocated_in`] lists. Nothing here waits, and no other operation pays:
//! OFFLINE is one more state that is no count, which all searches pass over anyway.

use core::fmt;
use core::ops::Range;

use frame::{FrameId, Order};
use persist::Persist;

use crate::mutant::mutant;
use crate::query::HugeState;
use crate::shape::Shape;
use crate::tree::Amount;
use crate::zone::{Zone, line};

/// Why frames could not be taken offline. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfflineError {
    /// The zone has no such huge frame.
    NoHugeFrame {
        /// Number that was given.
        huge: usize,
        /// Huge frames of the zone.
        huge_frames: usize,
    },
    /// The zone has no such tree.
    NoTree {
        /// Number that was given.
        tree: usize,
        /// Trees of the zone.
        trees: usize,
    },
    /// Frames of it are allocated.
    InUse {
        /// Number of the huge frame.
        huge: usize,
        /// How many.
        frames: usize,
    },
    /// All its frames are free, but processors hold some, or have not counted them
    /// yet. They have been asked to give back what they hold.
    HeldElsewhere {
        /// Number of the huge frame.
        huge: usize,
        /// Frames that they hold of the whole zone: 0 if they have just given them
        /// back.
        frames: usize,
    },
    /// It is offline; of a tree, all that there is.
    AlreadyOffline {
        /// Number of the huge frame, of a tree the first one.
        huge: usize,
    },
}

impl fmt::Display for OfflineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoHugeFrame { huge, huge_frames } => {
                write!(f, "huge frame {huge} of a zone of {huge_frames}")
            }
            Self::NoTree { tree, trees } => write!(f, "tree {tree} of a zone of {trees}"),
            Self::InUse { huge, frames } => {
                write!(f, "{frames} frames of huge frame {huge} are allocated")
            }
            Self::HeldElsewhere { huge, frames } => write!(
                f,
                "huge frame {huge} is free, but processors hold {frames} free frames"
            ),
            Self::AlreadyOffline { huge } => write!(f, "huge frame {huge} is offline already"),
        }
    }
}

impl core::error::Error for OfflineError {}

/// Why frames could not be put online. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnlineError {
    /// The zone has no such huge frame, or no such tree.
    OutOfRange {
        /// Number that was given.
        number: usize,
        /// How many the zone has.
        len: usize,
    },
    /// It is not offline; of a tree, nothing of it.
    NotOffline {
        /// Number of the huge frame, of a tree the first one.
        huge: usize,
    },
}

impl fmt::Display for OnlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { number, len } => write!(f, "number {number} of {len}"),
            Self::NotOffline { huge } => write!(f, "huge frame {huge} is not offline"),
        }
    }
}

impl core::error::Error for OnlineError {}

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// Takes a huge frame offline, also the last one if it is incomplete. When this
    /// returns, that is durable.
    ///
    /// What the caller's own handle holds counts as held elsewhere: drain it first.
    ///
    /// # Errors
    ///
    /// Returns [`OfflineError`] unless all its frames are free.
    pub fn offline_huge(&self, huge: usize) -> Result<(), OfflineError> {
        self.take_offline(huge)?;
        if !mutant!("offline_skips_flush") {
            (self.lower).persist_entries(&self.persist, huge..huge + 1);
        }
        Ok(())
    }

    /// Takes a huge frame offline if all of it is free, and asks nobody for what they
    /// hold; returns whether it was. Only looks, where it is not.
    pub(crate) fn try_offline(&self, huge: usize) -> bool {
        self.lower.is_all_free(&self.persist, huge) && self.offline_huge(huge).is_ok()
    }

    /// Takes all huge frames of a tree offline, or none. Those that are offline already
    /// are passed over. When this returns, that is durable: with one flush and one
    /// fence. A crash before may leave some of them offline; then repeat it.
    ///
    /// # Errors
    ///
    /// Returns [`OfflineError`] unless all frames are free or offline, and some free.
    pub fn offline_tree(&self, tree: usize) -> Result<(), OfflineError> {
        let trees = self.trees.len();
        let range = (self.huge_frames_of(tree)).ok_or(OfflineError::NoTree { tree, trees })?;
        let mut ours = [false; TREE];
        for huge in range.clone() {
            match self.take_offline(huge) {
                Ok(()) => ours[huge % TREE] = true,
                Err(OfflineError::AlreadyOffline { .. }) => {}
                Err(error) => {
                    self.bring_online(range, &mut ours);
                    return Err(error);
                }
            }
        }
        if !ours.contains(&true) {
            let huge = range.start;
            return Err(OfflineError::AlreadyOffline { huge });
        }
        self.lower.persist_entries(&self.persist, range);
        Ok(())
    }

    /// Puts a huge frame online again: all its frames are free. When this returns, that
    /// is durable.
    ///
    /// # Errors
    ///
    /// Returns [`OnlineError`] if it is not offline.
    pub fn online_huge(&self, huge: usize) -> Result<(), OnlineError> {
        let (number, len) = (huge, self.huge_frames());
        if huge >= len {
            return Err(OnlineError::OutOfRange { number, len });
        }
        self.bring_online(huge..huge + 1, &mut [true; TREE])
            .then_some(())
            .ok_or(OnlineError::NotOffline { huge })
    }

    /// Puts all huge frames of a tree online that are offline. When this returns, that
    /// is durable.
    ///
    /// # Errors
    ///
    /// Returns [`OnlineError`] if none of them is offline.
    pub fn online_tree(&self, tree: usize) -> Result<(), OnlineError> {
        let (number, len) = (tree, self.trees.len());
        let range = (self.huge_frames_of(tree)).ok_or(OnlineError::OutOfRange { number, len })?;
        let huge = range.start;
        self.bring_online(range, &mut [true; TREE])
            .then_some(())
            .ok_or(OnlineError::NotOffline { huge })
    }

    /// Returns the first frame of a block that is offline.
    #[cold]
    pub(crate) fn first_offline(&self, frame: FrameId, order: Order) -> Option<FrameId> {
        let huge_frames = Shape::<WORDS, TREE>::HUGE_FRAMES;
        let last = frame.0 + order.frames() - 1;
        let mut all = frame.0 / huge_frames..=last / huge_frames;
        let huge = all.find(|&huge| self.lower.is_offline(&self.persist, huge))?;
        Some(FrameId(frame.0.max(huge * huge_frames)))
    }

    /// Takes a huge frame offline, but for making that durable.
    fn take_offline(&self, huge: usize) -> Result<(), OfflineError> {
        let huge_frames = self.huge_frames();
        if huge >= huge_frames {
            return Err(OfflineError::NoHugeFrame { huge, huge_frames });
        }
        let (persist, tree, amount) = (&self.persist, huge / TREE, self.all_of(huge));
        if !self.trees.take(persist, tree, amount) {
            return Err(self.why_not_free(huge));
        }
        if !self.lower.take_offline(persist, huge) {
            self.trees.give(persist, tree, amount);
            return Err(self.why_not_free(huge));
        }
        self.offline.fetch_add(persist, amount.frames as u64);
        Ok(())
    }

    /// Puts those of `chosen` online that are not; returns whether there were any.
    fn bring_online(&self, range: Range<usize>, chosen: &mut [bool; TREE]) -> bool {
        let persist = &self.persist;
        self.lower.bring_online(persist, range.clone(), chosen);
        let mut any = false;
        for huge in range.filter(|huge| chosen[huge % TREE]) {
            let amount = self.all_of(huge);
            let fewer = (amount.frames as u64).wrapping_neg();
            self.offline.fetch_add(persist, fewer);
            self.trees.give(persist, huge / TREE, amount);
            any = true;
        }
        any
    }

    /// Says why a huge frame can't be taken offline, and asks all processors to give
    /// back what they hold if that is it.
    #[cold]
    fn why_not_free(&self, huge: usize) -> OfflineError {
        let present = self.lower.present(huge);
        let frames = match self.huge_state(huge) {
            Some(HugeState::Offline) => return OfflineError::AlreadyOffline { huge },
            Some(HugeState::Count(free)) => present.saturating_sub(free),
            _ => present,
        };
        if frames > 0 {
            return OfflineError::InUse { huge, frames };
        }
        let frames = (0..self.cpus()).map(|cpu| self.ask(cpu)).sum();
        OfflineError::HeldElsewhere { huge, frames }
    }

    /// Asks a processor to give back what it holds; returns how many frames that is.
    pub(crate) fn ask(&self, cpu: usize) -> usize {
        let frames = self.missed_without(cpu);
        if frames > 0 {
            self.lines[cpu][line::WANTED].store(&self.persist, 1);
        }
        frames
    }

    /// Returns what a huge frame is to its tree when all of it is free.
    fn all_of(&self, huge: usize) -> Amount {
        let frames = self.lower.present(huge);
        let whole = isize::from(frames == Shape::<WORDS, TREE>::HUGE_FRAMES);
        Amount { frames, whole }
    }

    /// Returns the huge frames of a tree, if there is one.
    fn huge_frames_of(&self, tree: usize) -> Option<Range<usize>> {
        let first = tree.checked_mul(TREE)?;
        (tree < self.trees.len()).then(|| first..(first + TREE).min(self.huge_frames()))
    }
}

#[cfg(test)]
mod tests {
    use persist::Volatile;

    use super::*;
    use crate::layout::Memory;
    use crate::validate::Inconsistency;

    /// Positive control of the tests that end with `validate`.
    #[test]
    fn an_entry_that_nobody_counts_and_a_bit_that_nobody_cleared_are_noticed() {
        #[repr(align(64))]
        struct Tables([u8; 4096]);
        let (mut lower, mut upper) = (Tables([0; 4096]), Tables([0; 4096]));
        let memory = Memory {
            lower: &mut lower.0,
            upper: &mut upper.0,
        };
        let zone: Zone<'_, _> = Zone::create(4 * 512, 1, memory, Volatile).unwrap();
        assert!(zone.lower.take_offline(&Volatile, 1));
        let (stored, counted) = (0, 512);
        let uncounted = Inconsistency::Offline { stored, counted };
        assert_eq!(zone.validate(), Err(uncounted));
        zone.lower.bring_online(&Volatile, 1..2, &mut [true; 32]);
        zone.offline_huge(1).unwrap();
        zone.lower.row(8).unwrap().store(&Volatile, 1);
        let with_bits = Inconsistency::WholeWithBits { huge: 1 };
        assert_eq!(zone.validate(), Err(with_bits));
    }
}
