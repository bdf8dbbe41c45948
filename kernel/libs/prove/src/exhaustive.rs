//! Every schedule that makes a difference.
//!
//! Two schedules that only exchange neighbouring steps which don't touch the same
//! word end in the same state, so one of them is enough. Dynamic partial-order
//! reduction (Flanagan and Godefroid, POPL 2005) finds out from each run which
//! steps raced, and goes back to try them the other way round; sleep sets keep it
//! from repeating what only commutes. When nothing is left to go back to, every
//! schedule has been tried up to such exchanges.
//!
//! Where a crash may come at any step, the order of stores to the medium matters
//! even if they are to different words: then all of these count as conflicting.

use crate::engine::{Action, Choice, Chooser, NO_WORD, PROCESSES, THREADS};

type Clock = [u32; PROCESSES];

/// A place where a choice was made.
#[derive(Clone, Debug)]
struct Node {
    enabled: u8,
    actions: [Action; PROCESSES],
    /// Processes that have to be tried here.
    backtrack: u8,
    /// Processes that have been.
    done: u8,
    /// Processes whose step has been tried before, and nothing has happened since
    /// that would change what it does.
    sleep: u8,
    chosen: usize,
    /// When the step happened, in the order of causes.
    clock: Clock,
}

/// A depth-first search.
#[derive(Debug)]
pub(crate) struct Search {
    nodes: Vec<Node>,
    depth: usize,
    /// How many nodes are as in the run before; their clocks are known.
    kept: usize,
    /// How many steps lead to a state that no earlier run has been in.
    new_from: usize,
    /// Words below this number conflict with each other.
    ordered: usize,
    clocks: Vec<Clock>,
    /// For each thread's buffer, when each waiting store was made.
    made: Vec<Vec<Clock>>,
}

impl Search {
    /// Starts a search in which all stores to words below `ordered` conflict.
    pub(crate) fn new(ordered: usize) -> Self {
        Self {
            nodes: Vec::new(),
            depth: 0,
            kept: 0,
            new_from: 0,
            ordered,
            clocks: vec![[0; PROCESSES]; PROCESSES],
            made: vec![Vec::new(); THREADS],
        }
    }

    /// Returns whether the run is where an earlier one has not been.
    pub(crate) fn is_new(&self) -> bool {
        self.depth >= self.new_from
    }

    /// Goes back to the last place where something is left to be tried; false if
    /// there is none. The next run is to make the same choices up to there.
    pub(crate) fn go_back(&mut self) -> bool {
        self.nodes.truncate(self.depth);
        while let Some(node) = self.nodes.last_mut() {
            node.sleep |= 1 << node.chosen;
            node.done |= 1 << node.chosen;
            let left = node.backtrack & !node.done & !node.sleep;
            if left != 0 {
                node.chosen = left.trailing_zeros() as usize;
                self.kept = self.nodes.len() - 1;
                self.new_from = self.nodes.len();
                self.depth = 0;
                self.clocks.fill([0; PROCESSES]);
                self.made.iter_mut().for_each(Vec::clear);
                return true;
            }
            self.nodes.pop();
        }
        false
    }

    fn conflict(&self, one: Action, two: Action) -> bool {
        let ordered = one.word < self.ordered && two.word < self.ordered;
        one.word != NO_WORD
            && (one.write || two.write)
            && (one.word == two.word || ordered && one.write && two.write)
    }

    /// Whether steps of two processes can't simply be exchanged.
    fn depend(&self, (one, two): (usize, usize), actions: &[Action; PROCESSES]) -> bool {
        one % THREADS == two % THREADS || self.conflict(actions[one], actions[two])
    }

    /// Makes a place for a new choice.
    fn enter(&mut self, choice: &Choice<'_>) -> Option<()> {
        let sleep = self.nodes.last().map_or(0, |last| {
            let asleep = (0..PROCESSES).filter(|process| last.sleep >> process & 1 != 0);
            asleep
                .filter(|&process| !self.depend((process, last.chosen), &last.actions))
                .fold(0, |sleep, process| sleep | 1 << process)
        });
        let awake = choice.enabled & !sleep;
        if awake == 0 {
            return None;
        }
        let chosen = awake.trailing_zeros() as usize;
        self.nodes.push(Node {
            enabled: choice.enabled,
            actions: *choice.actions,
            backtrack: 1 << chosen,
            done: 0,
            sleep,
            chosen,
            clock: [0; PROCESSES],
        });
        Some(())
    }

    /// Notes the stores that the last step has made.
    fn note_stores(&mut self, choice: &Choice<'_>) {
        let Some(last) = self.depth.checked_sub(1).map(|at| self.nodes[at].chosen) else {
            for (made, &waiting) in self.made.iter_mut().zip(choice.waiting) {
                made.resize(waiting, [0; PROCESSES]);
            }
            return;
        };
        let thread = last % THREADS;
        let made = &mut self.made[thread];
        if last >= THREADS {
            let gone = made.len().saturating_sub(choice.waiting[thread]);
            made.drain(..gone);
        } else {
            made.resize(choice.waiting[thread], self.clocks[thread]);
        }
    }

    /// Finds the earlier steps that raced with this one, and works out when it
    /// happened.
    fn order(&mut self) {
        let at = self.depth;
        let process = self.nodes[at].chosen;
        if at < self.kept {
            self.clocks[process] = self.nodes[at].clock;
            return;
        }
        let action = self.nodes[at].actions[process];
        let mut clock = self.clocks[process];
        let thread = process % THREADS;
        if process >= THREADS {
            if let Some(made) = self.made[thread].first() {
                join(&mut clock, made);
            }
        } else if action.waits {
            join(&mut clock, &self.clocks[THREADS + thread]);
        }
        for earlier in (0..at).rev() {
            let other = self.nodes[earlier].chosen;
            let was = self.nodes[earlier].actions[other];
            if other == process || !self.conflict(was, action) {
                continue;
            }
            let before = self.nodes[earlier].clock;
            if clock[other] < before[other] {
                self.try_at(earlier, process);
            }
            join(&mut clock, &before);
        }
        clock[process] += 1;
        self.clocks[process] = clock;
        self.nodes[at].clock = clock;
    }

    fn try_at(&mut self, earlier: usize, process: usize) {
        let node = &mut self.nodes[earlier];
        let bit = 1 << process;
        node.backtrack |= if node.enabled & bit != 0 {
            bit
        } else {
            node.enabled
        };
    }
}

impl Chooser for Search {
    fn choose(&mut self, choice: &Choice<'_>) -> Option<usize> {
        self.note_stores(choice);
        if self.depth == self.nodes.len() {
            self.enter(choice)?;
        }
        self.order();
        let chosen = self.nodes[self.depth].chosen;
        self.depth += 1;
        Some(chosen)
    }
}

fn join(clock: &mut Clock, other: &Clock) {
    for (one, two) in clock.iter_mut().zip(other) {
        *one = (*one).max(*two);
    }
}
