//! Entries: what is known of a huge frame without looking at its bits.
//!
//! An entry is 16 bits: either the number of its frames that are free, or a
//! state in which the bits don't count. The count is soft, it can be recounted;
//! [`HUGE`] is the hard part. Four neighbouring entries share a word that is
//! only accessed whole, so a pair of huge frames changes hands in one step, all
//! or nothing, also in a crash.
//!
//! ```text
//!           get                       put, first part
//! all free ─────► HUGE ─► FREEING ─► all free
//!                  └────► SPLITTING ─► SPLIT_DONE ─► 0 ─► 1 … all free
//! ```
//!
//! FREEING and SPLIT_DONE only occur where durability takes flushes. MEMBER says
//! that another word knows: the one of the giant frame around. OFFLINE is between
//! *all free* and FREEING like HUGE, but nobody's.

use persist::Persist;

use crate::cell::Cell;

/// The largest value that is a count.
pub(crate) const MAX_COUNT: u16 = 0x7fff;

/// Allocated as a whole; all bits are clear.
pub(crate) const HUGE: u16 = 0x8000;
/// Being freed as a whole: nobody may take it before that is durable.
pub(crate) const FREEING: u16 = 0x8001;
/// Allocated as a whole, while one processor sets its bits.
pub(crate) const SPLITTING: u16 = 0x8002;
/// All bits are durably set; the count comes next.
pub(crate) const SPLIT_DONE: u16 = 0x8003;
/// Part of a giant frame, whose word says what that means.
pub(crate) const MEMBER: u16 = 0x8004;
/// Neither free nor allocated: out of service. The bits don't count.
pub(crate) const OFFLINE: u16 = 0x8005;

/// Entries in a word.
pub(crate) const QUAD: usize = 4;

/// One entry, or the first of an aligned pair, within its word.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    quad: &'a Cell,
    shift: u32,
}

impl<'a> Entry<'a> {
    /// Returns the entry of this huge frame.
    #[inline(always)]
    pub(crate) fn of(quads: &'a [Cell], huge: usize) -> Option<Self> {
        let quad = quads.get(huge / QUAD)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 48")]
        let shift = (huge % QUAD * 16) as u32;
        Some(Self { quad, shift })
    }

    /// Reads the entry.
    #[inline(always)]
    pub(crate) fn load(self, persist: &impl Persist) -> u16 {
        self.part_of(self.quad.load(persist))
    }

    /// Reads the word that the entry is in, for [`Self::update_from`].
    #[inline(always)]
    pub(crate) fn peek(self, persist: &impl Persist) -> Seen {
        Seen(self.quad.load(persist))
    }

    /// Returns what the entry was when its word was read.
    #[inline(always)]
    pub(crate) fn seen(self, seen: Seen) -> u16 {
        self.part_of(seen.0)
    }

    /// Adds frames to a count that they are missing from. Returns what it was, or
    /// leaves it and returns it as the error if it is no such count.
    #[inline(always)]
    pub(crate) fn add(self, persist: &impl Persist, frames: u16, most: u16) -> Result<u16, u16> {
        let step = |old: u16| old <= most && frames <= most - old;
        let change = u64::from(frames) << self.shift;
        self.shift_from(persist, self.peek(persist), step, |quad| quad + change)
    }

    /// Subtracts frames from a count, of at most `most`, that has so many; for one
    /// who has read the entry already. Returns the same.
    #[inline(always)]
    pub(crate) fn take_from(
        self,
        persist: &impl Persist,
        seen: Seen,
        frames: u16,
        most: u16,
    ) -> Result<u16, u16> {
        // States are larger than any count, so one test of the upper end excludes them.
        let step = |old: u16| frames <= old && old <= most;
        let change = u64::from(frames) << self.shift;
        self.shift_from(persist, seen, step, |quad| quad - change)
    }

