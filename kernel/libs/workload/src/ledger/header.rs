//! How far a series of crashes has come.
//!
//! The kernel that crashes on purpose forgets everything, also that it was on
//! purpose. The header tells the next boot which cycle was running, how many are
//! wanted, and what the earlier ones gave.

use super::format::{RESULT_LINES, load};
use super::{Ledger, LedgerError, Medium, Worker};
use crate::stamp::Stamper;

/// What a ledger is made for. It does not change afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Frames of the zone.
    pub frames: usize,
    /// Identity of this ledger, part of every stamp: another for every format.
    pub epoch: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Crashes wanted.
    pub cycles: u32,
}

/// How far the series has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the cycle is at.
    pub phase: Phase,
    /// Number of the cycle, from 1; 0 before the first.
    pub cycle: u32,
}

/// What a cycle is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Not begun, or judged and settled.
    Idle = 0,
    /// Begun and not judged: after a boot, it ended in a crash.
    Running = 1,
    /// No cycle will follow.
    Complete = 2,
}

/// What one cycle gave, in the order of its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleResult {
    /// Number of the cycle, from 1.
    pub cycle: u64,
    /// How the machine was broken, by a code of the caller's.
    pub reset: u64,
    /// Operations acknowledged.
    pub acknowledged: u64,
    /// Operations in flight.
    pub in_flight: u64,
    /// Blocks owned.
    pub owned: u64,
    /// Frames lost, defaced or doubled.
    pub violated: u64,
    /// Frames leaked.
    pub leaked: u64,
    /// Frames that could have been.
    pub bound: u64,
}

impl<M> Ledger<'_, M> {
    /// Returns what the ledger was made for.
    pub fn config(&self) -> Config {
        let [_, _, _, epoch, seed, cycles, ..] = load::<8>(self.header_words());
        Config {
            frames: self.frames,
            epoch,
            seed,
            cycles: u32::try_from(cycles).unwrap_or(u32::MAX),
        }
    }

    /// Returns how far the series has come, with an unknown phase as running: it
    /// has to be judged.
    pub fn progress(&self) -> Progress {
        let [word] = load(self.progress_words());
        let [a, b, c, d, cycle @ ..] = word.to_le_bytes();
        Progress {
            phase: match u32::from_le_bytes([a, b, c, d]) {
                0 => Phase::Idle,
                2 => Phase::Complete,
                _ => Phase::Running,
            },
            cycle: u32::from_le_bytes(cycle),
        }
    }

    /// Returns the results that are kept, oldest first.
    pub fn results(&self) -> impl Iterator<Item = CycleResult> {
        let last = self.progress().cycle as usize;
        let first = (last + 1).saturating_sub(RESULT_LINES).max(1);
        (first..=last).filter_map(|cycle| {
            let [
                found,
                reset,
                acknowledged,
                in_flight,
                owned,
                violated,
                leaked,
                bound,
            ] = load(self.result_words(cycle % RESULT_LINES));
            (found == cycle as u64).then_some(CycleResult {
                cycle: found,
                reset,
                acknowledged,
                in_flight,
                owned,
                violated,
                leaked,
                bound,
            })
        })
    }

    /// Returns a processor's pen. There may be one for each at a time.
    ///
    /// # Errors
    ///
    /// There is no line for this processor, or it is not settled.
    pub fn worker<'l, S: Stamper>(
        &'l self,
        cpu: u8,
        stamps: &'l S,
    ) -> Result<Worker<'l, M, S>, LedgerError> {
        Worker::new(self, cpu, stamps)
    }
}

impl<M: Medium> Ledger<'_, M> {
    /// Keeps a result. The last few are kept.
    pub fn record(&self, result: &CycleResult) {
        let lines = RESULT_LINES as u64;
        let line = usize::try_from(result.cycle % lines).unwrap_or_default();
        let words = self.result_words(line);
        // Without its number until it is whole.
        self.set(&words[..1], &[0]);
        self.set(
            &words[1..],
            &[
                result.reset,
                result.acknowledged,
                result.in_flight,
                result.owned,
                result.violated,
                result.leaked,
                result.bound,
            ],
        );
        self.set(&words[..1], &[result.cycle]);
    }

    /// Closes a cycle that was judged and whose leaks were reclaimed: nothing is
    /// in flight any more. To be called before workers start, also after a boot
    /// that found the phase idle.
    pub fn settle(&self, phase: Phase) {
        let cycle = self.progress().cycle;
        for line in self.lines() {
            let begun = line.begun();
            self.set(&line.words[1..4], &[begun, begun, 0]);
        }
        self.set_progress(Progress { phase, cycle });
    }

    /// Begins the next cycle; returns its number.
    pub fn begin(&self) -> u32 {
        self.settle(Phase::Idle);
        let cycle = self.progress().cycle.saturating_add(1);
        let phase = Phase::Running;
        self.set_progress(Progress { phase, cycle });
        cycle
    }

    fn set_progress(&self, progress: Progress) {
        let word = u64::from(progress.cycle) << 32 | u64::from(progress.phase as u32);
        self.set(self.progress_words(), &[word]);
    }
}
