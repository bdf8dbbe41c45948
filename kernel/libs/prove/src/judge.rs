//! Whether what recovery has made of a medium is what the callers are owed.
//!
//! * What was acknowledged as taken is allocated, and can be returned.
//! * What was acknowledged as returned is free: nothing is allocated without an
//!   owner but blocks in flight, and frames that are listed as uncertain.
//! * A huge frame that was taken offline is, unless it is on its way back.
//! * An operation in flight has happened or not; only blocks of several words, and
//!   less than a huge frame, may have changed hands in part.
//! * A huge frame that was taken offline is so, unless it is on its way back; others
//!   are not, but for one each that is being taken.
//! * All that the tables say twice agrees.

use llfree::{Fate, Recovery, Zone};
use persist::{Mode, Persist};

use crate::ledger::{Block, Expected};
use crate::trial;

/// The largest order that is a run in one word.
const WORD_ORDER: u8 = 6;

/// The most rows that a processor holds.
const ROWS: usize = 2;

/// What a frame turns out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Free,
    /// Allocated, and so far nobody's.
    Taken,
    Uncertain,
    Owned,
    /// Part of a block that was being returned.
    Returning,
    /// Part of a huge frame that is out of service.
    Offline,
}

/// Judges a recovered zone. Returns a number that stands for what is allocated and
/// what is uncertain.
pub(crate) fn judge<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    found: Recovery,
    expected: &Expected,
) -> Result<u64, String> {
    // Whole huge frames with bits: splits, or frees that waited for a sync.
    let too_many = P::MODE == Mode::Strict && found.split_in_flight > zone.cpus();
    if found.unreadable + found.unlisted > 0 || too_many {
        return Err(format!("recovery found damage: {found:?}"));
    }
    zone.validate()
        .map_err(|error| format!("after recovery, {error}"))?;
    let mut frames = survey(zone)?;
    let taken = frames.iter().filter(|&&frame| frame != Frame::Free).count();
    if zone.stats().free != zone.frames() - taken {
        return Err("the number of free frames is wrong".to_owned());
    }
    if found.offline != count(&frames, Frame::Offline) {
        return Err("the number of frames that are offline is wrong".to_owned());
    }
    let uncertain = count(&frames, Frame::Uncertain);
    if uncertain > 64 * ROWS * zone.cpus() {
        return Err(format!("{uncertain} frames are uncertain"));
    }
    let signature = signature(&frames);
    let huge = zone_huge_order::<P, WORDS, TREE>();
    explain(&mut frames, expected, huge)?;
    explain_offline(&frames, expected, huge)?;
    let leaked = count(&frames, Frame::Taken);
    let returning = count(&frames, Frame::Returning);
    // What is uncertain, or being returned, may be part of a block being taken.
    let perhaps = returning + count(&frames, Frame::Uncertain);
    if !may_be_leaked(leaked, perhaps, &expected.taking, huge) {
        let taking = &expected.taking;
        return Err(format!(
            "{leaked} frames have no owner; in flight were gets of orders {taking:?}"
        ));
    }
    let kept = leaked + returning;
    return_all(zone, expected, kept)?;
    Ok(signature)
}

const fn zone_huge_order<P: Persist, const WORDS: usize, const TREE: usize>() -> u8 {
    Zone::<'_, P, WORDS, TREE>::HUGE_ORDER.exponent()
}

/// Looks at every frame.
fn survey<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
) -> Result<Vec<Frame>, String> {
    let mut frames = vec![Frame::Free; zone.frames()];
    for (first, order) in zone.allocated() {
        frames[first.0..][..order.frames()].fill(Frame::Taken);
    }
    for huge in trial::offline(zone) {
        frames[huge].fill(Frame::Offline);
    }
    for frame in zone.uncertain() {
        match &mut frames[frame.0] {
            Frame::Free => return Err(format!("{frame} is uncertain, and free")),
            frame => *frame = Frame::Uncertain,
        }
    }
    Ok(frames)
}

