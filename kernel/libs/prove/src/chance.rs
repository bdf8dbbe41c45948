//! Schedules by chance: a random walk, and priorities that change (PCT).
//!
//! The random walk stays with a process for a while; how long, and how readily
//! store buffers empty, is drawn anew for each run. PCT (Burckhardt et al., ASPLOS
//! 2010) gives each process a priority and lowers it at a few random steps: a bug
//! that takes `d` ordering constraints is found with a probability of at least
//! 1 / (n · k^(d-1)) for n processes and k steps, however many steps there are
//! around it.

use crate::engine::{Choice, Chooser, PROCESSES, THREADS};
use crate::random::Random;

/// A random walk.
pub(crate) struct Walk {
    random: Random,
    /// A change in one of so many steps.
    stay: usize,
    /// A buffer is emptied in one of so many changes.
    keep: usize,
    last: usize,
}

impl Walk {
    /// The walk that follows from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            stay: [1, 2, 4, 16][random.below(4)],
            keep: [1, 4, 32][random.below(3)],
            last: 0,
            random,
        }
    }
}

impl Chooser for Walk {
    fn choose(&mut self, choice: &Choice<'_>) -> Option<usize> {
        let is_enabled = |process: usize| choice.enabled >> process & 1 != 0;
        if !is_enabled(self.last) || self.random.one_in(self.stay) {
            let threads = choice.enabled & ((1 << THREADS) - 1);
            let buffers = choice.enabled & !threads;
            let from = if threads == 0 || buffers != 0 && self.random.one_in(self.keep) {
                buffers
            } else {
                threads
            };
            let nth = self.random.below(from.count_ones() as usize);
            let mut all = (0..PROCESSES).filter(|process| from >> process & 1 != 0);
            self.last = all.nth(nth)?;
        }
        Some(self.last)
    }
}

/// Priorities.
pub(crate) struct Priorities {
    of: [usize; PROCESSES],
    /// Steps at which whoever runs becomes the least important.
    changes: [usize; 4],
    step: usize,
    lowest: usize,
}

impl Priorities {
    /// The priorities that follow from a seed, with up to four changes in about
    /// so many steps.
    pub(crate) fn new(seed: u64, steps: usize) -> Self {
        let mut random = Random::new(seed);
        let mut of = [0; PROCESSES];
        for (rank, priority) in of.iter_mut().enumerate() {
            *priority = 100 + rank;
        }
        for at in (1..PROCESSES).rev() {
            of.swap(at, random.below(at + 1));
        }
        let depth = 1 + random.below(4);
        let mut changes = [usize::MAX; 4];
        for change in &mut changes[..depth] {
            *change = random.below(steps.max(1));
        }
        Self {
            of,
            changes,
            step: 0,
            lowest: 100,
        }
    }

    fn first(&self, enabled: u8) -> Option<usize> {
        let all = (0..PROCESSES).filter(|process| enabled >> process & 1 != 0);
        all.max_by_key(|&process| self.of[process])
    }
}

impl Chooser for Priorities {
    fn choose(&mut self, choice: &Choice<'_>) -> Option<usize> {
        let mut chosen = self.first(choice.enabled)?;
        if self.changes.contains(&self.step) {
            self.lowest -= 1;
            self.of[chosen] = self.lowest;
            chosen = self.first(choice.enabled)?;
        }
        self.step += 1;
        Some(chosen)
    }
}
