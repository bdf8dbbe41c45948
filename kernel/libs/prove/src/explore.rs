//! Many runs of one scenario, and what they add up to.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use persist::{Batched, Eadr, LazyFree, ModelledAdr, Persist, Volatile};

use crate::chance::{Priorities, Walk};
use crate::crash::Limits;
use crate::engine::{self, Chooser, Ending};
use crate::exhaustive::Search;
use crate::report::{Fault, Row};
use crate::scenario::{Choose, Mode, Scenario, Shape};
use crate::story;
use crate::trial::Trial;

/// How much to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Which of the numbers of schedules of each scenario counts.
    pub(crate) full: bool,
    /// The most schedules, whatever the scenario says.
    pub(crate) most: Option<u64>,
    /// The longest time for a scenario.
    pub(crate) time: Duration,
    /// The first seed; the next schedule has the next one.
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
}

/// Runs that find out which words are shared.
const LEARNING: u64 = 300;
/// Schedules that are tried after a fault, in search of a shorter one.
const SHORTER: u64 = 3_000;

/// Tries a scenario.
pub(crate) fn explore(scenario: &Scenario, budget: Budget) -> Row {
    match scenario.mode {
        Mode::Volatile => shaped::<Volatile>(scenario, budget),
        Mode::Eadr => shaped::<Eadr>(scenario, budget),
        Mode::Adr => shaped::<ModelledAdr>(scenario, budget),
        Mode::AdrLazy => shaped::<LazyFree<ModelledAdr>>(scenario, budget),
        Mode::AdrBatched => shaped::<Batched<ModelledAdr>>(scenario, budget),
    }
}

fn shaped<P: Persist + Default + Copy>(scenario: &Scenario, budget: Budget) -> Row {
    match scenario.shape {
        Shape::Tiny => Explorer::<P, 2, 2>::new(scenario, budget).explore(),
        Shape::Small => Explorer::<P, 4, 2>::new(scenario, budget).explore(),
        Shape::Hardware => Explorer::<P, 8, 2>::new(scenario, budget).explore(),
    }
}

struct Explorer<'s, P, const WORDS: usize, const TREE: usize> {
    trial: Trial<'s, P, WORDS, TREE>,
    budget: Budget,
    started: Instant,
    row: Row,
    goal: u64,
}

