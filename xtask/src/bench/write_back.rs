//! Modes in which durability takes instructions, on this machine, and what these cost.
//!
//! The tables lie in ordinary memory, which makes a write-back cheaper or dearer than
//! on persistent memory; so bounds are multiples of what the same instructions take
//! here, in the same rounds: one claim of 64 frames is a name in a slot and its
//! write-back, the compare-exchange that takes the row and its write-back, and a fence.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::Result;
use persist::{Adr, Domain, Persist, WriteBack};

use super::{
    case::Case,
    field::{Contestant, Reading},
    processor::on_each,
};

/// The name under which the instructions of a claim take part in *bulk*.
pub(super) const ROW_CLAIM: &str = "row-claim";

/// Claims in one repetition.
const CLAIMS: u32 = 20_000;
/// Lines over which names take turns.
const TURNS: usize = 4;

/// Memory behind caches that nobody flushes, with the best instruction there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flushing(Adr);

impl Flushing {
    /// Whether this processor has such an instruction.
    pub(super) fn is_possible() -> bool {
        WriteBack::detect().is_some()
    }
}

impl Default for Flushing {
    /// # Panics
    ///
    /// Panics where it is not [possible](Self::is_possible).
    fn default() -> Self {
        Self(Adr::new(WriteBack::find().expect("asked for before")))
    }
}

impl Persist for Flushing {
    const DOMAIN: Domain = Domain::Adr;

    #[inline(always)]
    fn flush<T: ?Sized>(&self, value: &T) {
        self.0.flush(value);
    }

    #[inline(always)]
    fn fence(&self) {
        self.0.fence();
    }

    #[inline(always)]
    fn order(&self) {
        self.0.order();
    }
}

/// A word in a line of its own.
#[repr(align(64))]
struct Line([AtomicU64; 8]);

/// The instructions of claims, row after row.
pub(super) struct RowClaims {
    names: [Line; TURNS],
    rows: Vec<Line>,
    platform: Flushing,
}

impl RowClaims {
    /// Rows for the zone of a case.
    pub(super) fn new(case: &Case) -> Self {
        let line = |_| Line([const { AtomicU64::new(0) }; 8]);
        Self {
            names: std::array::from_fn(line),
            rows: (0..case.frames() / 512).map(line).collect(),
            platform: Flushing::default(),
        }
    }

    fn claim(&self) -> Reading {
        let persist = &self.platform;
        let mut all = self.rows.iter().flat_map(|line| &line.0).cycle();
        let start = Instant::now();
        for number in 0..CLAIMS as usize {
            let Some(row) = all.next() else { break };
            let name = &self.names[number % TURNS].0[6];
            persist.store(name, number as u64);
            // PERSIST: the name before the row, as a claim does it.
            persist.flush(name);
            persist.order();
            let old = persist.load(row);
            let taken = row.compare_exchange(old, !old, Ordering::AcqRel, Ordering::Acquire);
            // PERSIST: the row before its frames are handed out.
            persist.flush(row);
            persist.fence();
            let _ = black_box(taken);
        }
        Reading {
            op: "claim",
            ops: CLAIMS.into(),
            nanos: u64::try_from(start.elapsed().as_nanos()).expect("it ends"),
            intervals: 1,
        }
    }
}

impl Contestant for RowClaims {
    fn repetition(&mut self, _: u64) -> Result<Vec<Reading>> {
        on_each(1, |_| self.claim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::case::Workload;

    #[test]
    fn every_claim_takes_the_next_row_until_all_are_taken() {
        if !Flushing::is_possible() {
            return;
        }
        let claims = RowClaims::new(&Case {
            workload: Workload::Bulk,
            order: 0,
            threads: 1,
            fill: None,
            gib: 8,
        });
        let rows = claims.rows.len() * 8;
        assert_eq!(claims.claim().ops, u64::from(CLAIMS));
        let words = claims.rows.iter().flat_map(|line| &line.0);
        let taken = words.filter(|word| claims.platform.load(word) != 0).count();
        assert_eq!(taken, rows.min(CLAIMS as usize));
    }
}