/// Finds the owners.
fn explain(frames: &mut [Frame], expected: &Expected, huge: u8) -> Result<(), String> {
    for block in &expected.owned {
        for frame in block.frames() {
            if matches!(frames[frame], Frame::Free | Frame::Offline) {
                return Err(format!("frame {frame:#x} of {block:?} was lost"));
            }
            frames[frame] = Frame::Owned;
        }
    }
    for frame in expected.unsynced.iter().flat_map(|block| block.frames()) {
        if frames[frame] == Frame::Taken {
            frames[frame] = Frame::Returning;
        }
    }
    for block in &expected.returning {
        let part = &mut frames[block.frames()];
        let still = part.iter().filter(|&&frame| frame != Frame::Free).count();
        let others = part.contains(&Frame::Owned);
        // Of a block that was returned, frames may be on their way to others.
        if still < part.len() && !is_divisible(block.order, huge) && !others {
            continue;
        }
        for frame in part {
            if *frame == Frame::Taken {
                *frame = Frame::Returning;
            }
        }
    }
    Ok(())
}

/// Holds what is offline against what has to be, and what may be.
fn explain_offline(frames: &[Frame], expected: &Expected, huge: u8) -> Result<(), String> {
    let is_offline = |block: &&Block| frames[block.first] == Frame::Offline;
    if let Some(block) = expected.offline.iter().find(|block| !is_offline(block)) {
        return Err(format!("{block:?} is not offline any more"));
    }
    let explained = expected.offline.len() + expected.coming.iter().filter(is_offline).count();
    let found = count(frames, Frame::Offline) >> huge;
    let going = expected.going;
    if found > explained + going {
        return Err(format!(
            "{found} huge frames are offline: {explained} were, {going} may be"
        ));
    }
    Ok(())
}

/// Whether a block of this order may change hands in part.
const fn is_divisible(order: u8, huge: u8) -> bool {
    WORD_ORDER < order && order < huge
}

/// Whether so many frames can be those of some of the blocks being taken, together
/// with some that have another explanation.
fn may_be_leaked(leaked: usize, perhaps: usize, taking: &[u8], huge: u8) -> bool {
    if taking.iter().any(|&order| is_divisible(order, huge)) {
        return leaked <= taking.iter().map(|&order| 1 << order).sum();
    }
    let sums = 0..1_u32 << taking.len();
    sums.into_iter().any(|some| {
        let chosen = (taking.iter().enumerate()).filter(|(index, _)| some >> index & 1 != 0);
        let sum: usize = chosen.map(|(_, &order)| 1_usize << order).sum();
        (leaked..=leaked + perhaps).contains(&sum)
    })
}

/// Returns all that has an owner, and settles what is uncertain: `kept` is left.
fn return_all<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    expected: &Expected,
    kept: usize,
) -> Result<(), String> {
    let mut local = zone.local(0).map_err(|error| error.to_string())?;
    for block in &expected.owned {
        let Block { first, order } = block;
        (local.put(block.frame(), block.order()))
            .map_err(|error| format!("{first:#x} of order {order} can't be returned: {error}"))?;
    }
    local.drain();
    for huge in trial::offline(zone).collect::<Vec<_>>() {
        (zone.online_huge(huge.start >> zone_huge_order::<P, WORDS, TREE>()))
            .map_err(|error| error.to_string())?;
    }
    for frame in zone.uncertain().collect::<Vec<_>>() {
        (zone.resolve(frame, Fate::Free)).map_err(|error| error.to_string())?;
    }
    let left = zone.frames() - zone.stats().free;
    if left != kept {
        return Err(format!("{left} frames are left, {kept} should be"));
    }
    zone.validate()
        .map_err(|error| format!("after all was returned, {error}"))
}

fn count(frames: &[Frame], what: Frame) -> usize {
    frames.iter().filter(|&&frame| frame == what).count()
}

fn signature(frames: &[Frame]) -> u64 {
    frames.iter().fold(0, |hash: u64, &frame| {
        (hash ^ frame as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23)
    })
}
