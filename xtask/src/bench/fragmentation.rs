//! *fragmentation*: what speed must not be paid for with.
//!
//! An allocator can be made fast by not caring where a frame comes from; the price
//! shows weeks later, when no huge frame is left. Here half (or nine tenths) of a
//! zone is allocated frame by frame and kept; then, for 200 rounds, a tenth of it
//! is freed at random and allocated again. The first figure is the share of the
//! huge frames that could be whole (those that the free frames would make up) and
//! still are. The second is the paper's compaction figure: how many frames would
//! have to be moved until a given share of them is whole, emptiest first.
//!
//! The design `random-rows` must do badly here, or the test can't tell.

use anyhow::{Result, anyhow, ensure};
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

impl Worn {
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

/// Fills the zone and replaces a tenth of it in each round.
fn churn(
    handle: &mut impl FrameAlloc,
    frames: usize,
    wear: Wear,
    seed: u64,
) -> Result<Vec<FrameId>> {
    let wanted = frames * usize::from(wear.fill) / 100;
    let mut blocks: Vec<FrameId> = Vec::with_capacity(wanted);
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let tenth = wanted / 10;
    refill(handle, &mut blocks, wanted)?;
    for _ in 0..wear.rounds {
        shuffle_front(&mut dice, &mut blocks, tenth);
        for frame in blocks.drain(..tenth) {
            let put = handle.put(frame, Order::FRAME);
            put.map_err(|error| anyhow!("{frame:?} was refused: {error:?}"))?;
        }
        refill(handle, &mut blocks, wanted)?;
    }
    Ok(blocks)
}

fn refill(handle: &mut impl FrameAlloc, blocks: &mut Vec<FrameId>, wanted: usize) -> Result<()> {
    while blocks.len() < wanted {
        let frame = handle.get(Order::FRAME);
        blocks.push(frame.ok_or_else(|| anyhow!("out of frames at {} of {wanted}", blocks.len()))?);
    }
    Ok(())
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
        rounds: 20,
        fill: 50,
    };

    #[test]
    fn most_huge_frames_survive_churn() {
        let worn = wear_out::<Llfree<persist::Volatile, true>>(WEAR, 1).expect("a zone");
        assert!(worn.share() > 0.9, "{worn:?}");
    }

    /// Positive control: the test above can fail.
    #[test]
    fn taking_rows_at_random_is_caught() {
        let worn = wear_out::<RandomRows>(WEAR, 1).expect("a zone");
        assert!(worn.share() < 0.1, "{worn:?}");
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
