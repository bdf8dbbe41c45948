//! One run: threads and store buffers take turns, as a chooser says.
//!
//! A *process* is what can be scheduled: each thread up to its next access, and
//! each store buffer with its oldest store. A thread that reads the same word
//! again and again waits for somebody; it is not scheduled until the word changes,
//! unless nobody else can run.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fiber::Stacks;
use crate::machine::{self, Request};

/// The most threads.
pub(crate) const THREADS: usize = 3;
/// The most processes: threads, then their store buffers.
pub(crate) const PROCESSES: usize = 2 * THREADS;
/// The number of a word that does not matter.
pub(crate) const NO_WORD: usize = usize::MAX;
/// Reads of the same word after which a thread is taken to be waiting.
const PATIENCE: usize = 8;
/// Steps after which a run is taken to be endless.
const TOO_LONG: usize = 20_000;

/// What a process would do if it were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// The word that it accesses.
    pub(crate) word: usize,
    /// Whether it may change it.
    pub(crate) write: bool,
    /// Whether it can only happen once the thread's own buffer is empty.
    pub(crate) waits: bool,
}

/// What there is to choose from.
pub(crate) struct Choice<'a> {
    /// Processes that can be chosen, a bit each.
    pub(crate) enabled: u8,
    /// What each would do.
    pub(crate) actions: &'a [Action; PROCESSES],
    /// How many stores wait in each thread's buffer.
    pub(crate) waiting: &'a [usize; THREADS],
}

impl Choice<'_> {
    /// Says what a process would do.
    pub(crate) fn describe(&self, process: usize) -> String {
        let Action { word, write, waits } = self.actions[process];
        let thread = process % THREADS;
        match (process >= THREADS, word == NO_WORD, write && waits) {
            (true, ..) => format!("    a store of thread {thread} to word {word} becomes visible"),
            (_, true, _) => format!("    thread {thread} waits for its flushes"),
            (.., true) => format!("    thread {thread} changes word {word}"),
            _ => format!("    thread {thread} reads word {word}"),
        }
    }
}

/// Says who is next.
pub(crate) trait Chooser {
    /// Returns a process that can be chosen, or `None` to give the run up.
    fn choose(&mut self, choice: &Choice<'_>) -> Option<usize>;
}

/// A chooser that somebody else looks at too.
pub(crate) struct Shared<'a, C>(pub(crate) &'a RefCell<C>);

impl<C: Chooser> Chooser for Shared<'_, C> {
    fn choose(&mut self, choice: &Choice<'_>) -> Option<usize> {
        self.0.borrow_mut().choose(choice)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All threads have returned.
    Done,
    /// The chooser gave it up.
    GivenUp,
    /// Something is wrong.
    Fault(String),
}

/// What a run did, for those who want to read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    /// The processes, in the order in which they were chosen.
    pub(crate) chosen: Vec<u8>,
}

/// Runs the bodies. After each step, `watch` may find a fault.
pub(crate) fn run<'a>(
    stacks: &'a mut Stacks,
    bodies: Vec<Box<dyn FnMut() + 'a>>,
    chooser: &mut dyn Chooser,
    trail: &mut Trail,
    watch: &mut dyn FnMut() -> Result<(), String>,
) -> Ending {
    let threads = bodies.len();
    let mut fibers = stacks.fibers(bodies);
    let mut next = [None; THREADS];
    let mut resume = |thread: usize| {
        machine::set_thread(Some(thread));
        let next = catch_unwind(AssertUnwindSafe(|| fibers[thread].resume()));
        machine::set_thread(None);
        next.map_err(|cause| format!("thread {thread} panicked: {}", said(&*cause)))
    };
    for (thread, next) in next.iter_mut().enumerate().take(threads) {
        match resume(thread) {
            Ok(request) => *next = request,
            Err(fault) => return Ending::Fault(fault),
        }
    }
    let mut patience = [(NO_WORD, 0); THREADS];
    trail.chosen.clear();
    while trail.chosen.len() < TOO_LONG {
        if let Err(fault) = watch() {
            return Ending::Fault(fault);
        }
        let view = View::new(&next[..threads], &patience);
        if view.enabled == 0 {
            let stuck = next.iter().any(Option::is_some);
            return if stuck {
                Ending::Fault("nobody can go on".to_owned())
            } else {
                Ending::Done
            };
        }
        let Some(process) = chooser.choose(&view.choice()) else {
            return Ending::GivenUp;
        };
        #[expect(clippy::cast_possible_truncation, reason = "a few processes")]
        trail.chosen.push(process as u8);
        let action = view.actions[process];
        if process >= THREADS {
            machine::with(|machine| machine.drain(process - THREADS));
        } else if let Some(request) = next[process] {
            machine::with(|machine| machine.grant(process, request));
            match resume(process) {
                Ok(request) => next[process] = request,
                Err(fault) => return Ending::Fault(fault),
            }
            machine::with(machine::Machine::look);
        }
        wait(&mut patience, process, action);
    }
    Ending::Fault(format!("not done after {TOO_LONG} steps"))
}

