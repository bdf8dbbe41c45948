//! Recovery by several processors.
//!
//! Recovery reads all lower tables, 33 KiB a GiB, and is done before a kernel can
//! allocate. On a machine with terabytes that is worth sharing: the trees have
//! nothing to do with each other. Who starts the processors, and how the work is
//! cut, is the caller's affair.
//!
//! ```text
//! begin ──► part(0, n) on one processor ──► finish
//!       ├─► part(1, n) on another       ─┤
//!       └─► …                           ─┘
//! ```
//!
//! Which trees are still missing is noted in their words, which recovery fills in
//! anyway. So a part that is recovered twice, or by two processors at once, is no
//! mistake, and one that was forgotten is noticed.

use core::fmt;

use persist::Persist;

use crate::cell::Cell;
use crate::error::ZoneError;
use crate::layout::Memory;
use crate::lower::Recovery;
use crate::popcnt::Popcnt;
use crate::tree::Amount;
use crate::zone::Zone;

/// Huge frames that are counted faster than a hypervisor says how to count faster.
const FEW_HUGE_FRAMES: usize = 1024;

/// What a tree that has not been recovered has: more than any other.
const UNKNOWN: Amount = Amount {
    frames: u32::MAX as usize,
    whole: 0,
};

/// A zone whose lower tables are being recovered.
///
/// ```
/// use llfree::{Layout, Memory, Recovering, Zone};
/// use persist::Volatile;
///
/// #[repr(align(64))]
/// struct Tables([u8; 8192]);
/// let (mut lower, mut upper) = (Tables([0; 8192]), Tables([0; 8192]));
/// let frames = 64 * 512;
/// let memory = Memory { lower: &mut lower.0, upper: &mut upper.0 };
/// Zone::<'_, Volatile>::create(frames, 2, memory, Volatile).unwrap();
///
/// let memory = Memory { lower: &mut lower.0, upper: &mut upper.0 };
/// let recovering: Recovering<'_, Volatile> =
///     Recovering::begin(frames, 2, memory, Volatile).unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(|| recovering.part(0, 2));
///     recovering.part(1, 2);
/// });
/// let (zone, recovery) = recovering.finish().unwrap();
/// assert_eq!(recovery.free, zone.frames());
/// ```
pub struct Recovering<'m, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    zone: Zone<'m, P, WORDS, TREE>,
    popcnt: Option<Popcnt>,
    /// What the processors' slots held.
    slots: Recovery,
    repairs: Repairs,
}

impl<'m, P: Persist, const WORDS: usize, const TREE: usize> Recovering<'m, P, WORDS, TREE> {
    /// Starts to make a zone from lower tables that an earlier one has left: all
    /// that can't be shared out, which is what processors held.
    ///
    /// The arguments are those of [`Zone::recover`].
    ///
    /// # Errors
    ///
    /// Returns [`ZoneError`] if the memory does not fit.
    pub fn begin(
        frames: usize,
        cpus: usize,
        memory: Memory<'m>,
        persist: P,
    ) -> Result<Self, ZoneError> {
        let zone = Zone::over(frames, cpus, memory, persist)?;
        for tree in 0..zone.trees.len() {
            zone.trees.fill(&zone.persist, tree, UNKNOWN);
        }
        let few = zone.huge_frames() < FEW_HUGE_FRAMES;
        let popcnt = if few { None } else { Popcnt::detect() };
        let slots = zone.lower.begin_recovery(&zone.persist);
        Ok(Self {
            zone,
            popcnt,
            slots,
            repairs: Repairs::new(),
        })
    }

