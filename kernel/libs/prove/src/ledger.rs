//! Who owns which blocks, according to those who took them.
//!
//! Blocks move in two steps, as in a caller's books: an operation is noted when it
//! begins, and counts once its caller knows that it is done. What lies between is
//! *in flight*, and after a crash may have happened or not.

use std::collections::VecDeque;

use frame::{FrameId, Order};

/// An aligned run of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first: usize,
    pub(crate) order: u8,
}

impl Block {
    pub(crate) const fn frames(self) -> std::ops::Range<usize> {
        self.first..self.first + (1 << self.order)
    }

    pub(crate) const fn frame(self) -> FrameId {
        FrameId(self.first)
    }

    const fn overlaps(self, other: Self) -> bool {
        self.first < other.first + (1 << other.order)
            && other.first < self.first + (1 << self.order)
    }

    /// Returns the order.
    pub(crate) fn order(self) -> Order {
        order(self.order)
    }

    /// Returns the halves, quarters and so on that are left without a part of this
    /// block.
    fn without(self, part: Self) -> Vec<Self> {
        let mut rest = Vec::new();
        let Self { mut first, order } = self;
        for order in (part.order..order).rev() {
            let half = 1 << order;
            let upper = part.first >= first + half;
            let other = if upper { first } else { first + half };
            rest.push(Self {
                first: other,
                order,
            });
            first += if upper { half } else { 0 };
        }
        rest
    }
}

/// Returns an order that exists.
pub(crate) fn order(exponent: u8) -> Order {
    Order::new(exponent).expect("orders of programs exist")
}

/// An operation that its caller has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Takes a block: which, is known at the end.
    Get { order: u8, got: Option<Block> },
    /// Returns a part of a block, or all of it.
    Put { from: Block, part: Block },
    /// Makes durable what was returned before.
    Sync,
    /// Takes blocks that are free again unless they are published.
    Reserve,
    /// Takes a huge frame out of service: which, if any, is known at the end.
    Offline { got: Option<Block> },
    /// Puts a huge frame back into service.
    Online { block: Block },
    /// Takes some huge frame out of service for a moment.
    Lend,
}

/// The books of all threads.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// How often each frame has been handed out and not been returned.
    owners: Vec<u8>,
    /// What is known to all.
    settled: Settled,
    /// What each thread may return.
    pub(crate) mine: Vec<Vec<Block>>,
    /// Huge frames that each thread has taken offline.
    pub(crate) offline: Vec<Vec<Block>>,
    /// Operations that are in flight, for each thread in order.
    open: Vec<VecDeque<Record>>,
    closed: Vec<usize>,
    /// Operations begun.
    pub(crate) begun: usize,
    /// The first thing that was wrong.
    pub(crate) fault: Option<String>,
}

/// What acknowledged operations have led to.
#[derive(Clone, Debug, Default)]
struct Settled {
    /// Blocks whose owners know that they own them.
    owned: Vec<Block>,
    /// Whether what is returned may be forgotten until the next sync.
    late: bool,
    /// What each thread has returned since its last sync, if so.
    unsynced: Vec<Vec<Block>>,
    /// Huge frames that are out of service.
    offline: Vec<Block>,
}

/// What must be true after a crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// Blocks that must be allocated, and can be returned.
    pub(crate) owned: Vec<Block>,
    /// Blocks that are being returned: any part may be allocated.
    pub(crate) returning: Vec<Block>,
    /// Blocks that were returned and not synced: the same.
    pub(crate) unsynced: Vec<Block>,
    /// Orders of blocks that are being taken.
    pub(crate) taking: Vec<u8>,
    /// Huge frames that must be offline.
    pub(crate) offline: Vec<Block>,
    /// Huge frames on their way back: offline or not.
    pub(crate) coming: Vec<Block>,
    /// How many other huge frames may be offline.
    pub(crate) going: usize,
}

impl Ledger {
    /// Books in which nobody owns anything. If frees are `late`, they may be
    /// forgotten until their thread syncs.
    pub(crate) fn new(frames: usize, threads: usize, late: bool) -> Self {
        let settled = Settled {
            owned: Vec::new(),
            late,
            unsynced: vec![Vec::new(); threads],
            offline: Vec::new(),
        };
        Self {
            owners: vec![0; frames],
            settled,
            mine: vec![Vec::new(); threads],
            offline: vec![Vec::new(); threads],
            open: vec![VecDeque::new(); threads],
            closed: vec![0; threads],
            begun: 0,
            fault: None,
        }
    }

