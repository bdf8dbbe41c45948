//! How much is run, by default and where a test asks for little.

use core::time::Duration;

use frame::Order;
use options::Options;

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Repetitions that only warm up.
    pub(super) warmup: u32,
    /// Repetitions that count.
    pub(super) reps: u32,
    /// Most blocks for each processor in *bulk* and *random*.
    pub(super) blocks: usize,
    /// Pairs in *repeat*.
    pub(super) rounds: usize,
    /// Operations on each zone before a crash may come.
    pub(super) operations: u64,
    /// The crash comes within so long after that.
    pub(super) fuse: Duration,
}

impl Sizes {
    pub(super) fn of(options: &Options) -> Self {
        if options.quick {
            Self {
                warmup: 1,
                reps: 2,
                blocks: 1 << 10,
                rounds: 1 << 10,
                operations: 2_000,
                fuse: Duration::from_millis(20),
            }
        } else {
            Self {
                warmup: 2,
                reps: 8,
                blocks: 1 << 14,
                rounds: 1 << 13,
                operations: 8_000,
                fuse: Duration::from_millis(100),
            }
        }
    }

    /// Returns how many blocks each of `cpus` processors takes of a zone, so that
    /// all of them together leave a quarter free.
    pub(super) fn blocks_of(&self, free_frames: usize, order: Order, cpus: usize) -> usize {
        let share = free_frames / order.frames() * 3 / 4 / cpus;
        share.min(self.blocks)
    }
}

/// Returns the numbers of processors to measure: powers of two, and all.
pub(super) fn series(cpus: usize) -> impl Iterator<Item = usize> {
    let powers = (0..usize::BITS).map(|exponent| 1 << exponent);
    powers.take_while(move |&power| power < cpus).chain([cpus])
}
