//! A range of frames with its tables.

use frame::{FrameId, Order};
use persist::Persist;

use crate::cell::Cell;
use crate::class::{Class, Policy, gives_way};
use crate::debt::Debts;
use crate::error::{GetError, LocalError, PutError, ZoneError};
use crate::hint::Hints;
use crate::layout::{LINE_CELLS, Layout, Memory, Tables};
use crate::local::Local;
use crate::lower::{Lower, Recovery};
use crate::name::{self, Names};
use crate::policy::{Candidate, Rank, judge};
use crate::promise::Promise;
use crate::recovering::Recovering;
use crate::shape::Shape;
use crate::slot::Slot;
use crate::tree::{Amount, Tag, Tree, Trees};

/// The allocator of one range of frames, shared by all processors.
///
/// Frames are numbered from zero; where they lie is the caller's affair. `WORDS`
/// (words of bits a huge frame) and `TREE` (huge frames a tree) are for model
/// checkers, which need tiny instances: the defaults are those of the hardware.
///
/// Dropping a zone leaves the lower tables as they are, ready for
/// [`Zone::recover`].
pub struct Zone<'m, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    pub(crate) lower: Lower<'m, WORDS, TREE>,
    pub(crate) trees: Trees<'m>,
    pub(crate) lines: &'m [[Cell; LINE_CELLS]],
    /// The trees that each processor has reserved, plus one; 0 for none.
    pub(crate) reserved: &'m [[Cell; LINE_CELLS]],
    debts: &'m [Cell],
    claims: Claims,
    policy: Policy,
    /// Frames that are offline.
    pub(crate) offline: Cell,
    /// The largest order of which frame 0 lies at a multiple.
    pub(crate) alignment: Order,
    /// Whether frames were in doubt when the zone was opened.
    pub(crate) doubtful: bool,
    pub(crate) persist: P,
}

/// Words of a processor's line. The others are zero, and some of them stand in
/// for the masks of a slot where a processor has none.
pub(crate) mod line {
    /// 1 while a handle exists.
    pub(crate) const TAKEN: usize = 0;
    /// Stands in for the mask of a row that is not to be taken from.
    pub(crate) const ZERO: usize = 2;
    /// What the processor owes to the word of a tree.
    pub(crate) const OWED: usize = 5;
    /// 1 if others need what the processor holds.
    pub(crate) const WANTED: usize = 6;
    /// Frames that it owes to entries and trees.
    pub(crate) const OWING: usize = 7;
}

/// A tree to take from.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) tree: usize,
    /// Its class when it was looked at.
    pub(crate) seen: Tag,
    /// The class that it is of for whoever moves there, if anybody may.
    pub(crate) becomes: Option<Class>,
}

/// Trees to compare, where none is good: at most, and at least. In between, it is one
/// for each few blocks that a tree will last for.
const ENOUGH_TREES: core::ops::RangeInclusive<usize> = 8..=64;
/// How few.
const BLOCKS_PER_TREE: usize = 4;

/// Whether processors take whole rows at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claims {
    /// Yes, unless each operation has to be flushed: see [`Mode`](persist::Mode).
    #[default]
    On,
    /// Each frame is taken from the shared tables by itself, as in the paper.
    Off,
}

impl<'m, P: Persist, const WORDS: usize, const TREE: usize> Zone<'m, P, WORDS, TREE> {
    /// The order that is one huge frame: 9, unless the geometry is a tiny one.
    pub const HUGE_ORDER: Order = order(Shape::<WORDS, TREE>::HUGE_ORDER);
    /// The largest order that is served below giant frames: two huge frames.
    pub const MAX_ORDER: Order = order(Shape::<WORDS, TREE>::MAX_ORDER);
    /// The order that is one giant frame: 18, unless the geometry is a tiny one.
    pub const GIANT_ORDER: Order = order(Shape::<WORDS, TREE>::GIANT_ORDER);
    /// Frames in a tree.
    pub const TREE_FRAMES: usize = Shape::<WORDS, TREE>::TREE_FRAMES;

    /// Returns how much memory a zone of this geometry needs.
    pub const fn layout(frames: usize, cpus: usize) -> Layout {
        Layout::of::<WORDS, TREE>(frames, cpus)
    }

    /// Makes a zone of which all frames are free. When it returns, that is
    /// durable.
    ///
    /// # Errors
    ///
    /// Returns [`ZoneError`] if the memory does not fit.
    pub fn create(
        frames: usize,
        cpus: usize,
        memory: Memory<'m>,
        persist: P,
    ) -> Result<Self, ZoneError> {
        let zone = Self::over(frames, cpus, memory, persist)?;
        zone.lower.clear(&zone.persist);
        for tree in 0..zone.trees.len() {
            let free = zone.frames_of(tree);
            let whole = (free / Shape::<WORDS, TREE>::HUGE_FRAMES).cast_signed();
            let amount = Amount {
                frames: free,
                whole,
            };
            zone.trees.fill(&zone.persist, tree, amount);
        }
        zone.trees.begin_use(&zone.persist);
        Ok(zone)
    }