    /// Notes that a thread begins an operation.
    pub(crate) fn begin(&mut self, thread: usize, record: Record) {
        match record {
            Record::Put { from, part } => {
                self.take_back(part);
                let rest = from.without(part);
                self.mine[thread].extend(rest);
            }
            Record::Online { block } => {
                self.take_back(block);
                self.offline[thread].retain(|&offline| offline != block);
            }
            _ => {}
        }
        self.begun += 1;
        self.open[thread].push_back(record);
    }

    /// Notes that an operation of a thread, begun before so many later ones, has
    /// returned a block.
    pub(crate) fn end(&mut self, thread: usize, later: usize, block: Block) {
        self.hand_out(block);
        let open = &mut self.open[thread];
        let index = open.len().checked_sub(1 + later);
        match index.and_then(|index| open.get_mut(index)) {
            Some(Record::Get { got, .. }) => {
                *got = Some(block);
                self.mine[thread].push(block);
            }
            Some(Record::Offline { got }) => {
                *got = Some(block);
                self.offline[thread].push(block);
            }
            _ => {}
        }
    }

    fn take_back(&mut self, block: Block) {
        for owners in &mut self.owners[block.frames()] {
            *owners -= 1;
        }
    }

    fn hand_out(&mut self, block: Block) {
        let owners = self.owners.get_mut(block.frames());
        let Some(owners) = owners else {
            let fault = || format!("{block:?} does not exist");
            self.fault.get_or_insert_with(fault);
            return;
        };
        for owners in owners {
            *owners += 1;
            if *owners > 1 {
                self.fault
                    .get_or_insert_with(|| format!("{block:?} has two owners"));
            }
        }
    }

    /// Closes all operations: what happened before a run is known to all.
    pub(crate) fn close_all(&mut self) {
        for (thread, open) in self.open.iter_mut().enumerate() {
            for record in open.drain(..) {
                self.settled.apply(thread, record);
            }
        }
    }

    /// Closes operations until this many of a thread's are.
    pub(crate) fn close(&mut self, thread: usize, acknowledged: usize) {
        while self.closed[thread] < acknowledged {
            self.closed[thread] += 1;
            if let Some(record) = self.open[thread].pop_front() {
                self.settled.apply(thread, record);
            }
        }
    }

    /// Returns what must be true after a crash, if of each thread so many more
    /// operations have been acknowledged.
    pub(crate) fn expected(&self, more: &[usize]) -> Expected {
        let mut settled = self.settled.clone();
        for (thread, (open, &more)) in self.open.iter().zip(more).enumerate() {
            for &record in open.iter().take(more) {
                settled.apply(thread, record);
            }
        }
        let mut expected = Expected {
            owned: settled.owned,
            unsynced: settled.unsynced.into_iter().flatten().collect(),
            offline: settled.offline,
            ..Expected::default()
        };
        for (open, &more) in self.open.iter().zip(more) {
            // Who returns what it is only about to have got takes nothing from those
            // who know that they own it, be it the same block.
            let mut taken = Vec::new();
            for &record in open.iter().skip(more) {
                match record {
                    Record::Get { order, got } => {
                        expected.taking.push(order);
                        taken.extend(got);
                    }
                    Record::Put { from, part } => {
                        if !replace(&mut taken, from, part)
                            && replace(&mut expected.owned, from, part)
                        {
                            expected.returning.push(part);
                        }
                    }
                    Record::Offline { .. } | Record::Lend => expected.going += 1,
                    Record::Online { block } => {
                        if remove(&mut expected.offline, block) {
                            expected.coming.push(block);
                        }
                    }
                    Record::Sync | Record::Reserve => {}
                }
            }
        }
        expected
    }

    /// Returns whether a block's owner knows that it owns it, and is not about to
    /// learn otherwise: only then can others have been told.
    pub(crate) fn is_known(&self, owner: usize, block: Block) -> bool {
        let moves = |record: &Record| match *record {
            Record::Get { got, .. } => got.is_some_and(|got| got.overlaps(block)),
            Record::Put { part, .. } => part.overlaps(block),
            _ => false,
        };
        self.settled.owned.contains(&block) && !self.open[owner].iter().any(moves)
    }

    /// Gives the upper half of a thread's last block to another one, before a run.
    pub(crate) fn share(&mut self, thread: usize, to: usize) {
        self.close_all();
        let Some(block) = self.mine[thread].pop() else {
            return;
        };
        let order = block.order.saturating_sub(1);
        let first = block.first + (1 << order);
        let lower = Block { order, ..block };
        let upper = Block { first, order };
        self.mine[thread].push(lower);
        self.mine[to].push(upper);
        self.settled.owned.retain(|&owned| owned != block);
        self.settled.owned.extend([lower, upper]);
    }

    /// Whether a frame is handed out.
    pub(crate) fn owns(&self, frame: usize) -> bool {
        self.owners[frame] > 0
    }

