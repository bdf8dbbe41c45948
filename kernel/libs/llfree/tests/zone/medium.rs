//! A medium behind caches that power failures don't flush.
//!
//! Keeps, for each cache line of a zone's lower tables, all its contents since the
//! last one that is durable for sure. When power fails, the medium has one of them:
//! of each line by itself, or in the torn model of each aligned word by itself.
//! A line that was flushed is durable after the next fence, or when the next locked
//! instruction takes effect. One thread; what this can't show is a crash between
//! accesses of several.

use std::cell::RefCell;

use persist::{Access, Event, LINE_BYTES};

use crate::common::{Bytes, Random};

type Line = [u8; LINE_BYTES];

/// What a line has been since it was durable last, oldest first, and up to which of
/// these it has been flushed.
struct History {
    versions: Vec<Line>,
    flushed: Option<usize>,
}

impl History {
    /// The flush has arrived.
    fn settle(&mut self) {
        if let Some(flushed) = self.flushed.take() {
            self.versions.drain(..flushed);
        }
    }
}

/// The lines of some memory that is being written.
pub(crate) struct Medium {
    memory: *const u8,
    state: RefCell<State>,
}

struct State {
    lines: Vec<History>,
    /// Lines with a flush under way.
    flushed: Vec<usize>,
    /// The line that was about to be accessed at the last event.
    touched: Option<usize>,
}

/// How lines reach the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tearing {
    Lines,
    Words,
}

impl Medium {
    /// Starts with `memory`, all of it durable.
    pub(crate) fn new(memory: &Bytes) -> Self {
        let lines = memory.chunks_exact(LINE_BYTES).map(|line| History {
            versions: vec![line.try_into().expect("a line")],
            flushed: None,
        });
        let state = State {
            lines: lines.collect(),
            flushed: Vec::new(),
            touched: None,
        };
        Self {
            memory: memory.as_ptr(),
            state: RefCell::new(state),
        }
    }

    /// Takes note of an event before it happens.
    pub(crate) fn note(&self, event: Event) {
        let state = &mut *self.state.borrow_mut();
        self.catch_up(state);
        match event {
            Event::Flush { start, len_bytes } => {
                let end = (start + len_bytes).div_ceil(LINE_BYTES) * LINE_BYTES;
                for address in (start / LINE_BYTES * LINE_BYTES..end).step_by(LINE_BYTES) {
                    let line = self
                        .line_of(address, state)
                        .expect("only tables are flushed");
                    let history = &mut state.lines[line];
                    history.flushed = Some(history.versions.len() - 1);
                    state.flushed.push(line);
                }
            }
            Event::Access {
                access: Access::Update,
                address,
            } => {
                state.settle();
                state.touched = self.line_of(address, state);
            }
            Event::Fence => state.settle(),
            Event::Access { address, .. } => state.touched = self.line_of(address, state),
        }
    }

    /// Takes note of the last access. What is written from now on does not count.
    pub(crate) fn stop(&self) {
        self.catch_up(&mut self.state.borrow_mut());
    }

    /// Returns what a power failure might leave, now or at the [stop](Self::stop).
    pub(crate) fn image(&self, tearing: Tearing, random: &mut Random) -> Bytes {
        let state = &mut *self.state.borrow_mut();
        self.catch_up(state);
        let mut image = Bytes::filled(state.lines.len() * LINE_BYTES, 0);
        let unit = match tearing {
            Tearing::Lines => LINE_BYTES,
            Tearing::Words => 8,
        };
        // Most often either all or nothing is lost, or about half of it.
        let bias = random.below(4);
        for (line, history) in image.chunks_exact_mut(LINE_BYTES).zip(&state.lines) {
            for at in (0..LINE_BYTES).step_by(unit) {
                let last = history.versions.len() - 1;
                let version = match bias {
                    0 => 0,
                    1 => last,
                    _ => random.below(last + 1),
                };
                let version = &history.versions[version];
                line[at..at + unit].copy_from_slice(&version[at..at + unit]);
            }
        }
        image
    }

    /// Adds what the last access has changed.
    fn catch_up(&self, state: &mut State) {
        let Some(line) = state.touched.take() else {
            return;
        };
        let start = self.memory.wrapping_add(line * LINE_BYTES).cast::<Line>();
        // SAFETY: inside the memory, which outlives its zone, and with it all events;
        // this thread is the only one.
        let now = unsafe { start.read_volatile() };
        let versions = &mut state.lines[line].versions;
        if versions.last() != Some(&now) {
            versions.push(now);
        }
    }

    fn line_of(&self, address: usize, state: &State) -> Option<usize> {
        let line = address.checked_sub(self.memory.addr())? / LINE_BYTES;
        (line < state.lines.len()).then_some(line)
    }
}

impl State {
    fn settle(&mut self) {
        for line in self.flushed.drain(..) {
            self.lines[line].settle();
        }
    }
}