    /// The same, if the word has not changed; returns whether that is done.
    #[inline(always)]
    pub(crate) fn take_seen(
        self,
        persist: &impl Persist,
        seen: Seen,
        frames: u16,
        most: u16,
    ) -> bool {
        let (old, Seen(quad)) = (self.seen(seen), seen);
        let new = quad.wrapping_sub(u64::from(frames) << self.shift);
        frames <= old && old <= most && self.quad.replace(persist, quad, new).is_ok()
    }

    /// Adds a frame to a count that was seen to miss it, if the word has not changed;
    /// returns whether that is done.
    #[inline(always)]
    pub(crate) fn add_frame_seen(self, persist: &impl Persist, seen: Seen) -> bool {
        let Seen(quad) = seen;
        let new = quad.wrapping_add(1 << self.shift);
        self.quad.replace(persist, quad, new).is_ok()
    }

    /// Adds frames to a count that they are missing from, and that nobody else can
    /// change: who has taken all of it.
    #[inline(always)]
    pub(crate) fn add_own(self, persist: &impl Persist, frames: u16) {
        self.quad
            .fetch_add(persist, u64::from(frames) << self.shift);
    }

    /// Replaces an entry by another one, if it was `from` and the word has not changed;
    /// returns whether that is done.
    #[inline(always)]
    pub(crate) fn replace_seen(
        self,
        persist: &impl Persist,
        seen: Seen,
        from: u16,
        to: u16,
    ) -> bool {
        let Seen(quad) = seen;
        let new = quad ^ u64::from(from ^ to) << self.shift;
        self.part_of(quad) == from && self.quad.replace(persist, quad, new).is_ok()
    }

    /// Changes the whole word by a sum that stays within this entry, if that is fit.
    #[inline(always)]
    fn shift_from(
        self,
        persist: &impl Persist,
        seen: Seen,
        is_fit: impl Fn(u16) -> bool,
        change: impl Fn(u64) -> u64,
    ) -> Result<u16, u16> {
        let step = |quad: u64| is_fit(self.part_of(quad)).then(|| change(quad));
        match self.quad.update_from(persist, seen.0, step) {
            Ok(quad) => Ok(self.part_of(quad)),
            Err(quad) => Err(self.part_of(quad)),
        }
    }

    /// Starts to make the entry durable.
    #[inline(always)]
    pub(crate) fn flush(self, persist: &impl Persist) {
        persist.flush(self.quad);
    }

    /// Replaces the entry by what `step` makes of it and returns what it was, or
    /// leaves it and returns it as the error once `step` refuses.
    #[inline(always)]
    pub(crate) fn update(
        self,
        persist: &impl Persist,
        step: impl Fn(u16) -> Option<u16>,
    ) -> Result<u16, u16> {
        self.update_from(persist, self.peek(persist), step)
    }

    /// The same for one who has read the entry already.
    #[inline(always)]
    pub(crate) fn update_from(
        self,
        persist: &impl Persist,
        seen: Seen,
        step: impl Fn(u16) -> Option<u16>,
    ) -> Result<u16, u16> {
        let replaced = self.quad.update_from(persist, seen.0, |quad| {
            let new = step(self.part_of(quad))?;
            Some(quad & !(0xffff << self.shift) | u64::from(new) << self.shift)
        });
        match replaced {
            Ok(quad) => Ok(self.part_of(quad)),
            Err(quad) => Err(self.part_of(quad)),
        }
    }

    /// Replaces this entry, and with [`Span::Pair`] the next one too, by `to` if
    /// all of them are `from`. The error is what they are instead.
    #[inline(always)]
    pub(crate) fn exchange(
        self,
        persist: &impl Persist,
        span: Span,
        from: u16,
        to: u16,
    ) -> Result<(), [u16; 2]> {
        self.exchange_from(persist, self.peek(persist), span, from, to)
    }

