//! Setting bits of a bitfield: a run in one word, or whole words, all or none.
//!
//! Who calls has subtracted as many frames from the entry's count, so that many bits
//! are clear; but others may be faster with these very ones.

use frame::FrameId;
use persist::Persist;

use super::peek::Peek;
use super::{persist_now, persist_taken};
use crate::cell::Cell;
use crate::mutant::mutant;
use crate::row::{WORD_ORDER, first_free, run};
use crate::shape::WORD_FRAMES;

/// Sets an aligned run of clear bits inside one word; returns its first frame's
/// offset in the huge frame.
pub(super) fn set_run<const WORDS: usize>(
    persist: &impl Persist,
    peek: Peek<'_, WORDS>,
    order: u8,
) -> Option<usize> {
    (0..WORDS).find_map(|step| {
        let index = (peek.index + step) % WORDS;
        let word = &peek.field[index];
        let bit = set_run_in(persist, word, word.load(persist), order)?;
        Some(index * WORD_FRAMES + bit)
    })
}

/// The same in one word; returns the run's first bit.
#[inline(always)]
pub(super) fn set_run_in(
    persist: &impl Persist,
    word: &Cell,
    seen: u64,
    order: u8,
) -> Option<usize> {
    let mut old = seen;
    while let Some(bit) = first_free(old, order) {
        match word.replace(persist, old, taken(old, run(bit, order))) {
            Ok(()) => {
                // PERSIST: the bits before the caller's first use of the memory.
                persist_taken(persist, word);
                return Some(bit as usize);
            }
            // Somebody else has taken or returned frames of this word.
            Err(found) => old = found,
        }
    }
    None
}

/// Sets exactly these bits, if all of them are clear.
pub(super) fn set_run_at<const WORDS: usize>(
    persist: &impl Persist,
    field: &[Cell; WORDS],
    frame: FrameId,
    order: u8,
) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
    let bits = run((frame.0 % WORD_FRAMES) as u32, order);
    let word = &field[frame.0 / WORD_FRAMES % WORDS];
    let set = |old: u64| (old & bits == 0).then(|| taken(old, bits));
    let done = word.update(persist, set).is_ok();
    if done {
        // PERSIST: as in `set_run`.
        persist_taken(persist, word);
    }
    done
}

/// Sets an aligned group of clear words; returns its first frame's offset.
pub(super) fn set_words<const WORDS: usize>(
    persist: &impl Persist,
    field: &[Cell; WORDS],
    order: u8,
) -> Option<usize> {
    let len = 1 << (order - WORD_ORDER);
    // Only reading first: undoing a group costs as much as taking it.
    let is_free = |group: &[Cell]| group.iter().all(|word| word.load(persist) == 0);
    let group =
        (field.chunks_exact(len)).position(|group| is_free(group) && set_group(persist, group))?;
    Some(group * len * WORD_FRAMES)
}

/// Sets all words of a group, or none: a word that somebody else was faster with
/// means that the ones before it are cleared again, and that this is a failure.
#[inline(always)]
pub(super) fn set_group(persist: &impl Persist, group: &[Cell]) -> bool {
    for (index, word) in group.iter().enumerate() {
        if word.replace(persist, 0, taken(0, u64::MAX)).is_err() {
            for undone in &group[..index] {
                // These are ours: all bits were clear, and nobody frees frames
                // that nobody has been given.
                undone.store(persist, 0);
            }
            // PERSIST: a word that reached the medium set would be lost with the
            // next crash, long after this operation.
            persist_now(persist, &group[..index]);
            return mutant!("group_undone_is_returned");
        }
    }
    // PERSIST: all words lie in one line; as in `set_run`.
    persist_now(persist, group);
    true
}

/// Returns a word with these bits set.
#[inline(always)]
pub(super) fn taken(old: u64, bits: u64) -> u64 {
    if mutant!("get_forgets_bit") {
        return old;
    }
    old | bits
}
