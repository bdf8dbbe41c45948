//! Huge frames that are neither free nor allocated, by their entries.
//!
//! OFFLINE is a state like HUGE: the bits are clear and don't count. It is on the
//! medium before anybody is told, and it leaves the medium before anybody can take
//! parts: a crash that found it over parts in use would lose them.

use core::ops::Range;

use persist::Persist;

use super::{Lower, persist_now};
use crate::entry::{self, QUAD, Span};
use crate::mutant::mutant;
use crate::promise::Promise;

impl<const WORDS: usize, const TREE: usize> Lower<'_, WORDS, TREE> {
    /// Takes a huge frame of which all frames are free; returns whether it was. To be
    /// followed by [`Self::persist_entries`].
    pub(crate) fn take_offline(&self, persist: &impl Persist, huge: usize) -> bool {
        let free = self.all_free(huge);
        let entry = self.entry(huge);
        entry
            .is_some_and(|entry| (entry.exchange(persist, Span::One, free, entry::OFFLINE)).is_ok())
    }

    /// Puts those huge frames of a range within one tree online that are `chosen` and
    /// offline; `chosen` is then those. One flush and one fence for all.
    pub(crate) fn bring_online<P: Persist>(
        &self,
        persist: &P,
        range: Range<usize>,
        chosen: &mut [bool; TREE],
    ) {
        for huge in range.clone() {
            chosen[huge % TREE] &= self.is_offline(persist, huge);
        }
        if !chosen[range.start % TREE..][..range.len()].contains(&true) {
            chosen.fill(false);
            return;
        }
        if P::LATE_FREES {
            // PERSIST: frees that nobody has made durable yet, before the state that
            // lets recovery look at the bits; or it finds frames allocated by nobody.
            let fields = self.fields.get(range.clone());
            persist_now(persist, fields.unwrap_or_default());
        }
        let all_free = |huge| self.all_free(huge);
        if !P::DOMAIN.needs_flush() {
            return self.replace_chosen(persist, range, chosen, entry::OFFLINE, all_free);
        }
        let freeing = |_| entry::FREEING;
        self.replace_chosen(persist, range.clone(), chosen, entry::OFFLINE, freeing);
        if !mutant!("online_skips_flush") {
            // PERSIST: that they are free before anybody can take parts of them, as in
            // `put_whole`.
            self.persist_entries(persist, range.clone());
        }
        self.replace_chosen(persist, range, chosen, entry::FREEING, all_free);
    }

    /// Replaces those entries of `chosen` that are `from`; `chosen` is then those.
    fn replace_chosen(
        &self,
        persist: &impl Persist,
        range: Range<usize>,
        chosen: &mut [bool; TREE],
        from: u16,
        to: impl Fn(usize) -> u16,
    ) {
        for huge in range {
            let is_ours = &mut chosen[huge % TREE];
            let entry = self.entry(huge).filter(|_| *is_ours);
            let done = entry.map(|entry| entry.exchange(persist, Span::One, from, to(huge)));
            *is_ours = matches!(done, Some(Ok(())));
        }
    }

    /// PERSIST: the entries of these huge frames before whatever the caller does next.
    pub(crate) fn persist_entries(&self, persist: &impl Persist, range: Range<usize>) {
        let quads = range.start / QUAD..range.end.div_ceil(QUAD);
        persist_now(persist, self.quads.get(quads).unwrap_or_default());
    }

    /// Returns how many frames are offline: what is present of each such huge frame.
    pub(crate) fn offline_frames(&self, persist: &impl Persist) -> usize {
        (0..self.huge_frames())
            .filter(|&huge| self.is_offline(persist, huge))
            .map(|huge| self.present(huge))
            .sum()
    }

    /// Whether a huge frame is offline.
    pub(crate) fn is_offline(&self, persist: &impl Persist, huge: usize) -> bool {
        self.entry_value(persist, huge) == entry::OFFLINE
    }

    /// Whether all frames of a huge frame are free.
    pub(crate) fn is_all_free(&self, persist: &impl Persist, huge: usize) -> bool {
        self.entry_value(persist, huge) == self.all_free(huge)
    }

    /// The entry of a huge frame of which all frames are free: the last one may have
    /// fewer than others.
    #[expect(clippy::cast_possible_truncation, reason = "at most a huge frame")]
    fn all_free(&self, huge: usize) -> u16 {
        self.present(huge) as u16
    }
}
