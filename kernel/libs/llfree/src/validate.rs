//! Whether all that is written twice agrees.

use core::fmt;

use persist::Persist;

use crate::debt::Owed;
use crate::entry;
use crate::lower::{Giant, Lower};
use crate::shape::{Shape, WORD_FRAMES};
use crate::slot::{Bits, Record, Side, Slot};
use crate::zone::{Zone, line};

/// Two parts of a zone's tables that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inconsistency {
    /// The count of a huge frame is not the number of its clear bits, less what
    /// processors have not counted yet.
    Count {
        /// Number of the huge frame.
        huge: usize,
        /// What its entry says.
        stored: usize,
        /// What its bits say.
        counted: usize,
    },
    /// A huge frame is allocated as a whole, or offline, but has bits set.
    WholeWithBits {
        /// Number of the huge frame.
        huge: usize,
    },
    /// A huge frame is in a state that no completed operation leaves.
    State {
        /// Number of the huge frame.
        huge: usize,
        /// What its entry says.
        stored: u16,
    },
    /// A giant frame's word and an entry of it don't agree, or its word is in a
    /// state that no completed operation leaves.
    Giant {
        /// Number of the huge frame.
        huge: usize,
        /// What its entry says.
        stored: u16,
    },
    /// The zone's number of frames that are offline is not what its entries say.
    Offline {
        /// The zone's number.
        stored: usize,
        /// What its entries say.
        counted: usize,
    },
    /// Frames beyond the last one could be taken.
    Tail {
        /// Number of the huge frame.
        huge: usize,
    },
    /// A tree's number of free frames is not the sum of its counts.
    TreeFree {
        /// Number of the tree.
        tree: usize,
        /// What its word says.
        stored: usize,
        /// What its entries say.
        counted: usize,
    },
    /// A tree's number of entirely free huge frames is wrong.
    TreeWhole {
        /// Number of the tree.
        tree: usize,
        /// What its word says.
        stored: isize,
        /// What its entries say.
        counted: isize,
    },
    /// A processor holds frames that its row does not know of, or that another
    /// one holds too.
    Held {
        /// Number of the row.
        row: usize,
        /// The frames, a set bit each.
        frames: u64,
    },
    /// A tree is in use by nobody, or by more than one, or by one who never
    /// said so.
    Reservation {
        /// Number of the tree.
        tree: usize,
        /// Whether its word says that it is in use.
        in_use: bool,
        /// How many processors say that they use it.
        users: usize,
    },
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count {
                huge,
                stored,
                counted,
            } => {
                write!(
                    f,
                    "huge frame {huge} has {counted} clear bits, its entry says {stored}"
                )
            }
            Self::WholeWithBits { huge } => {
                write!(
                    f,
                    "huge frame {huge} is not allocated in parts but has bits set"
                )
            }
            Self::State { huge, stored } => {
                write!(f, "huge frame {huge} is at rest in state {stored:#x}")
            }
            Self::Giant { huge, stored } => {
                write!(
                    f,
                    "huge frame {huge} is in state {stored:#x}, but the giant frame around is not"
                )
            }
            Self::Offline { stored, counted } => {
                write!(f, "{counted} frames are offline, the zone says {stored}")
            }
            Self::Tail { huge } => {
                write!(
                    f,
                    "huge frame {huge} offers frames beyond the end of the zone"
                )
            }
            Self::TreeFree {
                tree,
                stored,
                counted,
            } => {
                write!(
                    f,
                    "tree {tree} has {counted} free frames, its word says {stored}"
                )
            }
            Self::TreeWhole {
                tree,
                stored,
                counted,
            } => {
                write!(
                    f,
                    "tree {tree} has {counted} free huge frames, its word says {stored}"
                )
            }
            Self::Held { row, frames } => {
                write!(
                    f,
                    "frames {frames:#x} of row {row} are held and free, or twice"
                )
            }
            Self::Reservation {
                tree,
                in_use,
                users,
            } => write!(
                f,
                "tree {tree} is {} use, by {users} processors",
                if in_use { "in" } else { "not in" }
            ),
        }
    }
}

impl core::error::Error for Inconsistency {}