/// Notes who reads the same word again, and whom a change sets free.
fn wait(patience: &mut [(usize, usize); THREADS], process: usize, action: Action) {
    if action.write {
        for (word, count) in patience.iter_mut() {
            if *word == action.word {
                *count = 0;
            }
        }
    }
    if let Some((word, count)) = patience.get_mut(process) {
        let same = !action.write && action.word == *word;
        *count = if same { *count + 1 } else { 0 };
        *word = action.word;
    }
}

/// Who could be chosen, and for what.
struct View {
    enabled: u8,
    actions: [Action; PROCESSES],
    waiting: [usize; THREADS],
}

impl View {
    fn new(next: &[Option<Request>], patience: &[(usize, usize); THREADS]) -> Self {
        let mut view = Self {
            enabled: 0,
            actions: [Action::NONE; PROCESSES],
            waiting: [0; THREADS],
        };
        let mut idle = 0;
        machine::with(|machine| {
            for (thread, &request) in next.iter().enumerate() {
                let store = machine.next_store(thread);
                view.waiting[thread] = machine.buffers[thread].len();
                if let Some(word) = store {
                    view.actions[THREADS + thread] = Action::store(word);
                    view.enabled |= 1 << (THREADS + thread);
                }
                let Some(request) = request else { continue };
                let action = Action::of(request);
                view.actions[thread] = action;
                if action.waits && store.is_some() {
                    continue;
                }
                if patience[thread].1 >= PATIENCE && action.word == patience[thread].0 {
                    idle |= 1 << thread;
                } else {
                    view.enabled |= 1 << thread;
                }
            }
        });
        if view.enabled == 0 {
            view.enabled = idle;
        }
        view
    }

    fn choice(&self) -> Choice<'_> {
        Choice {
            enabled: self.enabled,
            actions: &self.actions,
            waiting: &self.waiting,
        }
    }
}

impl Action {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        word: NO_WORD,
        write: false,
        waits: false,
    };

    const fn store(word: usize) -> Self {
        Self {
            word,
            write: true,
            waits: false,
        }
    }

    const fn of(request: Request) -> Self {
        match request {
            Request::Load(word) => Self {
                word,
                write: false,
                waits: false,
            },
            Request::Update(word, _) => Self {
                word,
                write: true,
                waits: true,
            },
            Request::Fence => Self {
                word: NO_WORD,
                write: false,
                waits: true,
            },
        }
    }
}

/// Returns what a panic said.
fn said(cause: &(dyn std::any::Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("something else than words")
}

/// The names of processes in a schedule that is written down.
const LETTERS: [u8; PROCESSES] = *b"abcABC";

/// Writes a schedule down: a letter a process, capitals for store buffers, and how
/// often in a row.
pub(crate) fn schedule(chosen: &[u8]) -> String {
    let mut text = String::new();
    for run in chosen.chunk_by(|one, two| one == two) {
        let process = usize::from(run[0]);
        let letter = char::from(LETTERS[process]);
        text.push(letter);
        if run.len() > 1 {
            text.push_str(&run.len().to_string());
        }
    }
    text
}
