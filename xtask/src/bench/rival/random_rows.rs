//! An allocator that must fail the fragmentation test.
//!
//! Taking a whole row of 64 frames at once is fast wherever the row is. One that
//! takes a random row instead of a well-filled one is just as fast, and nobody
//! would notice in a table of nanoseconds; but after a while no huge frame is
//! whole. It is here to prove that the fragmentation test can fail.

use std::sync::{Mutex, MutexGuard};

use frame::{FrameId, Order};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use workload::FrameAlloc;

use super::{Design, Zone};
use crate::bench::statistics::below;

/// Frames in a row.
const ROW: usize = 64;

/// Serves order 0 from rows picked at random.
pub(in super::super) struct RandomRows;

impl Design for RandomRows {
    const NAME: &'static str = "random-rows";
    type Memory = ();
    type Zone<'m> = RandomRowsZone;

    fn memory(_: usize, _: usize) {}

    fn zone((): &mut (), frames: usize, _: usize) -> RandomRowsZone {
        RandomRowsZone(Mutex::new(Rows {
            free: vec![u64::MAX; frames / ROW],
            current: 0,
            dice: Xoshiro256PlusPlus::seed_from_u64(0),
        }))
    }
}

/// One bit for each frame, set while it is free.
struct Rows {
    free: Vec<u64>,
    current: usize,
    dice: Xoshiro256PlusPlus,
}

impl Rows {
    fn count(&self) -> usize {
        self.free.iter().map(|row| row.count_ones() as usize).sum()
    }

    /// Moves on to a random row with a free frame.
    fn choose(&mut self) -> Option<()> {
        let start = below(&mut self.dice, self.free.len());
        let rows = (start..self.free.len()).chain(0..start);
        self.current = rows.into_iter().find(|&row| self.free[row] != 0)?;
        Some(())
    }
}

/// Rows behind a lock: speed is not the point.
pub(in super::super) struct RandomRowsZone(Mutex<Rows>);

impl RandomRowsZone {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().expect("nobody panics while holding the lock")
    }
}

impl Zone for RandomRowsZone {
    type Handle<'z> = &'z RandomRowsZone;

    fn handle(&self, _: usize) -> &Self {
        self
    }

    fn free_frames(&self) -> usize {
        self.rows().count()
    }

    fn free_huge(&self) -> usize {
        let rows = self.rows();
        let whole = |rows: &&[u64]| rows.iter().all(|&row| row == u64::MAX);
        rows.free.chunks(512 / ROW).filter(whole).count()
    }
}

/// A block that this allocator can't have handed out.
#[derive(Debug)]
pub(in super::super) struct NotMine;

impl FrameAlloc for &RandomRowsZone {
    type Error = NotMine;

    fn get(&mut self, order: Order) -> Option<FrameId> {
        let mut rows = self.rows();
        if order != Order::FRAME {
            return None;
        }
        if rows.free[rows.current] == 0 {
            rows.choose()?;
        }
        let current = rows.current;
        let bit = rows.free[current].trailing_zeros() as usize;
        rows.free[current] &= !(1 << bit);
        Some(FrameId(current * ROW + bit))
    }

    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), NotMine> {
        let mut rows = self.rows();
        let row = rows.free.get_mut(frame.0 / ROW).ok_or(NotMine)?;
        let bit = 1 << (frame.0 % ROW);
        if order != Order::FRAME || *row & bit != 0 {
            return Err(NotMine);
        }
        *row |= bit;
        Ok(())
    }

    fn drain(&mut self) {}
}