impl<P: Persist, const WORDS: usize, const TREE: usize> Zone<'_, P, WORDS, TREE> {
    /// Holds bits, counts, trees and reservations against each other.
    ///
    /// Only meaningful while no processor is inside an operation; handles may
    /// exist.
    ///
    /// # Errors
    ///
    /// Returns the first [`Inconsistency`].
    pub fn validate(&self) -> Result<(), Inconsistency> {
        self.validate_held()?;
        self.validate_offline()?;
        for tree in 0..self.trees.len() {
            let (mut free, mut whole) = (0, 0);
            for huge in tree * TREE..self.huge_frames().min((tree + 1) * TREE) {
                let counted = self.validate_huge(huge)?;
                free += counted;
                whole += isize::from(counted == Shape::<WORDS, TREE>::HUGE_FRAMES);
            }
            let owed = (self.lines.iter())
                .map(|line| Owed(line[line::OWED].load(&self.persist)))
                .filter(|owed| owed.tree() == tree);
            for amount in owed.map(Owed::amount) {
                // Frames of the entries that the tree does not know of yet.
                free = free.saturating_sub(amount.frames);
                whole -= amount.whole;
            }
            self.validate_tree(tree, free, whole)?;
        }
        Ok(())
    }

    /// Holds the number of frames that are offline against the entries.
    fn validate_offline(&self) -> Result<(), Inconsistency> {
        let (stored, counted) = (
            self.offline_frames(),
            self.lower.offline_frames(&self.persist),
        );
        (stored == counted)
            .then_some(())
            .ok_or(Inconsistency::Offline { stored, counted })
    }

    /// Holds what processors hold against the rows, and against each other.
    fn validate_held(&self) -> Result<(), Inconsistency> {
        let persist = &self.persist;
        let held = |slot: Slot<'_>, side| match slot.holding(persist, side) {
            Record::Owned(bits) => Ok(bits),
            Record::None => Ok(Bits { row: 0, mask: 0 }),
            Record::Window(Bits { row, mask }) => Err(Inconsistency::Held { row, frames: mask }),
            Record::Unreadable => Err(Inconsistency::Held { row: 0, frames: 0 }),
        };
        let records = || (self.slots()).flat_map(|slot| Side::BOTH.map(|side| (slot, side)));
        for (index, (slot, side)) in records().enumerate() {
            let Bits { row, mask } = held(slot, side)?;
            let word = (self.lower.row(row)).map_or(0, |word| word.load(persist));
            let mut wrong = mask & !word;
            for (slot, side) in records().take(index) {
                let other = held(slot, side)?;
                wrong |= if other.row == row {
                    mask & other.mask
                } else {
                    0
                };
            }
            if wrong != 0 {
                let frames = wrong;
                return Err(Inconsistency::Held { row, frames });
            }
        }
        Ok(())
    }

    /// Returns how many frames of a huge frame its entry says are free.
    fn validate_huge(&self, huge: usize) -> Result<usize, Inconsistency> {
        let stored = self.lower.entry_value(&self.persist, huge);
        let words = self.lower.field(huge).into_iter().flatten().enumerate();
        let (mut clear, mut tail) = (0, true);
        for (index, word) in words {
            let bits = word.load(&self.persist);
            let absent = self.lower.absent(huge, index);
            clear += bits.count_zeros() as usize;
            tail &= bits & absent == absent;
        }
        let is_member = match self.lower.giant(&self.persist, huge) {
            Giant::Apart => false,
            Giant::Whole => true,
            Giant::Splitting | Giant::Unreadable => {
                return Err(Inconsistency::Giant { huge, stored });
            }
        };
        if is_member != (stored == entry::MEMBER) {
            return Err(Inconsistency::Giant { huge, stored });
        }
        if is_member || stored == entry::HUGE || stored == entry::OFFLINE {
            let absent = Shape::<WORDS, TREE>::HUGE_FRAMES - self.lower.present(huge);
            let all_clear = clear == WORDS * WORD_FRAMES - absent && tail;
            return if all_clear {
                Ok(0)
            } else {
                Err(Inconsistency::WholeWithBits { huge })
            };
        }
        if stored > Lower::<WORDS, TREE>::FREE {
            return Err(Inconsistency::State { huge, stored });
        }
        if !tail {
            return Err(Inconsistency::Tail { huge });
        }
        let stored = usize::from(stored);
        let owed = (0..self.cpus()).map(|cpu| self.debts(cpu).at_place_of(&self.persist, huge));
        let owed = owed.filter(|debt| debt.huge == huge);
        let counted = clear
            - owed
                .map(|debt| usize::from(debt.frames))
                .sum::<usize>()
                .min(clear);
        (stored == counted)
            .then_some(counted)
            .ok_or(Inconsistency::Count {
                huge,
                stored,
                counted,
            })
    }

    fn validate_tree(&self, tree: usize, free: usize, whole: isize) -> Result<(), Inconsistency> {
        let word = self.trees.read(&self.persist, tree);
        if word.free() != free {
            let (stored, counted) = (word.free(), free);
            return Err(Inconsistency::TreeFree {
                tree,
                stored,
                counted,
            });
        }
        if word.whole() != whole {
            let (stored, counted) = (word.whole(), whole);
            return Err(Inconsistency::TreeWhole {
                tree,
                stored,
                counted,
            });
        }
        let named = self.reserved.as_flattened().iter();
        let users = named
            .filter(|named| named.load(&self.persist) == tree as u64 + 1)
            .count();
        let in_use = word.in_use();
        if users != usize::from(in_use) {
            return Err(Inconsistency::Reservation {
                tree,
                in_use,
                users,
            });
        }
        Ok(())
    }
}
