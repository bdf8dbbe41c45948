//! Programs with a mistake in them, which must be found, and the same without.
//!
//! A checker that finds nothing in the allocator has shown nothing unless it finds
//! what is there to be found. Each control is a few words and two or three threads;
//! its counterpart differs in the one step that matters, and must pass.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use persist::{Access, Eadr, ModelledAdr, Persist};

use crate::chance::{Priorities, Walk};
use crate::engine::{self, Chooser, Ending, Trail};
use crate::exhaustive::Search;
use crate::fiber::Stacks;
use crate::image;
use crate::machine::{self, Machine, Touched, Watched};
use crate::random::Random;

/// What a control runs on: two lines.
#[repr(align(64))]
struct Words([AtomicU64; 16]);

/// What came of a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) name: &'static str,
    /// What looks for it.
    pub(crate) how: &'static str,
    /// Whether there is a mistake.
    pub(crate) broken: bool,
    /// Whether one was found.
    pub(crate) found: bool,
    /// Schedules or images that were tried.
    pub(crate) tried: u64,
}

/// Schedules that chance has.
const BY_CHANCE: u64 = 20_000;

type Body = fn(&Words, usize);
type Check = fn(&Words) -> bool;

/// Tries all controls.
pub(crate) fn controls() -> Vec<Control> {
    let mut all = Vec::new();
    let barriers: [(_, _, Body); 2] = [
        ("stores-pass-loads", true, |words, me| {
            enter(words, me, false)
        }),
        ("stores-with-barrier", false, |words, me| {
            enter(words, me, true)
        }),
    ];
    for (name, broken, body) in barriers {
        all.push(by_chance(name, broken, body, both_entered));
        all.push(exhaustively(name, broken, body, both_entered));
    }
    let depths: [(_, _, Body); 2] = [
        ("depth-three", true, |words, me| relay(words, me, false)),
        ("depth-three-guarded", false, |words, me| {
            relay(words, me, true)
        }),
    ];
    for (name, broken, body) in depths {
        all.push(by_chance(name, broken, body, relayed));
        all.push(exhaustively(name, broken, body, relayed));
    }
    all.push(on_medium("publish-without-flush", true, 8, false));
    all.push(on_medium("publish-with-flush", false, 8, true));
    all.push(on_medium("publish-in-a-torn-line", true, 1, false));
    all
}

const PLATFORM: Watched<Eadr> = Watched::new(Eadr);

fn add(word: &AtomicU64) -> u64 {
    PLATFORM.before(Access::Update, word);
    word.fetch_add(1, Ordering::AcqRel)
}

/// Says that it enters, and does unless the other one has said so.
fn enter(words: &Words, me: usize, barrier: bool) {
    PLATFORM.store(&words.0[me], 1);
    if barrier {
        add(&words.0[7]);
    }
    if PLATFORM.load(&words.0[1 - me]) == 0 {
        add(&words.0[2]);
    }
}

fn both_entered(words: &Words) -> bool {
    words.0[2].load(Ordering::Acquire) == 2
}

/// Goes wrong only if the second thread looks between the first one's two steps,
/// and the first one looks between the second one's.
fn relay(words: &Words, me: usize, guarded: bool) {
    let [x, y, z, ..] = &words.0;
    if me == 0 {
        add(x);
        if PLATFORM.load(y) == 1 && !guarded {
            add(z);
        }
        add(x);
    } else if PLATFORM.load(x) == 1 {
        add(y);
        if PLATFORM.load(x) == 1 {
            add(y);
        }
    }
}

fn relayed(words: &Words) -> bool {
    words.0[2].load(Ordering::Acquire) == 1
}

fn by_chance(name: &'static str, broken: bool, body: Body, wrong: Check) -> Control {
    let mut tried = 0;
    let found = (0..BY_CHANCE).any(|seed| {
        tried += 1;
        if seed.is_multiple_of(2) {
            run(&RefCell::new(Walk::new(seed)), body, wrong).0
        } else {
            run(&RefCell::new(Priorities::new(seed, 12)), body, wrong).0
        }
    });
    Control {
        name,
        how: "chance",
        broken,
        found,
        tried,
    }
}

fn exhaustively(name: &'static str, broken: bool, body: Body, wrong: Check) -> Control {
    let search = RefCell::new(Search::new(0));
    let mut tried = 0;
    let found = loop {
        let (found, ending) = run(&search, body, wrong);
        tried += u64::from(ending == Ending::Done);
        if found || !search.borrow_mut().go_back() {
            break found;
        }
    };
    Control {
        name,
        how: "all",
        broken,
        found,
        tried,
    }
}

/// Runs two threads; returns whether it went wrong.
fn run<C: Chooser>(chooser: &RefCell<C>, body: Body, wrong: Check) -> (bool, Ending) {
    let words = Words([const { AtomicU64::new(0) }; 16]);
    let mut stacks = Stacks::new(2);
    machine::install(Some(machine_of(&words, 2)));
    let threads = (0..2).map(|me| {
        let words = &words;
        Box::new(move || body(words, me)) as Box<dyn FnMut() + '_>
    });
    let mut shared = engine::Shared(chooser);
    let (threads, mut trail) = (threads.collect(), Trail::default());
    let ending = engine::run(
        &mut stacks,
        threads,
        &mut shared,
        &mut trail,
        &mut || Ok(()),
    );
    machine::install(None);
    (ending == Ending::Done && wrong(&words), ending)
}

fn machine_of(words: &Words, threads: usize) -> Machine {
    let range = words.0.as_ptr_range();
    let lower = range.start.addr()..range.end.addr();
    let upper = lower.end..lower.end;
    let touched = Touched::all_shared(words.0.len());
    let mut machine = Machine::new([lower, upper], touched, threads);
    machine.start_with(vec![0; words.0.len()]);
    machine
}

/// Writes a word, and then a flag that vouches for it, so many words further: wrong
/// where an image has the flag alone.
fn on_medium(name: &'static str, broken: bool, flag: usize, flushed: bool) -> Control {
    let words = Words([const { AtomicU64::new(0) }; 16]);
    let mut stacks = Stacks::new(1);
    machine::install(Some(machine_of(&words, 1)));
    let platform = Watched::new(ModelledAdr);
    let body = || {
        add(&words.0[0]);
        if flushed {
            platform.flush(&words.0[0]);
            platform.fence();
        }
        add(&words.0[flag]);
    };
    let (mut tried, mut found) = (0, false);
    let mut random = Random::new(0);
    let mut look = |image: &[u64]| {
        tried += 1;
        found |= image[flag] == 1 && image[0] == 0;
        Ok(())
    };
    let mut walk = Walk::new(0);
    let mut watch = || {
        machine::with(|machine| {
            let prefix = &image::prefixes(machine, 1, &mut random)[0];
            let remains = image::remains(machine, prefix, false);
            remains.images(usize::MAX, &mut random, &mut look)
        })
        .map(drop)
    };
    let trail = &mut Trail::default();
    engine::run(
        &mut stacks,
        vec![Box::new(body)],
        &mut walk,
        trail,
        &mut watch,
    );
    machine::install(None);
    Control {
        name,
        how: "images",
        broken,
        found,
        tried,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_is_found_and_what_is_not_passes() {
        for control in controls() {
            println!("{control:?}");
            assert_eq!(control.found, control.broken, "{control:?}");
        }
    }
}
