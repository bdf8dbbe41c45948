//! Taking many frames now and making that durable at once, later.
//!
//! Who fills a list of frames and then publishes it in one step, like a page table
//! or a file's index, needs none of them to be durably allocated before. So a
//! [`Reservation`] hands the frames out for filling, but the list itself only when
//! it is published, and takes everything back if it never is.

use frame::{FrameId, Order};
use persist::Persist;

use super::Local;
use super::place::{PARTS, Place};
use crate::booking::Booking;
use crate::error::ReserveError;
use crate::lower::persist_now;
use crate::mutant::mutant;
use crate::name::{Names, TURNS};
use crate::promise::Promise;
use crate::row::{WORD_ORDER, ones};
use crate::shape::WORD_FRAMES;
use crate::slot::Bits;
use crate::zone::Zone;

/// Blocks that are the caller's to fill, but not yet to rely on.
///
/// [`publish`](Self::publish) makes all of them durable and returns them. Dropped
/// without that, or if power fails before, they are free again, except that up to 64
/// frames may be [uncertain](Zone::uncertain) instead.
///
/// Where the platform saves caches, or nothing, and on processors beyond a quarter of
/// the slots, each block is simply taken, and those that a power failure hits stay
/// allocated like that of any operation in flight.
///
/// Until they are published they must not be returned by themselves.
#[must_use = "blocks that are not published are returned"]
pub struct Reservation<'r, 'z, 'm, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    local: &'r mut Local<'z, 'm, P, WORDS, TREE>,
    order: Order,
    /// None once they are published.
    blocks: Option<&'r mut [FrameId]>,
    /// How many of them are reserved.
    done: usize,
}

impl<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> Local<'z, 'm, P, WORDS, TREE> {
    /// Reserves as many blocks as `blocks` has places, in up to eight rows of 64
    /// frames. That heeds no class.
    ///
    /// # Errors
    ///
    /// Returns [`ReserveError`], and reserves nothing, if there are not as many, or if
    /// they are larger than a row.
    pub fn reserve<'r>(
        &'r mut self,
        order: Order,
        blocks: &'r mut [FrameId],
    ) -> Result<Reservation<'r, 'z, 'm, P, WORDS, TREE>, ReserveError> {
        if order.exponent() > WORD_ORDER {
            return Err(ReserveError::TooLarge { order });
        }
        let mut reservation = Reservation {
            local: self,
            order,
            blocks: Some(blocks),
            done: 0,
        };
        // Dropped with an error, it returns what it has.
        reservation.fill()?;
        Ok(reservation)
    }

    /// Returns the processor's lines for bookings.
    fn bookings(&self) -> Option<Names<'m>> {
        if P::FLUSHES {
            Names::of(self.lower.slots(), self.cpu)
        } else {
            None
        }
    }

    /// Reserves some blocks of one row.
    fn book(&mut self, order: u8, blocks: usize, booking: Booking<'m>) -> Option<Bits> {
        let found = self.book_anywhere(order, blocks, booking);
        if found.is_some() || self.give_back() == 0 {
            return found;
        }
        // What was missing may have been in our own hands.
        self.book_anywhere(order, blocks, booking)
    }

    /// Tries the tree in use, the one that is best instead, and then all.
    fn book_anywhere(&mut self, order: u8, blocks: usize, booking: Booking<'m>) -> Option<Bits> {
        let zone = self.zone;
        let Place { tree, near, .. } = self.places[PARTS];
        let start_of = |tree| tree * Zone::<P, WORDS, TREE>::TREE_FRAMES;
        let best = zone.best_tree(tree + 1, order, self.classes.served());
        let best = best.map(|choice| choice.tree);
        let others = best.into_iter().chain(0..zone.trees.len());
        let places = others.map(|tree| (tree, start_of(tree)));
        core::iter::once((tree, near))
            .chain(places)
            .find_map(|(tree, near)| {
                zone.find_row(tree, near, order, |row| {
                    zone.book_row(row, order, blocks, booking)
                })
            })
    }
}

