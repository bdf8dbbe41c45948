//! A thread at work: calls the allocator and keeps its books.

use std::cell::RefCell;

use llfree::{GetError, Local};
use persist::Persist;

use crate::ledger::{Block, Ledger, Record, order};
use crate::machine;
use crate::program::Op;
use crate::story;

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
        local: &mut Local<'_, '_, P, WORDS, TREE>,
        op: Op,
    ) {
        match op {
            Op::Get(exponent) => self.take(exponent, false, || {
                local.get(order(exponent)).map(|got| got.0)
            }),
            Op::GetAt(first, exponent) => {
                let block = Block {
                    first,
                    order: exponent,
                };
                self.take(exponent, true, || {
                    local.get_at(block.frame(), block.order()).map(|()| first)
                });
            }
            Op::Share(to) => self.books.borrow_mut().share(self.thread, to),
            Op::Drain => {
                self.begin(Record::Sync);
                local.drain();
                self.end(None);
            }
            Op::Put(which) => self.give(local, which, self.thread, |block| block),
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
        }
    }

    /// Takes a block; who wants this very one, `is_picky`, may not get it.
    fn take(self, order: u8, is_picky: bool, call: impl FnOnce() -> Result<usize, GetError>) {
        self.begin(Record::Get { order, got: None });
        let result = call();
        match result {
            Ok(first) => self.end(Some(Block { first, order })),
            Err(error) => {
                self.end(None);
                let is_excused = match error {
                    GetError::OutOfMemory { .. } => !self.plenty,
                    GetError::HeldElsewhere { .. } => !self.plenty || is_picky,
                    GetError::NotFree { .. } | GetError::OutOfRange { .. } => is_picky,
                    _ => false,
                };
                if !is_excused {
                    self.fault(format!("thread {} got nothing: {error}", self.thread));
                }
            }
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

    fn begin(self, record: Record) {
        let mut books = self.books.borrow_mut();
        story::tell(|| format!("thread {} begins {record:?}", self.thread));
        books.begin(self.thread, record);
        drop(books);
        machine::begin_operation();
    }

    fn end(self, block: Option<Block>) {
        let mut books = self.books.borrow_mut();
        story::tell(|| match block {
            Some(block) => format!("thread {} has {block:?}", self.thread),
            None => format!("thread {} has done that", self.thread),
        });
        books.end(self.thread, block);
        drop(books);
        machine::acknowledge();
    }

    fn fault(self, fault: String) {
        self.books.borrow_mut().fault.get_or_insert(fault);
    }
}
