//! What a persistent medium behind caches may hold.
//!
//! Two models of the medium, the same log of stores:
//!
//! * *lines*: a line reaches the medium as it was after any of its stores, as in
//!   the persistency models of x86 (a prefix of the stores to it);
//! * *torn*: each aligned word of a line reaches it by itself, which is weaker
//!   than anything that hardware is known to do.
//!
//! In both, a line is as it was flushed, or newer, once that was fenced. A locked
//! instruction completes no flush here unless the code says that it relies on that
//! ([`persist::Persist::order`]), although on x86 it does: what holds without, holds
//! with it.

/// Words in a line.
pub const LINE_WORDS: usize = 8;

/// A store that has reached the cache.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// Number of the word.
    pub word: usize,
    /// Its new value.
    pub value: u64,
}

/// The stores to a line that are not durable for sure.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// How many stores before these are durable.
    durable: usize,
    writes: Vec<Write>,
}

impl Line {
    /// Returns them, oldest first.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }
}

/// A range of persistent memory.
#[derive(Clone, Debug)]
pub struct Medium {
    /// What is visible.
    visible: Vec<u64>,
    /// What is durable for sure.
    durable: Vec<u64>,
    lines: Vec<Line>,
    /// For each thread the lines that it has flushed, each with how many stores
    /// had reached it.
    flushed: Vec<Vec<(usize, usize)>>,
    /// The same, for what is durable before the thread's next update is.
    ordered: Vec<Vec<(usize, usize)>>,
}

impl Medium {
    /// A medium with this content, all of it durable.
    pub fn new(content: Vec<u64>, threads: usize) -> Self {
        let lines = content.len().div_ceil(LINE_WORDS);
        Self {
            durable: content.clone(),
            visible: content,
            lines: vec![Line::default(); lines],
            flushed: vec![Vec::new(); threads],
            ordered: vec![Vec::new(); threads],
        }
    }

    /// Returns what is visible.
    pub fn visible(&self) -> &[u64] {
        &self.visible
    }

    /// Returns what is durable for sure.
    pub fn durable(&self) -> &[u64] {
        &self.durable
    }

    /// Returns the lines with stores that are not durable for sure.
    pub fn dirty(&self) -> impl Iterator<Item = (usize, &Line)> {
        let lines = self.lines.iter().enumerate();
        lines.filter(|(_, line)| !line.writes.is_empty())
    }

    /// Notes that a word has a value now; false if it had it before.
    pub fn write(&mut self, write: Write) -> bool {
        if self.visible[write.word] == write.value {
            return false;
        }
        self.visible[write.word] = write.value;
        self.lines[write.word / LINE_WORDS].writes.push(write);
        true
    }

    /// Notes that a thread flushes these words.
    pub fn flush(&mut self, thread: usize, words: std::ops::Range<usize>) {
        for line in words.start / LINE_WORDS..words.end.div_ceil(LINE_WORDS) {
            let Line { durable, writes } = &self.lines[line];
            self.flushed[thread].push((line, durable + writes.len()));
        }
    }

    /// Has what a thread has flushed so far wait for no more than its next update.
    pub fn order(&mut self, thread: usize) {
        let flushed = std::mem::take(&mut self.flushed[thread]);
        self.ordered[thread].extend(flushed);
    }

    /// Whether something is to be durable before a thread's next update.
    pub fn waits(&self, thread: usize) -> bool {
        !self.ordered[thread].is_empty()
    }

    /// Notes that a thread is about to update a word.
    pub fn update(&mut self, thread: usize) {
        let ordered = std::mem::take(&mut self.ordered[thread]);
        self.complete(ordered);
    }

    /// Makes durable what a thread has flushed.
    pub fn fence(&mut self, thread: usize) {
        self.order(thread);
        self.update(thread);
    }

    /// Writes back a line of which more stores than this are not durable, all but the
    /// last ones: no cache keeps a line for ever.
    pub fn evict(&mut self, line: usize, keep: usize) {
        let Line { durable, writes } = &self.lines[line];
        let upto = durable + writes.len().saturating_sub(keep);
        self.complete(vec![(line, upto)]);
    }

    fn complete(&mut self, flushed: Vec<(usize, usize)>) {
        for (line, upto) in flushed {
            let line = &mut self.lines[line];
            let count = upto.saturating_sub(line.durable);
            for Write { word, value } in line.writes.drain(..count) {
                self.durable[word] = value;
            }
            line.durable += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn write(word: usize, value: u64) -> Write {
        Write { word, value }
    }

    #[test]
    fn a_fence_covers_what_was_flushed_and_nothing_newer() {
        let mut medium = Medium::new(vec![0; 16], 2);
        medium.write(write(0, 1));
        medium.flush(0, 0..8);
        medium.write(write(0, 2));
        medium.write(write(8, 3));
        medium.fence(1);
        assert_eq!(medium.durable()[0], 0, "another thread's fence");
        medium.fence(0);
        assert_eq!((medium.durable()[0], medium.durable()[8]), (1, 0));
        assert_eq!(medium.dirty().count(), 2);
        assert_eq!((medium.visible()[0], medium.visible()[8]), (2, 3));
    }

    #[test]
    fn an_evicted_line_keeps_its_last_stores() {
        let mut medium = Medium::new(vec![0; 8], 1);
        (1..=5).for_each(|value| assert!(medium.write(write(2, value))));
        medium.evict(0, 2);
        assert_eq!((medium.durable()[2], medium.visible()[2]), (3, 5));
        medium.flush(0, 2..3);
        medium.fence(0);
        assert_eq!((medium.durable()[2], medium.dirty().count()), (5, 0));
    }

    #[test]
    fn flushing_twice_is_flushing_once() {
        let mut medium = Medium::new(vec![0; 8], 1);
        medium.write(write(3, 1));
        medium.flush(0, 3..4);
        medium.flush(0, 3..4);
        medium.fence(0);
        assert_eq!((medium.durable()[3], medium.dirty().count()), (1, 0));
    }
}
