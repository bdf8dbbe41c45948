//! What processors held when a crash came.
//!
//! Runs before anything is counted. Where a slot says OWNED, its frames go back;
//! where it says that they were on their way, nobody knows, and they are listed:
//! see [`Slot`]. A crash in between finds the same records again, or their
//! successors, and does the same.

use persist::Persist;

use super::recover::Recovery;
use super::{Giant, Lower, persist_now};
use crate::entry;
use crate::mutant::mutant;
use crate::name::Names;
use crate::slot::{Bits, Record, Side, Slot};

impl<const WORDS: usize, const TREE: usize> Lower<'_, WORDS, TREE> {
    /// Gives back what processors held, and lists what they may have held.
    pub(super) fn recover_slots<P: Persist>(&self, persist: &P, found: &mut Recovery) {
        for slot in self.slots.iter().map(Slot::new) {
            for side in Side::BOTH {
                let record = slot.read(persist, side);
                if mutant!("recover_forgets_first") {
                    slot.clear(persist, side);
                }
                match record {
                    Record::None => {}
                    Record::Owned(_) if mutant!("recover_keeps_held") => {}
                    Record::Window(_) if mutant!("recover_lists_nothing") => {}
                    Record::Owned(bits) => self.free_held(persist, bits, found),
                    Record::Window(bits) => self.list_doubts(persist, slot, bits, found),
                    Record::Unreadable => found.unreadable += 1,
                }
                // Of a record that says nothing, the mask may still be there.
                slot.wipe(persist, side);
            }
        }
        for names in Names::all(self.slots) {
            self.recover_names(persist, names, found);
        }
        for slot in self.slots.iter().map(Slot::new) {
            if let Some(bits) = slot.doubts(persist) {
                // A frame that was freed since is no longer in doubt.
                let freed = !self.set_bits(persist, bits);
                let row = bits.row;
                slot.settle_doubts(persist, Bits { row, mask: freed });
            }
            let left = slot
                .doubts(persist)
                .map_or(0, |bits| bits.mask.count_ones());
            found.uncertain += left as usize;
        }
    }

    /// Lists all frames of named rows that are allocated: the processor may have held
    /// them.
    fn recover_names<P: Persist>(&self, persist: &P, names: Names<'_>, found: &mut Recovery) {
        let Some(line) = names.lines().first() else {
            return;
        };
        if names.forget_older(persist) {
            // PERSIST: before the names that count, which would leave others to count.
            persist_now(persist, names.lines());
        }
        for row in Side::BOTH
            .into_iter()
            .filter_map(|side| names.row(persist, side))
        {
            let mask = u64::MAX;
            self.list_doubts(persist, Slot::new(line), Bits { row, mask }, found);
        }
        names.forget_all(persist);
    }

    /// Clears the bits of frames that a processor held. Durable before the slot
    /// forgets them: with the rest of the tables, or at once where stores are.
    fn free_held(&self, persist: &impl Persist, bits: Bits, found: &mut Recovery) {
        let held = self.set_bits(persist, bits);
        if let Some(word) = self.row(bits.row) {
            word.clear(persist, held);
            // PERSIST: the bits before the slot that says they are free.
            persist_now(persist, word);
        }
        found.held += held.count_ones() as usize;
    }

    /// Writes frames into the first list that has room for them.
    fn list_doubts(&self, persist: &impl Persist, own: Slot<'_>, bits: Bits, found: &mut Recovery) {
        let row = bits.row;
        // Two processors may have been about to take the same frames.
        let listed = (self
            .slots
            .iter()
            .filter_map(|list| Slot::new(list).doubts(persist)))
        .filter(|listed| listed.row == row)
        .fold(0, |all, listed| all | listed.mask);
        let mask = self.set_bits(persist, bits) & !listed;
        if mask == 0 {
            return;
        }
        let mut lists = core::iter::once(own).chain(self.slots.iter().map(Slot::new));
        let list = lists.find(|list| list.add_doubts(persist, Bits { row, mask }));
        match list {
            // PERSIST: the list before the record that it replaces.
            Some(list) => list.persist(persist),
            None => found.unlisted += mask.count_ones() as usize,
        }
    }

    /// Returns which of these frames exist and have their own bit set: none, where
    /// the huge frame is allocated as a whole, or offline. Its bits may be on the medium
    /// all the same, if their return was not synced before.
    fn set_bits(&self, persist: &impl Persist, bits: Bits) -> u64 {
        let huge = bits.row / WORDS;
        let whole = match (self.entry_value(persist, huge), self.giant(persist, huge)) {
            // Its entries need not be durable.
            (_, Giant::Whole) | (entry::HUGE | entry::SPLITTING, _) => true,
            (entry::OFFLINE, _) => !mutant!("recover_doubts_offline"),
            (entry::MEMBER, around) => around != Giant::Apart,
            _ => false,
        };
        match self.row(bits.row) {
            Some(word) if !whole => {
                let present = !self.absent(huge, bits.row % WORDS);
                word.load(persist) & bits.mask & present
            }
            _ => 0,
        }
    }
}
