//! Which trees may have a block of an order.
//!
//! Without this, a get that has to fail looks at every tree, and one in a zone
//! that is almost full at many. Here is a bit for each order and tree, and for
//! each order the number of set bits: where that is zero there is nothing to look
//! for. A bit is a hint: it may be set for nothing, but never clear for long while
//! the tree has such a block.
//!
//! Whoever has searched a tree in vain and whoever frees something in it would
//! miss each other if both only changed the bit. So a tree's word says for which
//! orders a search has failed *since the last time something came back*:
//!
//! ```text
//! search                                    free
//! 1  tree's word: failed                    1  lower tables: free
//! 2  lower tables: still nothing?           2  tree's word: more free; was failed set?
//! 3  hint: clear                            3  tree's word: not failed
//! 4  tree's word: failed? if not, hint: set 4  hint: set
//! ```
//!
//! If the search's second step is too early to see what is freed, the free's
//! second step sees the first one's mark, and one of the two fourth steps comes
//! last. All steps are locked instructions or, in 2 and 4, loads after one.

use persist::Persist;

use crate::cell::Cell;

/// Orders that have hints.
pub(crate) const ORDERS: usize = 11;

/// Bits in a word.
const BITS: usize = u64::BITS as usize;

/// The hints of all orders.
#[derive(Clone, Copy)]
pub(crate) struct Hints<'m> {
    /// For each order the number of set bits, then the bits.
    cells: &'m [Cell],
    per_order: usize,
}

/// Returns how many words the hints for this many trees take.
pub(crate) const fn cells(trees: usize) -> usize {
    ORDERS * (1 + trees.div_ceil(BITS))
}

impl<'m> Hints<'m> {
    /// Uses these words, as many as [`cells`] says, whatever they hold, until
    /// [`Self::fill`] has set them.
    pub(crate) const fn new(cells: &'m [Cell]) -> Self {
        let per_order = cells.len() / ORDERS;
        Self { cells, per_order }
    }

    /// Says of how many orders, from the smallest one on, each tree may have a
    /// block. Nobody may use the hints yet.
    pub(crate) fn fill(self, persist: &impl Persist, mut trees: impl Iterator<Item = usize>) {
        let mut counts = [0; ORDERS];
        for index in 0..self.per_order - 1 {
            // The trees of each number of orders; then from the most orders down to
            // the least, who has more has those below too.
            let mut trees_with = [0_u64; ORDERS + 1];
            for (bit, orders) in trees.by_ref().take(BITS).enumerate() {
                trees_with[orders] |= 1 << bit;
            }
            let mut word = 0;
            for order in (0..ORDERS).rev() {
                word |= trees_with[order + 1];
                counts[order] += u64::from(word.count_ones());
                self.of(order).1[index].store(persist, word);
            }
        }
        for (order, count) in counts.into_iter().enumerate() {
            self.of(order).0.store(persist, count);
        }
    }

    /// Says that a tree may have such a block.
    pub(crate) fn set(self, persist: &impl Persist, order: u8, tree: usize) {
        let (count, bits) = self.of(usize::from(order));
        let (word, bit) = (&bits[tree / BITS], 1 << (tree % BITS));
        if word.set(persist, bit) & bit == 0 {
            count.fetch_add(persist, 1);
        }
    }

    /// Says that a tree has no such block.
    pub(crate) fn clear(self, persist: &impl Persist, order: u8, tree: usize) {
        let (count, bits) = self.of(usize::from(order));
        let (word, bit) = (&bits[tree / BITS], 1 << (tree % BITS));
        if word.clear(persist, bit) & bit != 0 {
            count.fetch_add(persist, u64::MAX);
        }
    }

    /// Returns the trees that may have such a block, upwards from `start` and
    /// around.
    pub(crate) fn trees<P: Persist>(
        self,
        persist: &P,
        order: u8,
        start: usize,
    ) -> impl Iterator<Item = usize> + use<'_, 'm, P> {
        let (count, bits) = self.of(usize::from(order));
        let is_any = count.load(persist) != 0;
        let len = if is_any { bits.len() } else { 0 };
        let first = start / BITS;
        let upper = u64::MAX << (start % BITS);
        // The first word comes twice: its upper part first, the rest last.
        (0..len + usize::from(is_any)).flat_map(move |step| {
            let index = (first + step) % len;
            let part = match step {
                0 => upper,
                _ if step == len => !upper,
                _ => u64::MAX,
            };
            Ones(bits[index].load(persist) & part).map(move |bit| index * BITS + bit)
        })
    }

    fn of(self, order: usize) -> (&'m Cell, &'m [Cell]) {
        let cells = &self.cells[order * self.per_order..][..self.per_order];
        (&cells[0], &cells[1..])
    }
}

/// The numbers of the set bits of a word, lowest first.
pub(crate) struct Ones(pub(crate) u64);

impl Iterator for Ones {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let word = self.0;
        if word == 0 {
            return None;
        }
        self.0 = word & (word - 1);
        Some(word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use persist::Volatile;

    use super::*;

    #[test]
    fn trees_come_in_order_around_the_start_and_each_once() {
        let words: Vec<_> = (0..cells(200)).map(|_| Cell::new(0)).collect();
        let hints = Hints::new(&words);
        hints.fill(&Volatile, core::iter::repeat_n(0, 200));
        let set = [0, 3, 63, 64, 150, 199];
        set.into_iter()
            .for_each(|tree| hints.set(&Volatile, 4, tree));
        hints.set(&Volatile, 4, 3);
        hints.set(&Volatile, 5, 7);
        for (start, expected) in [
            (0, [0, 3, 63, 64, 150, 199]),
            (3, [3, 63, 64, 150, 199, 0]),
            (65, [150, 199, 0, 3, 63, 64]),
            (199, [199, 0, 3, 63, 64, 150]),
        ] {
            let found: Vec<_> = hints.trees(&Volatile, 4, start).collect();
            assert_eq!(found, expected, "from {start}");
        }
        set.into_iter()
            .for_each(|tree| hints.clear(&Volatile, 4, tree));
        assert_eq!(hints.trees(&Volatile, 4, 0).count(), 0);
        assert_eq!(hints.trees(&Volatile, 5, 100).count(), 1);
    }

    #[test]
    fn a_fill_says_the_same_as_one_tree_and_order_at_a_time() {
        let orders = |tree: usize| tree * tree % (ORDERS + 1);
        for trees in [1, 63, 64, 65, 200] {
            let word = |_| Cell::new(0x5555);
            let filled: Vec<_> = (0..cells(trees)).map(word).collect();
            Hints::new(&filled).fill(&Volatile, (0..trees).map(orders));
            let expected: Vec<_> = (0..cells(trees)).map(|_| Cell::new(0)).collect();
            for tree in 0..trees {
                (0..orders(tree)).for_each(|order| {
                    let order = u8::try_from(order).unwrap();
                    Hints::new(&expected).set(&Volatile, order, tree);
                });
            }
            let values = |cells: &[Cell]| -> Vec<_> {
                let load = |cell: &Cell| cell.load(&Volatile);
                cells.iter().map(load).collect()
            };
            assert_eq!(values(&filled), values(&expected), "{trees} trees");
        }
    }
}
