//! Giving back what a handle holds, on its own account and at others' request.

use persist::Persist;

use super::{Held, Local};
use crate::row::ones;
use crate::slot::{Bits, Side};
use crate::zone::line;

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// Gives back what the handle holds: frames, and the reservations of its trees.
    /// Everything that was returned is durable then.
    ///
    /// A processor calls this before it idles. The handle stays usable.
    pub fn drain(&mut self) {
        self.give_back();
        self.flush_pending();
        self.release_all();
    }

    /// Returns all frames that the handle holds, and settles its debts; returns how
    /// many frames a search could have missed for want of them.
    pub(crate) fn give_back(&mut self) -> usize {
        let owed = self.pay_all();
        let held = self.return_side(Side::Front) + self.return_side(Side::Back);
        if held > 0 {
            self.pay_all();
        }
        owed + held
    }

    /// Gives back what the handle holds if another processor has asked for it.
    #[inline(always)]
    pub(crate) fn heed_requests(&mut self) {
        if self.is_wanted() {
            self.heed();
        }
    }

    /// Whether another processor has asked for what the handle holds.
    #[inline(always)]
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted() != 0
    }

    /// Returns zero if no other processor has.
    #[inline(always)]
    pub(super) fn wanted(&self) -> u64 {
        self.line[line::WANTED].load(&self.zone.persist)
    }

    #[cold]
    fn heed(&mut self) {
        self.line[line::WANTED].store(&self.zone.persist, 0);
        self.give_back();
    }

    /// Asks the other processors to give back what they hold; returns how many
    /// frames that are. Waits for nobody.
    pub(super) fn ask_others(&self) -> usize {
        let others = (0..self.zone.cpus()).filter(|&cpu| cpu != self.cpu);
        others.map(|cpu| self.zone.ask(cpu)).sum()
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
        let old = self.zone.return_row(self.slot, side, bits);
        self.double_frees.add(row, mask & !old);
        #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
        self.owe(row / WORDS, ones(mask & old) as u16);
        ones(mask) as usize
    }
}