    /// Returns the number of frames that are handed out.
    pub(crate) fn total(&self) -> usize {
        self.owners.iter().filter(|&&owners| owners > 0).count()
    }
}

impl Settled {
    /// Notes that a thread knows that an operation is done.
    fn apply(&mut self, thread: usize, record: Record) {
        match record {
            Record::Get { got, .. } => self.owned.extend(got),
            Record::Put { from, part } => {
                replace(&mut self.owned, from, part);
                if self.late {
                    self.unsynced[thread].push(part);
                }
            }
            Record::Sync => self.unsynced[thread].clear(),
            Record::Offline { got } => self.offline.extend(got),
            Record::Online { block } => {
                remove(&mut self.offline, block);
            }
            Record::Reserve | Record::Lend => {}
        }
    }
}

/// Takes a part out of one of these blocks; returns whether it is there.
fn replace(blocks: &mut Vec<Block>, from: Block, part: Block) -> bool {
    let is_there = remove(blocks, from);
    if is_there {
        blocks.extend(from.without(part));
    }
    is_there
}

/// Removes one of these blocks; returns whether it is there.
fn remove(blocks: &mut Vec<Block>, block: Block) -> bool {
    let at = blocks.iter().position(|&other| other == block);
    at.map(|at| blocks.swap_remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn block(first: usize, order: u8) -> Block {
        Block { first, order }
    }

    #[test]
    fn what_is_left_of_a_block_and_the_part_are_the_block() {
        let rest = block(64, 6).without(block(80, 3));
        let mut frames: Vec<_> = rest.into_iter().flat_map(Block::frames).collect();
        frames.extend(80..88);
        frames.sort_unstable();
        assert_eq!(frames, (64..128).collect::<Vec<_>>());
        assert_eq!(block(8, 2).without(block(8, 2)), []);
    }

    #[test]
    fn an_operation_counts_once_it_is_acknowledged() {
        let mut ledger = Ledger::new(64, 1, false);
        let order = 3;
        ledger.begin(0, Record::Get { order, got: None });
        ledger.end(0, 0, block(8, order));
        let flight = ledger.expected(&[0]);
        assert_eq!((flight.owned, flight.taking), (vec![], vec![order]));
        assert_eq!(ledger.expected(&[1]).owned, [block(8, order)]);
        ledger.close(0, 1);
        let (from, part) = (block(8, order), block(8, 2));
        ledger.begin(0, Record::Put { from, part });
        let flight = ledger.expected(&[0]);
        assert_eq!(flight.owned, [block(12, 2)]);
        assert_eq!(flight.returning, [part]);
    }

    #[test]
    fn who_returns_what_it_is_about_to_get_owns_none_of_what_another_returns() {
        let mut ledger = Ledger::new(64, 2, false);
        let (all, half) = (block(0, 4), block(8, 3));
        let get = Record::Get {
            order: 4,
            got: None,
        };
        ledger.begin(0, get);
        ledger.end(0, 0, all);
        ledger.close(0, 1);
        // The other one returns it, and the first one gets it again.
        let put = |part| Record::Put { from: all, part };
        ledger.begin(1, put(all));
        ledger.begin(0, get);
        ledger.end(0, 0, all);
        ledger.begin(0, put(half));
        let flight = ledger.expected(&[0, 0]);
        assert_eq!((flight.owned, flight.returning), (vec![], vec![all]));
        // Once it knows that it has got the block, the rest is its own.
        assert_eq!(ledger.expected(&[1, 0]).owned, [block(0, 3)]);
    }

    #[test]
    fn a_huge_frame_on_its_way_offline_or_back_may_be_either() {
        let mut ledger = Ledger::new(256, 1, false);
        ledger.begin(0, Record::Offline { got: None });
        ledger.end(0, 0, block(128, 7));
        let (going, gone) = (ledger.expected(&[0]), ledger.expected(&[1]));
        assert_eq!((going.going, going.offline), (1, vec![]));
        assert_eq!((gone.going, gone.offline), (0, vec![block(128, 7)]));
        ledger.close(0, 1);
        let block = block(128, 7);
        ledger.begin(0, Record::Online { block });
        let coming = ledger.expected(&[0]);
        assert_eq!((coming.offline, coming.coming), (vec![], vec![block]));
        assert_eq!(ledger.expected(&[1]).coming, []);
    }

    /// Positive control.
    #[test]
    fn a_frame_with_two_owners_is_noticed() {
        let mut ledger = Ledger::new(64, 2, false);
        ledger.end(0, 0, block(0, 2));
        assert_eq!(ledger.fault, None);
        ledger.end(1, 0, block(3, 0));
        assert!(ledger.fault.is_some());
    }
}