    /// The same for one who has read the entry already.
    #[inline(always)]
    pub(crate) fn exchange_from(
        self,
        persist: &impl Persist,
        seen: Seen,
        span: Span,
        from: u16,
        to: u16,
    ) -> Result<(), [u16; 2]> {
        let ones = span.ones();
        let (mask, from, to) = (ones * 0xffff, ones * u64::from(from), ones * u64::from(to));
        // What differs between the two, so that nothing has to be cut out first.
        let change = (from ^ to) << self.shift;
        let replaced = self.quad.update_from(persist, seen.0, |quad| {
            (quad >> self.shift & mask == from).then_some(quad ^ change)
        });
        match replaced {
            Ok(_) => Ok(()),
            Err(quad) => Err([self.part_of(quad), self.part_of(quad >> 16)]),
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "cuts the entry out")]
    fn part_of(self, quad: u64) -> u16 {
        (quad >> self.shift) as u16
    }
}

/// The lowest bit of each entry of a word.
const ONES: u64 = 0x0001_0001_0001_0001;
/// The highest bit of each entry of a word; set in all states, and in no count.
const HIGHS: u64 = 0x8000 * ONES;

/// The highest bits of the entries of a word that may be the first of a pair.
pub(crate) const FIRST_OF_PAIRS: u64 = 0x0000_8000_0000_8000;

/// Returns the highest bit of each entry in `quad` that is a count of at least this
/// many frames, all four in a few steps.
#[inline(always)]
pub(crate) const fn counts_from(quad: u64, least: u16) -> u64 {
    // No sum reaches over to the next entry: both parts are less than 2^15.
    let sums = (quad & !HIGHS) + (0x8000 - least as u64) * ONES;
    sums & HIGHS & !quad
}

/// Returns a word of which each entry is this one.
pub(crate) const fn four(entry: u16) -> u64 {
    entry as u64 * ONES
}

/// Returns `quad` with HUGE for each MEMBER, or `None` if there is none.
pub(crate) fn without_members(quad: u64) -> Option<u64> {
    let member = |shift: &u32| quad >> shift & 0xffff == u64::from(MEMBER);
    let shifts = [0, 16, 32, 48].into_iter().filter(member);
    let new = shifts.fold(quad, |quad, shift| quad ^ u64::from(MEMBER ^ HUGE) << shift);
    (new != quad).then_some(new)
}

/// What the word of an entry was when it was read.
#[derive(Clone, Copy)]
pub(crate) struct Seen(u64);

/// How many neighbouring huge frames make a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// One huge frame.
    One,
    /// Two; the first one has an even number.
    Pair,
}

impl Span {
    /// Returns the number of huge frames.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::One => 1,
            Self::Pair => 2,
        }
    }

    /// Returns a word with the lowest bit of each entry set.
    const fn ones(self) -> u64 {
        match self {
            Self::One => 0x0001,
            Self::Pair => 0x0001_0001,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_become_huge_frames_and_nothing_else_changes() {
        let quad =
            |entries: [u16; 4]| (entries.iter().rev()).fold(0, |q, &e| q << 16 | u64::from(e));
        let mixed = quad([MEMBER, 512, MEMBER, SPLITTING]);
        assert_eq!(
            without_members(mixed),
            Some(quad([HUGE, 512, HUGE, SPLITTING]))
        );
        assert_eq!(without_members(four(MEMBER)), Some(four(HUGE)));
        assert_eq!(without_members(quad([HUGE, 0, 0x8005, 0x0004])), None);
    }

    #[test]
    fn counts_are_compared_all_four_at_once() {
        let values = [
            0, 1, 2, 63, 64, 255, 256, 511, 512, HUGE, FREEING, SPLITTING, MEMBER,
        ];
        for a in values {
            for b in values {
                let quad = u64::from(a) | u64::from(b) << 16 | u64::from(a) << 32 | 7 << 48;
                for least in [1, 2, 64, 256, 512] {
                    let is = |value: u16| u64::from(value >= least && value <= MAX_COUNT) << 15;
                    let expected = is(a) | is(b) << 16 | is(a) << 32 | is(7) << 48;
                    assert_eq!(counts_from(quad, least), expected, "{quad:#x} {least}");
                }
            }
        }
    }
}
