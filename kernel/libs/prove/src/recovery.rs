//! Recovery on the modelled machine, by one processor or by two, with an image of each
//! moment at which the power could have failed.

use std::cell::RefCell;

use llfree::{Memory, Recovering, Recovery, Zone};
use persist::Persist;

use crate::chance::Walk;
use crate::engine::{self, Ending, Trail};
use crate::fiber::Stacks;
use crate::image;
use crate::machine::{self, Machine, Touched, Watched};
use crate::random::Random;
use crate::tables::Tables;

/// Processors that recover at the same time.
pub(crate) const HELPERS: usize = 2;

/// How the trees are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// One processor does everything.
    Alone,
    /// Each does its part.
    Parts,
    /// Both do everything, at the same time.
    Twice,
}

/// What one processor does.
type Body<'a> = Box<dyn FnMut() + 'a>;

/// What came of a recovery that ended.
pub(crate) type Recovered<'m, P, const WORDS: usize, const TREE: usize> =
    (Zone<'m, Watched<P>, WORDS, TREE>, Recovery);

/// Recovers what the tables hold, which is `image`, and calls `fail` with what a power
/// failure may leave at each moment; returns what has come of it.
pub(crate) fn recover<'t, P: Persist + Default, const WORDS: usize, const TREE: usize>(
    (frames, cpus): (usize, usize),
    share: Share,
    (tables, image): (&'t mut Tables, &[u64]),
    stacks: &mut Stacks,
    random: &mut Random,
    fail: &mut dyn FnMut(Vec<u64>),
) -> Result<Recovered<'t, P, WORDS, TREE>, String> {
    let helpers = if share == Share::Alone { 1 } else { HELPERS };
    tables.set_lower(image);
    let ranges = tables.ranges();
    let words = ranges.iter().map(|range| range.len() / 8).sum();
    // Alone, nobody else's reads matter.
    let touched = match share {
        Share::Alone => Touched::default(),
        Share::Parts | Share::Twice => Touched::all_shared(words),
    };
    let mut machine = Machine::new(ranges, touched, helpers);
    machine.start_with(image.to_vec());
    let outer = machine::install(Some(machine));
    let mut walk = Walk::new(random.number());
    let mut watch = || {
        machine::with(|machine| {
            if std::mem::take(&mut machine.changed) {
                let prefix = image::prefixes(machine, 2, random);
                let prefix = &prefix[random.below(prefix.len())];
                let remains = image::remains(machine, prefix, !P::DOMAIN.needs_flush());
                fail(remains.any_image(random));
            }
        });
        Ok(())
    };
    let mut run = |bodies: Vec<Body<'_>>| {
        let trail = &mut Trail::default();
        match engine::run(stacks, bodies, &mut walk, trail, &mut watch) {
            Ending::Done => Ok(()),
            other => Err(format!("recovery under watch: {other:?}")),
        }
    };
    let outcome = stages(&mut run, (frames, cpus), share, tables.memory());
    machine::install(outer);
    outcome
}

/// Begins, lets all take part, and ends.
fn stages<'t, P: Persist + Default, const WORDS: usize, const TREE: usize>(
    run: &mut dyn FnMut(Vec<Body<'_>>) -> Result<(), String>,
    (frames, cpus): (usize, usize),
    share: Share,
    memory: Memory<'t>,
) -> Result<Recovered<'t, P, WORDS, TREE>, String> {
    let memory = RefCell::new(Some(memory));
    let begun = RefCell::new(None);
    run(vec![Box::new(|| {
        if let Some(memory) = memory.take() {
            let began = Recovering::begin(frames, cpus, memory, Watched::<P>::default());
            *begun.borrow_mut() = began.ok();
        }
    })])?;
    let recovering: Recovering<'t, Watched<P>, WORDS, TREE> =
        begun.take().ok_or("recovery did not begin")?;
    let parts: &[(usize, usize)] = match share {
        Share::Alone => &[(0, 1)],
        Share::Parts => &[(0, 2), (1, 2)],
        Share::Twice => &[(0, 1), (0, 1)],
    };
    let part = |&(part, parts): &(usize, usize)| {
        let recovering = &recovering;
        let body = move || {
            recovering.part(part, parts);
        };
        Box::new(body) as Body<'_>
    };
    run(parts.iter().map(part).collect())?;
    let (recovering, ended) = (RefCell::new(Some(recovering)), RefCell::new(None));
    run(vec![Box::new(|| {
        if let Some(recovering) = recovering.take() {
            *ended.borrow_mut() = recovering.finish().ok();
        }
    })])?;
    ended
        .take()
        .ok_or("a part of recovery is missing".to_owned())
}
