//! *fragmentation*: what speed must not be paid for with.
//!
//! An allocator can be made fast by not caring where a frame comes from; the price
//! shows weeks later, when no huge frame is left. Here a zone is filled frame by
//! frame and thinned out at random to a half (or nine tenths), so that no huge frame
//! is whole; then, for 200 rounds, a tenth of what is allocated is replaced at
//! random, frame by frame. An allocator that fills gaps first regains huge frames
//! on the way. The first figure is the share that it has regained of those that the
//! free frames would make up. The second is the paper's compaction figure: how many
//! frames would have to be moved until a given share is whole, emptiest first.
//!
//! The design `random-rows` must do badly here, or the test can't tell.

use anyhow::{Context as _, Result, anyhow, ensure};
use frame::{FrameId, Order};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng as _};
use serde::Serialize;
use workload::FrameAlloc;

use super::{
    case::frames,
    rival::{Design, Zone as _},
    statistics::shuffle_front,
};

/// Frames in a huge frame.
const HUGE: usize = Order::HUGE.frames();

/// The percentages of the possible huge frames that compaction is to reach.
pub(super) const GOALS: [usize; 4] = [75, 90, 95, 99];

/// How much churn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wear {
    pub(super) gib: usize,
    pub(super) rounds: usize,
    /// Percent of the zone that is allocated.
    pub(super) fill: u8,
}

/// What a design's zone looks like afterwards.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Worn {
    pub(super) alloc: &'static str,
    pub(super) gib: usize,
    pub(super) fill: u8,
    pub(super) rounds: usize,
    /// Huge frames that are entirely free.
    pub(super) huge_free: usize,
    /// Huge frames that the free frames would make up.
    pub(super) huge_possible: usize,
    /// Frames to move for each of [`GOALS`].
    pub(super) moves: [usize; GOALS.len()],
}

/// What upstream LLFree regains of 4 GiB at half fill.
const UPSTREAM: f64 = 999.0 / 1024.0;

impl Worn {
    /// Returns whether this is as good as it has to be: as `reference`, and at half
    /// fill as upstream.
    pub(super) fn is_enough(&self, reference: &Self) -> bool {
        let least = if self.fill == 50 { UPSTREAM } else { 0.0 };
        self.share() >= reference.share().max(least)
    }

    /// Returns the share of the possible huge frames that are whole.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn share(&self) -> f64 {
        self.huge_free as f64 / self.huge_possible as f64
    }
}

/// Wears out a zone of a design, and looks at it.
pub(super) fn wear_out<D: Design>(wear: Wear, seed: u64) -> Result<Worn> {
    let frames = frames(wear.gib);
    let mut memory = D::memory(frames, 1);
    let zone = D::zone(&mut memory, frames, 1);
    let mut handle = zone.handle(0);
    let blocks = churn(&mut handle, frames, wear, seed)?;
    drop(handle);

    let free = zone.free_frames();
    ensure!(
        free + blocks.len() == frames,
        "{}: {free} free and {} allocated are not {frames} frames",
        D::NAME,
        blocks.len()
    );
    let used = usage(frames, &blocks)?;
    Ok(Worn {
        alloc: D::NAME,
        gib: wear.gib,
        fill: wear.fill,
        rounds: wear.rounds,
        huge_free: zone.free_huge(),
        huge_possible: free / HUGE,
        moves: moves(&used, free / HUGE),
    })
}

/// Fills the zone, thins it out, and replaces a tenth of the rest in each round.
fn churn(
    handle: &mut impl FrameAlloc,
    frames: usize,
    wear: Wear,
    seed: u64,
) -> Result<Vec<FrameId>> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut blocks: Vec<FrameId> = std::iter::from_fn(|| handle.get(Order::FRAME)).collect();
    ensure!(
        blocks.len() == frames,
        "only {} of {frames} frames",
        blocks.len()
    );
    shuffle_front(&mut dice, &mut blocks, frames);
    let wanted = frames * usize::from(wear.fill) / 100;
    blocks
        .drain(wanted..)
        .try_for_each(|frame| put(handle, frame))?;
    for _ in 0..wear.rounds {
        shuffle_front(&mut dice, &mut blocks, wanted / 10);
        for block in &mut blocks[..wanted / 10] {
            put(handle, *block)?;
            *block = handle
                .get(Order::FRAME)
                .context("out of frames right after a free")?;
        }
    }
    Ok(blocks)
}

fn put(handle: &mut impl FrameAlloc, frame: FrameId) -> Result<()> {
    let put = handle.put(frame, Order::FRAME);
    put.map_err(|error| anyhow!("{frame:?} was refused: {error:?}"))
}

/// Counts the allocated frames of each huge frame; refuses a frame with two
/// owners.
fn usage(frames: usize, blocks: &[FrameId]) -> Result<Vec<usize>> {
    let mut owned = vec![false; frames];
    let mut used = vec![0; frames / HUGE];
    for &FrameId(frame) in blocks {
        let seen = std::mem::replace(&mut owned[frame], true);
        ensure!(!seen, "frame {frame:#x} was handed out twice");
        used[frame / HUGE] += 1;
    }
    Ok(used)
}

/// Counts the frames to move until so many percent of the `possible` huge frames
/// are free. Those that are free already cost nothing, and the emptiest go first;
/// there is room for their frames in the others.
fn moves(used: &[usize], possible: usize) -> [usize; GOALS.len()] {
    let mut used = used.to_vec();
    used.sort_unstable();
    GOALS.map(|percent| used[..possible * percent / 100].iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rival::{Llfree, RandomRows};

    const WEAR: Wear = Wear {
        gib: 1,
        rounds: 100,
        fill: 50,
    };

    #[test]
    fn churn_leaves_less_to_move_than_rows_at_random() {
        let worn = wear_out::<Llfree<persist::Volatile, true>>(WEAR, 1).expect("a zone");
        let random = wear_out::<RandomRows>(WEAR, 1).expect("a zone");
        assert!(worn.moves[0] < random.moves[0], "{worn:?} {random:?}");
        assert!(random.share() < 0.1, "{random:?}");
    }

    #[test]
    fn compaction_empties_the_emptiest_first() {
        let mut used = vec![HUGE; 200];
        used[..100].fill(0);
        used[17] = 7;
        used[80] = 3;
        used[81] = 5;
        assert_eq!(moves(&used, 100), [0, 0, 0, 3 + 5]);
        assert_eq!(moves(&used, 104), [0, 0, 3, 3 + 5 + 7 + 2 * HUGE]);
    }

    #[test]
    fn a_frame_with_two_owners_is_refused() {
        let twice = [FrameId(9), FrameId(9)];
        assert!(usage(HUGE, &twice).is_err());
    }
}