    /// Makes a zone from lower tables that an earlier one has left, however it
    /// ended. When it returns, all repairs are durable.
    ///
    /// What the operations that were in flight have done is either complete or
    /// not there, with two exceptions: a part of the blocks of order 7 and 8 may
    /// have changed hands, and up to 64 frames a processor, in mode
    /// [`Batched`](persist::Mode::Batched) up to 128, may be
    /// [uncertain](Self::uncertain).
    ///
    /// [`Recovering`] does the same with several processors.
    ///
    /// # Errors
    ///
    /// Returns [`ZoneError`] if the memory does not fit.
    pub fn recover(
        frames: usize,
        cpus: usize,
        memory: Memory<'m>,
        persist: P,
    ) -> Result<(Self, Recovery), ZoneError> {
        let recovering = Recovering::begin(frames, cpus, memory, persist)?;
        recovering.part(0, 1);
        Ok(recovering.end())
    }

    /// Finds out whether a zone could be made in this memory.
    pub(crate) fn check(frames: usize, cpus: usize, memory: &Memory<'_>) -> Result<(), ZoneError> {
        Tables::<WORDS>::check::<TREE>(frames, cpus, memory)
    }

    /// Uses this memory as it is, but for what belongs to the processors.
    pub(crate) fn over(
        frames: usize,
        cpus: usize,
        memory: Memory<'m>,
        persist: P,
    ) -> Result<Self, ZoneError> {
        const { Shape::<WORDS, TREE>::CHECK };
        let tables = Tables::cut::<TREE>(frames, cpus, memory)?;
        for word in tables.of_processors().into_iter().flatten() {
            word.store(&persist, 0);
        }
        Ok(Self {
            lower: Lower::new(&tables, frames),
            trees: Trees::new(tables.trees, Hints::new(tables.hints)),
            lines: tables.lines,
            reserved: tables.reserved,
            debts: tables.debts,
            claims: Claims::On,
            policy: gives_way,
            offline: Cell::new(0),
            alignment: Order::GIANT,
            doubtful: false,
            persist,
        })
    }

    /// Returns the handle of a processor.
    ///
    /// # Errors
    ///
    /// Returns [`LocalError`] if the number is too large or the handle exists.
    pub fn local(&self, cpu: usize) -> Result<Local<'_, 'm, P, WORDS, TREE>, LocalError> {
        let cpus = self.lines.len();
        let line = (self.lines.get(cpu)).ok_or(LocalError::OutOfRange { cpu, cpus })?;
        (line[line::TAKEN].replace(&self.persist, 0, 1)).map_err(|_| LocalError::Busy { cpu })?;
        let slot = self.slot(cpu).filter(|_| self.claims());
        Ok(Local::new(self, cpu, [line, &self.reserved[cpu]], slot))
    }

    /// Sets whether handles made from now on take whole rows.
    #[must_use]
    pub fn with_claims(mut self, claims: Claims) -> Self {
        self.claims = claims;
        self
    }

    /// Sets who may take from whom when memory gets short: [`gives_way`] otherwise.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the largest order of which frame 0 lies at a multiple, in physical
    /// memory. Giant frames exist for the hardware, which maps them only where they
    /// are aligned there: below [`Order::GIANT`], no more of them are handed out.
    #[must_use]
    pub const fn with_alignment(mut self, alignment: Order) -> Self {
        self.alignment = alignment;
        self
    }