    /// Recovers part number `part` of `parts`, and returns what was found in it.
    /// When it returns, the repairs are durable.
    ///
    /// The parts are about equally large; some are empty if there are more than
    /// trees, and so is a part whose number is too large. They may be recovered in
    /// any order, by several processors at once, and more than once: then a repair
    /// that two of them make at the same moment is counted twice.
    pub fn part(&self, part: usize, parts: usize) -> Recovery {
        let zone = &self.zone;
        let trees = zone.trees.len();
        let each = trees.div_ceil(parts.max(1));
        let start = part.saturating_mul(each).min(trees);
        let range = start..start.saturating_add(each).min(trees);
        let fill = |tree, amount| zone.trees.fill(&zone.persist, tree, amount);
        let found = (zone.lower).recover_trees(&zone.persist, range, self.popcnt, fill);
        self.repairs.add(&zone.persist, found);
        found
    }

    /// Returns how many trees have not been recovered yet.
    pub fn missing(&self) -> usize {
        let has = |tree| self.zone.trees.read(&self.zone.persist, tree).amount();
        let all = 0..self.zone.trees.len();
        all.filter(|&tree| has(tree) == UNKNOWN).count()
    }

    /// Returns the zone, and what was found in all parts.
    ///
    /// # Errors
    ///
    /// Returns [`Incomplete`] unless every part has been recovered. The lower
    /// tables are fit for another recovery then, as after a crash.
    pub fn finish(self) -> Result<(Zone<'m, P, WORDS, TREE>, Recovery), Incomplete> {
        let (missing, trees) = (self.missing(), self.zone.trees.len());
        if missing > 0 {
            return Err(Incomplete { missing, trees });
        }
        Ok(self.end())
    }

    /// The same, after all parts.
    pub(crate) fn end(self) -> (Zone<'m, P, WORDS, TREE>, Recovery) {
        let mut found = self.slots;
        let mut zone = self.zone;
        let Amount { frames, whole } = zone.trees.begin_use(&zone.persist);
        found.free += frames;
        found.free_huge += whole.unsigned_abs();
        self.repairs.add_to(&mut found, &zone.persist);
        found.unreadable += zone.lower.end_giant_recovery(&zone.persist);
        if self.repairs.offline.load(&zone.persist) > 0 {
            found.offline = zone.lower.offline_frames(&zone.persist);
            zone.offline.store(&zone.persist, found.offline as u64);
        }
        zone.doubtful = found.uncertain > 0;
        (zone, found)
    }
}

/// What all parts have repaired. Not what they have found, which a part that is
/// recovered twice would find twice.
struct Repairs {
    mended: Cell,
    split_in_flight: Cell,
    unreadable: Cell,
    tail_forced: Cell,
    /// No repair: whether it is worth counting those.
    offline: Cell,
}

impl Repairs {
    const fn new() -> Self {
        Self {
            mended: Cell::new(0),
            split_in_flight: Cell::new(0),
            unreadable: Cell::new(0),
            tail_forced: Cell::new(0),
            offline: Cell::new(0),
        }
    }

    fn add(&self, persist: &impl Persist, found: Recovery) {
        let of_part = [
            (&self.mended, found.mended),
            (&self.split_in_flight, found.split_in_flight),
            (&self.unreadable, found.unreadable),
            (&self.tail_forced, found.tail_forced),
            (&self.offline, found.offline),
        ];
        for (sum, count) in of_part {
            if count > 0 {
                sum.fetch_add(persist, count as u64);
            }
        }
    }

    fn add_to(&self, found: &mut Recovery, persist: &impl Persist) {
        let sum = |cell: &Cell| usize::try_from(cell.load(persist)).unwrap_or(usize::MAX);
        found.mended += sum(&self.mended);
        found.split_in_flight += sum(&self.split_in_flight);
        found.unreadable += sum(&self.unreadable);
        found.tail_forced += sum(&self.tail_forced);
    }
}

/// A recovery was to be finished before all parts of it were done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Trees that have not been recovered.
    pub missing: usize,
    /// Trees in all.
    pub trees: usize,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, trees } = self;
        write!(f, "{missing} of {trees} trees have not been recovered")
    }
}

impl core::error::Error for Incomplete {}
