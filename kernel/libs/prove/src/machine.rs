//! The machine that the threads under test run on: store buffers and a medium.
//!
//! A plain store waits in its thread's buffer; the thread sees it at once, the
//! others when it leaves the buffer, in order (x86-TSO). Locked instructions and
//! fences wait until the buffer is empty. Which access happens next is not decided
//! here: before each access to a shared word the thread pauses with a [`Request`].
//!
//! Words that one thread alone has ever touched are no reason to pause. Which
//! ones these are is learned in the first runs of a scenario.
#![expect(unsafe_code, reason = "words of tables that outlive the run")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use persist::{Access, Domain, Mode, Persist};

use crate::fiber;
use crate::medium::{Medium, Write};
use crate::word::Word;

/// What a thread is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Read the word with this number.
    Load(usize),
    /// Change it in one step.
    Update(usize, Word),
    /// Wait for what was flushed.
    Fence,
}

/// Something that waits in a store buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// A store to the word with this number.
    Store(usize, Word, u64),
    /// A flush of words of the medium, which is ordered after the stores before.
    Flush(usize, usize),
    /// What was flushed before comes before the next update.
    Order,
    /// The caller has been told that an operation is done.
    Acknowledge,
}

/// The number of a word that is in none of the tables.
const ELSEWHERE: usize = usize::MAX;

/// What threads have touched each word, a bit a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    by: Vec<u8>,
    /// Whether what is found out counts.
    pub(crate) learning: bool,
}

/// Store buffers, and the medium behind them.
pub(crate) struct Machine {
    /// Addresses of the persistent tables, and of the others.
    tables: [Range<usize>; 2],
    pub(crate) touched: Touched,
    pub(crate) buffers: Vec<VecDeque<Waiting>>,
    pub(crate) medium: Medium,
    /// The persistent words, as far as anybody has accessed them.
    words: Vec<Option<Word>>,
    /// An update that a thread was allowed to make, before anybody has looked.
    pending: Option<(usize, Word)>,
    /// How many operations of each thread have been acknowledged.
    pub(crate) acknowledged: Vec<usize>,
    /// Whether what a crash could find has changed since this was last cleared.
    pub(crate) changed: bool,
}

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
    /// The number of the thread that runs; none outside of runs.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

impl Touched {
    /// Takes so many words to be shared by all.
    pub(crate) fn all_shared(words: usize) -> Self {
        Self {
            by: vec![u8::MAX; words],
            learning: false,
        }
    }
}

impl Machine {
    /// A machine for threads that use these tables, whose content is not known yet.
    pub(crate) fn new(tables: [Range<usize>; 2], touched: Touched, threads: usize) -> Self {
        let words = tables.iter().map(|range| range.len() / 8).sum();
        let persistent = tables[0].len() / 8;
        let mut touched = touched;
        touched.by.resize(words, 0);
        Self {
            tables,
            touched,
            buffers: vec![VecDeque::new(); threads],
            medium: Medium::new(vec![0; persistent], threads),
            words: vec![None; persistent],
            pending: None,
            acknowledged: vec![0; threads],
            changed: true,
        }
    }

    /// Takes what the persistent words hold now as durable. Nobody can have changed
    /// one that was never accessed: those are zero.
    pub(crate) fn start(&mut self) {
        // SAFETY: the tables outlive the run, which has not begun.
        let read = |word: &Option<Word>| word.map_or(0, |word| unsafe { word.load() });
        self.start_with(self.words.iter().map(read).collect());
    }

    /// Takes this as what the persistent words hold.
    pub(crate) fn start_with(&mut self, content: Vec<u64>) {
        self.medium = Medium::new(content, self.buffers.len());
    }

    /// Notes an access before the run.
    fn meet(&mut self, word: &AtomicU64) {
        let number = self.number(word.as_ptr().addr());
        if let Some(place) = self.words.get_mut(number) {
            *place = Some(Word::of(word));
        }
    }

    /// How many words are persistent; they have the lowest numbers.
    pub(crate) fn persistent(&self) -> usize {
        self.tables[0].len() / 8
    }

    fn number(&self, address: usize) -> usize {
        let [lower, upper] = &self.tables;
        if lower.contains(&address) {
            (address - lower.start) / 8
        } else if upper.contains(&address) {
            self.persistent() + (address - upper.start) / 8
        } else {
            ELSEWHERE
        }
    }

    /// Notes an access; returns the number of the word and whether others touch it.
    fn touch(&mut self, thread: usize, word: &AtomicU64) -> (usize, bool) {
        let number = self.number(word.as_ptr().addr());
        let Some(by) = self.touched.by.get_mut(number) else {
            return (ELSEWHERE, false);
        };
        if self.touched.learning {
            *by |= 1 << thread;
        }
        (number, !matches!(*by & !(1 << thread), 0))
    }

    fn load(&self, thread: usize, word: &AtomicU64) -> Option<u64> {
        let here = Word::of(word);
        let mut newest_first = self.buffers[thread].iter().rev();
        newest_first.find_map(|waiting| match *waiting {
            Waiting::Store(_, word, value) if word == here => Some(value),
            _ => None,
        })
    }

    /// Lets the oldest store of a buffer reach memory, and what comes right after
    /// it happen.
    pub(crate) fn drain(&mut self, thread: usize) {
        if let Some(Waiting::Store(number, word, value)) = self.buffers[thread].pop_front() {
            // SAFETY: the tables outlive the run, and the buffer is emptied or
            // dropped at its end.
            unsafe { word.store(value) };
            self.wrote(number, value);
        }
        self.settle(thread);
    }

