//! A thread at work: calls the allocator and keeps its books.

use std::cell::RefCell;

use frame::FrameId;
use llfree::{GetError, Local, ReserveError, Unreachable};
use persist::Persist;

use crate::ledger::{Block, Ledger, Record, order};
use crate::machine;
use crate::program::Op;
use crate::service::Site;
use crate::story;

/// How often a get nudges others.
const TRIES: usize = 3;

/// One thread.
#[derive(Clone, Copy)]
pub(crate) struct Actor<'a> {
    thread: usize,
    books: &'a RefCell<Ledger>,
    plenty: bool,
}

impl<'a> Actor<'a> {
    /// Makes a thread that may insist on getting what it asks for.
    pub(crate) fn new(thread: usize, books: &'a RefCell<Ledger>, plenty: bool) -> Self {
        Self {
            thread,
            books,
            plenty,
        }
    }

    /// Makes one call.
    pub(crate) fn perform<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        op: Op,
    ) {
        match op {
            Op::Get(exponent) => {
                self.take(site, exponent, || local.get(order(exponent)));
            }
            Op::GetAs(exponent, class) => {
                self.take(site, exponent, || local.get_as(order(exponent), class));
            }
            Op::GetOrNudge(exponent) => self.take(site, exponent, || {
                local.get_or_nudge(order(exponent), &Unreachable, TRIES)
            }),
            Op::GetAt(first, exponent) => self.take_at(site, local, first, exponent),
            Op::GetMany(exponent, count) => self.take_many(local, exponent, count),
            Op::Reserve(exponent, count, publish) => {
                // Of so small a zone, only the first processor has lines for that.
                let is_booked = P::DOMAIN.needs_flush() && self.thread == 0 && self.plenty;
                self.reserve(local, (exponent, count), publish, is_booked);
            }
            Op::Share(to) => self.books.borrow_mut().share(self.thread, to),
            Op::Drain => self.settle(|| local.drain()),
            Op::Sync => self.settle(|| {
                local.sync();
            }),
            Op::GiveBack => {
                local.give_back_if_asked();
            }
            Op::Put(which) => self.give(local, which, self.thread, |block| block),
            Op::PutMany(most) => self.give_many(local, most),
            Op::PutHalf(which, upper) => self.give(local, which, self.thread, |block| {
                let order = block.order.saturating_sub(1);
                let first = if upper && block.order > 0 {
                    block.first + (1 << order)
                } else {
                    block.first
                };
                Block { first, order }
            }),
            Op::PutFrame(which) => self.give(local, which, self.thread, |block| Block {
                first: block.first + (1 << block.order) / 2,
                order: 0,
            }),
            Op::PutOther(which) => {
                let threads = self.books.borrow().mine.len();
                let other = (self.thread + 1 + which % threads.max(2)) % threads;
                self.give(local, which, other, |block| block);
            }
            Op::Offline(huge) => self.offline(site, huge),
            Op::Online(which) => self.online(site, which),
            Op::Lend(huge) => self.lend(site, huge),
        }
    }

    /// Takes a block.
    fn take<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        order: u8,
        call: impl FnOnce() -> Result<FrameId, GetError>,
    ) {
        self.begin(Record::Get { order, got: None });
        match call() {
            Ok(FrameId(first)) => {
                let block = Block { first, order };
                self.install(site, block);
                self.end(Some(block));
            }
            Err(error) => {
                self.end(None);
                self.excuse(error, false);
            }
        }
    }

    /// Takes this very block, if it is free.
    fn take_at<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        first: usize,
        order: u8,
    ) {
        let block = Block { first, order };
        self.begin(Record::Get { order, got: None });
        match local.get_at(block.frame(), block.order()) {
            Ok(()) => {
                self.install(site, block);
                self.end(Some(block));
            }
            Err(error) => {
                self.end(None);
                self.excuse(error, true);
            }
        }
    }

    /// Makes durable what was returned before.
    fn settle(self, call: impl FnOnce()) {
        self.begin(Record::Sync);
        call();
        self.end(None);
    }

    /// Accepts that there was nothing to get, unless there is plenty; who wants a very
    /// block, `is_picky`, may not get it.
    pub(crate) fn excuse(self, error: GetError, is_picky: bool) {
        let is_excused = match error {
            GetError::OutOfMemory { .. } => !self.plenty,
            GetError::HeldElsewhere { .. } => !self.plenty || is_picky,
            GetError::NotFree { .. } | GetError::OutOfRange { .. } => is_picky,
            GetError::Offline { .. } => is_picky,
            _ => false,
        };
        if !is_excused {
            self.fault(format!("thread {} got nothing: {error}", self.thread));
        }
    }

    /// The same for a reservation.
    pub(crate) fn excuse_reserve(self, error: ReserveError) {
        match error {
            ReserveError::Refused(error) => self.excuse(error, false),
            error if self.plenty => self.fault(format!("nothing was reserved: {error}")),
            _ => {}
        }
    }

    /// Returns the part that `part` says of a block of `owner`'s.
    fn give<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        which: usize,
        owner: usize,
        part: impl FnOnce(Block) -> Block,
    ) {
        let Some(from) = self.pick(which, owner) else {
            return;
        };
        let part = part(from);
        self.begin(Record::Put { from, part });
        let result = local.put(part.frame(), part.order());
        self.end(None);
        if let Err(error) = result {
            self.fault(format!(
                "thread {} can't return {part:?}: {error}",
                self.thread
            ));
        }
    }

    /// Takes a block off a thread's list. What others return, they must have been
    /// told of.
    fn pick(self, which: usize, owner: usize) -> Option<Block> {
        let mut books = self.books.borrow_mut();
        let len = books.mine[owner].len();
        let index = which.checked_rem(len)?;
        let block = books.mine[owner][index];
        if owner != self.thread && !books.is_known(owner, block) {
            return None;
        }
        Some(books.mine[owner].swap_remove(index))
    }

    /// Takes up to so many blocks of the order of the first one off its own list.
    pub(crate) fn pick_alike(self, most: usize) -> Vec<Block> {
        let mut books = self.books.borrow_mut();
        let mine = &mut books.mine[self.thread];
        let Some(&Block { order, .. }) = mine.first() else {
            return Vec::new();
        };
        let mut picked = Vec::new();
        mine.retain(|&block| {
            let is_alike = block.order == order && picked.len() < most;
            if is_alike {
                picked.push(block);
            }
            !is_alike
        });
        picked
    }

    /// Takes the last blocks off its own list.
    pub(crate) fn pick_last(self, count: usize) -> Vec<Block> {
        let mine = &mut self.books.borrow_mut().mine[self.thread];
        mine.split_off(mine.len() - count)
    }

    /// Returns a huge frame that this thread has taken offline.
    pub(crate) fn pick_offline(self, which: usize) -> Option<Block> {
        let books = self.books.borrow();
        let offline = &books.offline[self.thread];
        Some(offline[which.checked_rem(offline.len())?])
    }

    /// Whether any frame of a block is handed out.
    pub(crate) fn is_in_use(self, block: Block) -> bool {
        let books = self.books.borrow();
        block.frames().any(|frame| books.owns(frame))
    }

    pub(crate) fn begin(self, record: Record) {
        let mut books = self.books.borrow_mut();
        story::tell(|| format!("thread {} begins {record:?}", self.thread));
        books.begin(self.thread, record);
        drop(books);
        machine::begin_operation();
    }

    pub(crate) fn end(self, block: Option<Block>) {
        match block {
            Some(block) => self.has(0, block),
            None => story::tell(|| format!("thread {} has done that", self.thread)),
        }
        self.acknowledge(1);
    }

    /// Notes that an operation, begun before so many others, has returned a block.
    pub(crate) fn has(self, later: usize, block: Block) {
        story::tell(|| format!("thread {} has {block:?}", self.thread));
        self.books.borrow_mut().end(self.thread, later, block);
    }

    /// Lets the caller know that so many operations are done.
    pub(crate) fn acknowledge(self, count: usize) {
        for _ in 0..count {
            machine::acknowledge();
        }
    }

    pub(crate) fn fault(self, fault: String) {
        self.books.borrow_mut().fault.get_or_insert(fault);
    }
}
