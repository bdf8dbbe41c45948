//! Giving back what a handle holds, on its own account and at others' request.

use persist::Persist;

use super::place::{PARTS, WHOLES};
use super::{Held, Local};
use crate::slot::{Bits, Side, Slot};
use crate::zone::line;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Gives back what the handle holds: frames, and the reservations of its trees.
    ///
    /// A processor calls this before it idles. The handle stays usable.
    pub fn drain(&mut self) {
        self.give_back();
        for kind in [PARTS, WHOLES] {
            self.release(kind);
        }
    }

    /// Returns all frames that the handle holds; returns how many there were.
    pub(super) fn give_back(&mut self) -> usize {
        self.return_side(Side::Front) + self.return_side(Side::Back)
    }

    /// Gives back what the handle holds if another processor has asked for it.
    #[inline]
    pub(super) fn heed_requests(&mut self) {
        if self.line[line::WANTED].load(&self.zone.persist) != 0 {
            self.line[line::WANTED].store(&self.zone.persist, 0);
            self.give_back();
        }
    }

    /// Asks the other processors to give back what they hold; returns how many
    /// frames that are. Waits for nobody.
    pub(super) fn ask_others(&self) -> usize {
        let persist = &self.zone.persist;
        let lines = self.zone.lines.iter();
        let slots = self.zone.lower.slots().iter().map(Slot::new);
        let others = lines.zip(slots).enumerate();
        let asked = (others.filter(|&(cpu, _)| cpu != self.cpu)).map(|(_, (line, slot))| {
            let held = slot.held(persist);
            if held > 0 {
                line[line::WANTED].store(persist, 1);
            }
            held
        });
        asked.sum()
    }

    /// Returns the frames of one side to the shared tables.
    pub(super) fn return_side(&mut self, side: Side) -> usize {
        let held = match side {
            Side::Front => &mut self.front,
            Side::Back => &mut self.back,
        };
        let held = core::mem::replace(held, Held::nothing(self.slot));
        let mask = self.slot.mask(&self.zone.persist, side);
        let Some(row) = held.number() else { return 0 };
        if mask == 0 {
            self.slot.clear(&self.zone.persist, side);
            return 0;
        }
        let bits = Bits { row, mask };
        let free = self.zone.return_row(self.slot, side, bits);
        self.double_frees.add(row, free);
        mask.count_ones() as usize
    }
}
