//! The rivals of one case, side by side.
//!
//! What differs from case to case is what a [`Maker`] makes of a design; which
//! designs take part, and the memory that they keep, is here.

use anyhow::Result;
use persist::{Batched, Eadr, LazyFree, Volatile};

use super::{
    case::{Case, Workload},
    rival::{Control, Design, GlobalBuddy, Interrupts, Linux, Llfree, LlfreeMemory, Lock},
    unit::Clock,
    write_back::{Flushing, ROW_CLAIM, RowClaims},
};
use workload::baseline::Page;

/// A design that waits for its turn to be measured.
pub(super) trait Contestant {
    /// Measures one repetition, and checks it.
    ///
    /// # Errors
    ///
    /// The allocator failed, or the oracle objects; there is no figure then.
    fn repetition(&mut self, seed: u64) -> Result<Vec<Reading>>;
}

/// What one kind of operation took in one repetition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The operation's name.
    pub(super) op: &'static str,
    /// Operations of all processors together.
    pub(super) ops: u64,
    /// Nanoseconds that all processors spent on them, added up.
    pub(super) nanos: u64,
    /// Intervals that were timed: each contains one reading of the clock.
    pub(super) intervals: u64,
}

impl Reading {
    /// Returns the nanoseconds of one operation.
    #[expect(
        clippy::cast_precision_loss,
        reason = "times and counts are far below 2^52"
    )]
    pub(super) fn per_op(&self, clock: &Clock) -> f64 {
        let reading_the_clock = clock.overhead * self.intervals as f64;
        (self.nanos as f64 - reading_the_clock).max(0.0) / self.ops as f64
    }
}

/// Prepares designs for one kind of case.
pub(super) trait Maker {
    /// Prepares a design to be measured in `memory`.
    ///
    /// # Errors
    ///
    /// It could not even be brought to the state that the case starts from.
    fn make<'m, D: Design>(&self, memory: &'m mut D::Memory) -> Result<Box<dyn Contestant + 'm>>;
}

/// A contestant, and the name of its row.
pub(super) struct Entry<'m> {
    pub(super) name: &'static str,
    pub(super) contestant: Box<dyn Contestant + 'm>,
}

/// The second entry of the design under test, which should not differ from the
/// first: what it differs by is noise.
pub(super) const AGAIN: &str = "llfree (A/A)";

/// Memory of all designs for one size of zone.
pub(super) struct Field {
    llfree: LlfreeMemory,
    again: LlfreeMemory,
    eadr: LlfreeMemory,
    per_operation: LlfreeMemory,
    /// One for each of the modes that flush.
    flushing: [LlfreeMemory; 3],
    linux: Vec<Page>,
    interrupts: Vec<Page>,
}

impl Field {
    /// Allocates it all.
    pub(super) fn new(frames: usize, cpus: usize) -> Self {
        Self {
            llfree: LlfreeMemory::new(frames, cpus),
            again: LlfreeMemory::new(frames, cpus),
            eadr: LlfreeMemory::new(frames, cpus),
            per_operation: LlfreeMemory::new(frames, cpus),
            flushing: std::array::from_fn(|_| LlfreeMemory::new(frames, cpus)),
            linux: Linux::<Lock>::memory(frames, cpus),
            interrupts: Linux::<Interrupts>::memory(frames, cpus),
        }
    }

    /// Prepares every design that takes part in a case.
    pub(super) fn entries<'m>(
        &'m mut self,
        case: &Case,
        maker: &impl Maker,
    ) -> Result<Vec<Entry<'m>>> {
        type Claiming = Llfree<Volatile, true>;
        type Durable = Llfree<Eadr, true>;
        type PerOperation = Llfree<Volatile, false>;

        let mut entries = vec![
            entry::<Claiming>(maker, &mut self.llfree)?,
            entry::<Durable>(maker, &mut self.eadr)?,
            entry::<PerOperation>(maker, &mut self.per_operation)?,
            entry::<Linux<Lock>>(maker, &mut self.linux)?,
            entry::<Linux<Interrupts>>(maker, &mut self.interrupts)?,
            entry::<GlobalBuddy>(maker, no_memory())?,
        ];
        // Noise is the same at all orders, and one of them takes all that time.
        if case.order == 0 {
            let again = entry::<Claiming>(maker, &mut self.again)?;
            entries.push(Entry {
                name: AGAIN,
                ..again
            });
        }
        // The control forgets which blocks are free, and only `bulk` frees all.
        if case.workload == Workload::Bulk {
            entries.push(entry::<Control>(maker, no_memory())?);
            if Flushing::is_possible() {
                entries.extend(flushing(&mut self.flushing, case, maker)?);
            }
        }
        Ok(entries)
    }
}

/// Prepares the modes that flush. They differ with single frames; of larger blocks, huge
/// ones are enough.
fn flushing<'m>(
    memory: &'m mut [LlfreeMemory; 3],
    case: &Case,
    maker: &impl Maker,
) -> Result<Vec<Entry<'m>>> {
    let [strict, lazy, batched] = memory;
    let mut entries = Vec::new();
    if matches!(case.order, 0 | 9) {
        entries.push(entry::<Llfree<Flushing, true>>(maker, strict)?);
    }
    if case.order == 0 {
        entries.push(entry::<Llfree<LazyFree<Flushing>, true>>(maker, lazy)?);
        entries.push(entry::<Llfree<Batched<Flushing>, true>>(maker, batched)?);
        entries.push(Entry {
            name: ROW_CLAIM,
            contestant: Box::new(RowClaims::new(case)),
        });
    }
    Ok(entries)
}

fn entry<'m, D: Design>(maker: &impl Maker, memory: &'m mut D::Memory) -> Result<Entry<'m>> {
    let contestant = maker.make::<D>(memory)?;
    Ok(Entry {
        name: D::NAME,
        contestant,
    })
}

/// The memory of designs that keep everything on the heap.
fn no_memory() -> &'static mut () {
    Box::leak(Box::new(()))
}