impl<'s, P: Persist + Default + Copy, const WORDS: usize, const TREE: usize>
    Explorer<'s, P, WORDS, TREE>
{
    fn new(scenario: &'s Scenario, budget: Budget) -> Self {
        let own = scenario.schedules[usize::from(budget.full)];
        Self {
            trial: Trial::new(scenario, budget.limits),
            budget,
            started: Instant::now(),
            row: Row::new(scenario.name),
            goal: budget.most.unwrap_or(own),
        }
    }

    fn explore(mut self) -> Row {
        match self.trial.scenario().choose {
            Choose::ByChance => self.by_chance(),
            Choose::All => self.all(),
        }
        self.row.power_fails = self.trial.crashes.is_some();
        if let Some(crashes) = &self.trial.crashes {
            self.row.crashes = crashes.counts;
        }
        self.row.operations = self.trial.operations;
        self.row.seconds = self.started.elapsed().as_secs_f64();
        self.row
    }

    /// Whether the budget allows for another schedule.
    fn goes_on(&self) -> bool {
        let in_time = self.started.elapsed() < self.budget.time;
        self.row.schedules < self.goal && in_time
    }

    fn by_chance(&mut self) {
        self.learn();
        let mut left = SHORTER;
        for seed in self.budget.seed.. {
            if !self.goes_on() || left == 0 {
                return;
            }
            let ending = self.one(seed);
            if let Ending::Fault(fault) = ending {
                self.note(seed.to_string(), fault);
            }
            if self.row.fault.is_some() {
                left -= 1;
            }
        }
    }

    /// Finds out which words are shared, always in the same way.
    fn learn(&mut self) {
        self.trial.touched.learning = true;
        let crashes = self.trial.crashes.take();
        for seed in 0..LEARNING {
            self.trial.draw(seed);
            let walk = RefCell::new(Walk::new(seed));
            if self.trial.run(&walk, |_| false) != Ending::Done {
                break;
            }
        }
        self.trial.operations = 0;
        self.trial.crashes = crashes;
        self.trial.touched.learning = false;
    }

    /// Runs the schedule that follows from a seed.
    fn one(&mut self, seed: u64) -> Ending {
        self.trial.draw(seed);
        let ending = if seed.is_multiple_of(2) {
            self.trial.run(&RefCell::new(Walk::new(seed)), |_| true)
        } else {
            let steps = [20, 60, 200][(seed / 2 % 3) as usize];
            let priorities = RefCell::new(Priorities::new(seed, steps));
            self.trial.run(&priorities, |_| true)
        };
        self.count();
        ending
    }

    fn count(&mut self) {
        self.row.schedules += 1;
        self.row.steps += self.trial.trail.chosen.len() as u64;
        if self.row.schedules.is_multiple_of(1 << 12) {
            self.row
                .progress(self.goal, self.started.elapsed(), self.budget.time);
        }
    }

    /// Keeps a fault if it is the first, or shorter than the one before.
    fn note(&mut self, seed: String, what: String) {
        self.row.violations += 1;
        let operations = self.trial.last_operations;
        let steps = self.trial.trail.chosen.len();
        let known = self.row.fault.as_ref();
        if known.is_none_or(|known| (operations, steps) < (known.operations, known.steps)) {
            let schedule = engine::schedule(&self.trial.trail.chosen);
            self.row.fault = Some(Fault {
                seed,
                what,
                operations,
                steps,
                schedule,
                story: Vec::new(),
            });
            self.retell();
        }
    }

    /// Runs the schedule of the fault again, to tell what happened.
    fn retell(&mut self) {
        story::begin();
        let mut again = Again(self.trial.trail.chosen.clone().into_iter());
        let again = RefCell::new(&mut again as &mut dyn Chooser);
        let crashes = self.trial.crashes.take();
        self.trial.run(&again, |_| false);
        self.trial.crashes = crashes;
        let story = story::end();
        if let Some(fault) = &mut self.row.fault {
            fault.story = story;
        }
    }

    /// Tries all schedules. Whenever that shows one more word to be shared, what was
    /// tried before was not all there is, so the search begins again.
    fn all(&mut self) {
        self.trial.touched.learning = true;
        self.trial.draw(0);
        loop {
            let known = self.trial.touched.clone();
            let ordered = if self.trial.crashes.is_some() {
                self.trial.persistent_words()
            } else {
                0
            };
            let search = RefCell::new(Search::new(ordered));
            loop {
                match self.trial.run(&search, Search::is_new) {
                    Ending::Fault(fault) => {
                        self.count();
                        self.note("any".to_owned(), fault);
                        return;
                    }
                    Ending::Done => self.count(),
                    Ending::GivenUp => self.row.cut_short += 1,
                }
                if self.trial.touched != known {
                    break;
                }
                if !search.borrow_mut().go_back() {
                    self.row.complete = true;
                    return;
                }
                if !self.goes_on() {
                    return;
                }
            }
            // What was counted so far is a part of what is counted now.
            self.row = Row::new(self.row.scenario);
        }
    }
}

/// Repeats a schedule.
struct Again(std::vec::IntoIter<u8>);

impl Chooser for Again {
    fn choose(&mut self, choice: &engine::Choice<'_>) -> Option<usize> {
        let next = usize::from(self.0.next()?);
        story::tell(|| choice.describe(next));
        Some(next)
    }
}

impl Chooser for &mut dyn Chooser {
    fn choose(&mut self, choice: &engine::Choice<'_>) -> Option<usize> {
        (**self).choose(choice)
    }
}