impl<'r, P: Persist, const WORDS: usize, const TREE: usize>
    Reservation<'r, '_, '_, P, WORDS, TREE>
{
    /// Returns the blocks, to be filled.
    pub fn blocks(&self) -> &[FrameId] {
        self.blocks.as_deref().unwrap_or_default()
    }

    /// Makes all blocks durably the caller's: each distinct line is flushed, and one
    /// fence waits for all.
    pub fn publish(mut self) -> &'r mut [FrameId] {
        let local = &mut *self.local;
        let persist = &local.zone.persist;
        if let Some(lines) = local.bookings() {
            let bitfields = || {
                let bookings = Booking::all(lines);
                let reserved = bookings.filter_map(|booking| booking.reserved(persist));
                reserved.map(|bits| bits.row / WORDS)
            };
            for (index, huge) in bitfields().enumerate() {
                let is_new = !bitfields().take(index).any(|earlier| earlier == huge);
                if is_new && !mutant!("publish_skips_flush") {
                    local.flush_field(huge);
                }
            }
            Booking::end_all(lines, persist);
        }
        self.blocks.take().unwrap_or_default()
    }

    fn fill(&mut self) -> Result<(), ReserveError> {
        let order = self.order;
        let blocks = self.blocks.as_deref_mut().unwrap_or_default();
        let Some(lines) = self.local.bookings() else {
            for block in blocks {
                *block = self.local.get(order).map_err(ReserveError::Refused)?;
                self.done += 1;
            }
            return Ok(());
        };
        let persist = &self.local.zone.persist;
        let mut vacant = Booking::all(lines).filter(|booking| booking.is_vacant(persist));
        while self.done < blocks.len() {
            let booking = vacant
                .next()
                .ok_or(ReserveError::TooMany { done: self.done })?;
            let wanted = blocks.len() - self.done;
            let booked = (self.local.book(order.exponent(), wanted, booking))
                .ok_or_else(|| ReserveError::Refused(self.local.refusal(order)))?;
            for (place, frame) in blocks[self.done..].iter_mut().zip(starts(booked, order)) {
                *place = frame;
                self.done += 1;
            }
        }
        Ok(())
    }

    /// Returns everything.
    fn cancel(&mut self) {
        let local = &mut *self.local;
        let (zone, persist) = (local.zone, &local.zone.persist);
        let Some(lines) = local.bookings() else {
            let blocks = self.blocks.as_deref().unwrap_or_default();
            for &block in &blocks[..self.done] {
                // Refused only if the caller has returned it.
                let _ = local.put(block, self.order);
            }
            return;
        };
        let mut reserved = [None; 2 * TURNS];
        for (kept, booking) in reserved.iter_mut().zip(Booking::all(lines)) {
            *kept = booking.reserved(persist);
        }
        // PERSIST: the bookings end before the frames are anybody else's, or recovery
        // would free them once more.
        if !mutant!("cancel_keeps_bookings") {
            Booking::end_all(lines, persist);
        }
        for Bits { row, mask } in reserved.into_iter().flatten() {
            let huge = row / WORDS;
            if let (Some(word), Some(entry)) = (local.lower.row(row), local.lower.entry(huge)) {
                let old = word.clear(persist, mask);
                // PERSIST: free again when this returns.
                persist_now(persist, word);
                zone.give_counts(huge / TREE, entry, ones(old & mask));
            }
        }
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Drop
    for Reservation<'_, '_, '_, P, WORDS, TREE>
{
    fn drop(&mut self) {
        if self.blocks.is_some() {
            self.cancel();
        }
    }
}

/// Returns the first frames of the blocks that were reserved in a row.
fn starts(bits: Bits, order: Order) -> impl Iterator<Item = FrameId> {
    let runs = (0..WORD_FRAMES).step_by(order.frames());
    let set = runs.filter(move |&bit| bits.mask >> bit & 1 != 0);
    set.map(move |bit| FrameId(bits.row * WORD_FRAMES + bit))
}