    /// Returns what a processor owes.
    pub(crate) fn debts(&self, cpu: usize) -> Debts<'m> {
        let len = self.debts.len() / self.lines.len();
        Debts::new(&self.debts[cpu * len..][..len])
    }

    /// Whether there was a doubt when the zone was opened.
    #[inline(always)]
    pub(crate) const fn has_doubts(&self) -> bool {
        self.doubtful
    }

    fn claims(&self) -> bool {
        P::HOLDS && self.claims == Claims::On
    }

    /// Returns where a processor writes down what it holds, if there is room.
    pub(crate) fn slot(&self, cpu: usize) -> Option<Slot<'m>> {
        let slots = self.lower.slots();
        if !P::NAMES {
            return slots.get(cpu).filter(|_| P::HOLDS).map(Slot::new);
        }
        let can_be_named = self.huge_frames() * WORDS <= name::MAX_ROWS;
        let names = Names::of(slots, cpu).filter(|_| can_be_named)?;
        Some(Slot::named(self.lines.get(cpu)?, names))
    }

    /// Takes this very block.
    pub(crate) fn get_at(&self, frame: FrameId, order: Order) -> Result<(), GetError> {
        let persist = &self.persist;
        self.check_get(frame, order)?;
        if order == Self::GIANT_ORDER {
            let giant = frame.0 / order.frames();
            let done = self.claim_giant(giant);
            return done.then_some(()).ok_or(GetError::NotFree { frame, order });
        }
        let tree = frame.0 / Self::TREE_FRAMES;
        let exponent = order.exponent();
        let amount = Self::amount(exponent);
        let mut whole = 0;
        let done = self.trees.take(persist, tree, amount) && {
            let done = match Lower::<WORDS, TREE>::span(exponent) {
                None => self.lower.get_part_at(persist, frame, exponent, &mut whole),
                Some(span) => self.lower.get_whole_at(persist, frame, span),
            };
            if !done {
                whole += amount.whole;
                self.trees.give(persist, tree, Amount { whole, ..amount });
            } else if whole != 0 {
                self.trees.give(persist, tree, Amount { frames: 0, whole });
            }
            done
        };
        done.then_some(()).ok_or(GetError::NotFree { frame, order })
    }

    /// Frees a single frame, which lies in the zone, and adds it to the counts. When
    /// it returns, that is durable.
    pub(crate) fn put_frame(&self, frame: FrameId) -> Result<(), PutError> {
        let (freed, outcome) = self.lower.free_part(&self.persist, frame, 0);
        let huge = frame.0 / Shape::<WORDS, TREE>::HUGE_FRAMES;
        // PERSIST: nobody syncs for the caller.
        self.persist_late(huge);
        if let Some(entry) = self.lower.entry(huge) {
            self.give_counts(huge / TREE, entry, u32::from(freed));
        }
        outcome
    }

    /// Returns a welcome tree that may have a block of this order for a class, searching
    /// upwards from `start`: the first good one, else the best of some.
    pub(crate) fn best_tree(&self, start: usize, order: u8, class: Class) -> Option<Choice> {
        let need = Self::amount(order);
        let mut best: Option<((Rank, usize), _)> = None;
        let enough = (Self::TREE_FRAMES >> order) / BLOCKS_PER_TREE;
        let enough = enough.clamp(*ENOUGH_TREES.start(), *ENOUGH_TREES.end());
        let mut looked_at = 0;
        for tree in self.trees.promising(&self.persist, order, start) {
            let word = self.trees.read(&self.persist, tree);
            if !word.holds(need) {
                self.give_up(tree, order);
                continue;
            }
            let sizes = [Self::TREE_FRAMES, self.frames_of(tree)];
            let candidate = judge(word, need, sizes, class, self.policy);
            if let Some(Candidate { rank, becomes }) = candidate {
                let seen = word.tag();
                let choice = Choice {
                    tree,
                    seen,
                    becomes,
                };
                if rank == Rank::Partly {
                    return Some(choice);
                }
                // A tree with more free frames lasts longer, but one that is
                // about to be whole again had better become it; of whole ones
                // the first.
                let rest = match rank {
                    Rank::Sparse => usize::MAX - word.free(),
                    _ => word.free(),
                };
                let key = (rank, rest);
                if best.is_none_or(|(best, _)| key > best) {
                    best = Some((key, choice));
                }
                // Before it is taken from another class, all trees are looked at.
                looked_at += usize::from(rank >= Rank::InUse);
            }
            if looked_at == enough {
                break;
            }
        }
        best.map(|(_, choice)| choice)
    }

    /// Returns how many frames a tree has in all.
    pub(crate) const fn frames_of(&self, tree: usize) -> usize {
        let rest = self.lower.frames() - tree * Self::TREE_FRAMES;
        if rest < Self::TREE_FRAMES {
            rest
        } else {
            Self::TREE_FRAMES
        }
    }

    /// Stops searching a tree for blocks of this order, unless it has one after all,
    /// until something is freed there.
    pub(crate) fn give_up(&self, tree: usize, order: u8) {
        let need = Self::amount(order);
        let persist = &self.persist;
        let is_none = |word: Tree| !word.holds(need) || !self.lower.has_any(persist, tree, order);
        self.trees.give_up(persist, tree, order, is_none);
    }

    /// Returns what a block of this order takes from a tree's word.
    #[inline(always)]
    pub(crate) fn amount(order: u8) -> Amount {
        let whole = Lower::<WORDS, TREE>::span(order).map_or(0, |span| span.len().cast_signed());
        Amount {
            frames: 1 << order,
            whole,
        }
    }

    fn check_get(&self, frame: FrameId, order: Order) -> Result<(), GetError> {
        let frames = self.lower.frames();
        self.check_order(order)?;
        if !frame.is_aligned(order) {
            Err(GetError::Misaligned { frame, order })
        } else if !self.lower.contains(frame, order) {
            Err(GetError::OutOfRange {
                frame,
                order,
                frames,
            })
        } else {
            Ok(())
        }
    }

    #[inline(always)]
    pub(crate) fn check_put(&self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let frames = self.lower.frames();
        if order > Self::MAX_ORDER && order != Self::GIANT_ORDER {
            let (max, giant) = (Self::MAX_ORDER, Self::GIANT_ORDER);
            Err(PutError::BadOrder { order, max, giant })
        } else if !frame.is_aligned(order) {
            Err(PutError::Misaligned { frame, order })
        } else if !self.lower.contains(frame, order) {
            Err(PutError::OutOfRange {
                frame,
                order,
                frames,
            })
        } else {
            Ok(())
        }
    }
}

/// Returns an order that the geometry has checked.
const fn order(exponent: u8) -> Order {
    match Order::new(exponent) {
        Some(order) => order,
        None => panic!("the geometry's largest block is larger than a giant frame"),
    }
}