    /// Lets happen what need not wait any longer.
    fn settle(&mut self, thread: usize) {
        loop {
            match self.buffers[thread].front() {
                Some(&Waiting::Flush(start, end)) => self.medium.flush(thread, start..end),
                Some(Waiting::Order) => self.medium.order(thread),
                Some(Waiting::Acknowledge) => {
                    self.acknowledged[thread] += 1;
                    self.changed = true;
                }
                Some(Waiting::Store(..)) | None => return,
            }
            self.buffers[thread].pop_front();
        }
    }

    /// Lets a thread do what it has asked for.
    pub(crate) fn grant(&mut self, thread: usize, request: Request) {
        match request {
            Request::Load(_) => {}
            Request::Update(number, word) => {
                self.medium.update(thread);
                self.pending = Some((number, word));
            }
            Request::Fence => {
                self.medium.fence(thread);
                self.changed = true;
            }
        }
    }

    /// Looks at what has become of the last update. It comes before whatever the
    /// thread does next.
    pub(crate) fn look(&mut self) {
        if let Some((number, word)) = self.pending.take() {
            // SAFETY: as in `drain`.
            self.wrote(number, unsafe { word.load() });
        }
    }

    fn wrote(&mut self, number: usize, value: u64) {
        if number < self.persistent() {
            let word = number;
            self.changed |= self.medium.write(Write { word, value });
        }
    }

    /// Returns the number of the store that would leave a buffer next.
    pub(crate) fn next_store(&self, thread: usize) -> Option<usize> {
        match self.buffers[thread].front() {
            Some(&Waiting::Store(number, ..)) => Some(number),
            _ => None,
        }
    }
}

/// Uses `machine` for what runs next on this thread; returns the one before.
pub(crate) fn install(machine: Option<Machine>) -> Option<Machine> {
    MACHINE.replace(machine)
}

/// Lets `look` at the machine in use.
///
/// # Panics
///
/// Panics if there is none.
pub(crate) fn with<R>(look: impl FnOnce(&mut Machine) -> R) -> R {
    MACHINE.with_borrow_mut(|machine| look(machine.as_mut().expect("a run is going on")))
}

/// Notes an access before the run.
fn meet(word: &AtomicU64) {
    MACHINE.with_borrow_mut(|machine| {
        if let Some(machine) = machine {
            machine.meet(word);
        }
    });
}

/// Says which thread runs next.
pub(crate) fn set_thread(thread: Option<usize>) {
    THREAD.set(thread);
}

/// Notes that the thread's caller knows that an operation is done. Like a store,
/// that is visible to others only after all stores before.
pub(crate) fn acknowledge() {
    if let Some(thread) = THREAD.get() {
        with(|machine| {
            machine.look();
            machine.buffers[thread].push_back(Waiting::Acknowledge);
            machine.settle(thread);
        });
    }
}

/// Notes that the thread's caller begins an operation.
pub(crate) fn begin_operation() {
    if THREAD.get().is_some() {
        with(|machine| machine.changed = true);
    }
}

/// The platform `P` on the machine of this thread; plainly `P` outside of runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched<P>(P);

impl<P> Watched<P> {
    /// Watches this platform.
    pub(crate) const fn new(platform: P) -> Self {
        Self(platform)
    }
}

impl<P: Persist> Persist for Watched<P> {
    const DOMAIN: Domain = P::DOMAIN;
    const MODE: Mode = P::MODE;

    fn flush<T: ?Sized>(&self, value: &T) {
        let Some(thread) = THREAD.get() else { return };
        let start = std::ptr::from_ref(value).addr();
        let end = start + size_of_val(value);
        with(|machine| {
            machine.look();
            if start < end && machine.tables[0].contains(&start) {
                let base = machine.tables[0].start;
                let words = ((start - base) / 8, (end - base).div_ceil(8));
                machine.buffers[thread].push_back(Waiting::Flush(words.0, words.1));
                machine.settle(thread);
            }
        });
    }

    fn fence(&self) {
        if THREAD.get().is_some() {
            fiber::pause(Request::Fence);
        }
    }

    fn order(&self) {
        if let Some(thread) = THREAD.get() {
            with(|machine| {
                machine.look();
                machine.buffers[thread].push_back(Waiting::Order);
                machine.settle(thread);
            });
        }
    }

    fn before(&self, access: Access, word: &AtomicU64) {
        let Some(thread) = THREAD.get() else {
            return meet(word);
        };
        if access != Access::Update {
            return;
        }
        let must_pause = with(|machine| {
            machine.look();
            let (number, shared) = machine.touch(thread, word);
            let persistent = number < machine.persistent();
            // What was flushed is to be durable first, and that is a change too.
            let waits = !machine.buffers[thread].is_empty() || machine.medium.waits(thread);
            (shared || persistent || waits).then_some(number)
        });
        if let Some(number) = must_pause {
            fiber::pause(Request::Update(number, Word::of(word)));
        }
    }

    fn load(&self, word: &AtomicU64) -> u64 {
        if let Some(thread) = THREAD.get() {
            let (number, shared) = with(|machine| machine.touch(thread, word));
            if shared {
                fiber::pause(Request::Load(number));
            }
            if let Some(own) = with(|machine| machine.load(thread, word)) {
                return own;
            }
        } else {
            meet(word);
        }
        self.0.load(word)
    }

    fn store(&self, word: &AtomicU64, value: u64) {
        let Some(thread) = THREAD.get() else {
            meet(word);
            return self.0.store(word, value);
        };
        let kept = with(|machine| {
            machine.look();
            let (number, shared) = machine.touch(thread, word);
            let kept = shared || number < machine.persistent();
            if kept {
                let waiting = Waiting::Store(number, Word::of(word), value);
                machine.buffers[thread].push_back(waiting);
            }
            kept
        });
        if !kept {
            self.0.store(word, value);
        }
    }
}
