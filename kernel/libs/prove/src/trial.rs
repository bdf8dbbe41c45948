//! One run of a scenario over the shipped allocator, from an empty zone to the end.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Range;

use llfree::{DoubleFrees, HugeState, Local, Zone};
use persist::Persist;

use crate::actor::Actor;
use crate::crash::{Crashes, Limits};
use crate::engine::{self, Chooser, Ending, THREADS, Trail};
use crate::fiber::Stacks;
use crate::ledger::{Block, Ledger};
use crate::machine::{self, Machine, Touched, Watched};
use crate::program::Op;
use crate::random::Random;
use crate::scenario::{Mode, Scenario, Work};
use crate::service::Site;
use crate::tables::Tables;

/// What is used again in each run.
pub(crate) struct Trial<'s, P, const WORDS: usize, const TREE: usize> {
    scenario: &'s Scenario,
    tables: Tables,
    stacks: Stacks,
    pub(crate) touched: Touched,
    pub(crate) crashes: Option<Crashes<P, WORDS, TREE>>,
    programs: Vec<Vec<Op>>,
    pub(crate) trail: Trail,
    /// Operations begun in all runs.
    pub(crate) operations: u64,
    /// Operations of the last run.
    pub(crate) last_operations: usize,
}

type Watch<'z, 'm, P, const WORDS: usize, const TREE: usize> =
    Local<'z, 'm, Watched<P>, WORDS, TREE>;

impl<'s, P: Persist + Default + Copy, const WORDS: usize, const TREE: usize>
    Trial<'s, P, WORDS, TREE>
{
    /// Prepares runs of a scenario.
    pub(crate) fn new(scenario: &'s Scenario, limits: Limits) -> Self {
        let (frames, threads) = (scenario.frames, scenario.threads());
        let layout = Zone::<'_, P, WORDS, TREE>::layout(frames, threads);
        let crashes = || Crashes::new(frames, threads, limits);
        Self {
            scenario,
            tables: Tables::new(layout),
            stacks: Stacks::new(THREADS),
            touched: Touched::default(),
            crashes: (scenario.mode != Mode::Volatile).then(crashes),
            programs: vec![Vec::new(); threads],
            trail: Trail::default(),
            operations: 0,
            last_operations: 0,
        }
    }

    /// Returns what is tried.
    pub(crate) const fn scenario(&self) -> &'s Scenario {
        self.scenario
    }

    /// Returns how many words of the tables are persistent.
    pub(crate) fn persistent_words(&mut self) -> usize {
        self.tables.ranges()[0].len() / 8
    }

    /// Draws what threads do, where that is left to chance.
    pub(crate) fn draw(&mut self, seed: u64) {
        let mut random = Random::new(seed ^ 0x9806);
        for (thread, program) in self.programs.iter_mut().enumerate() {
            match self.scenario.work {
                Work::Calls(calls) => {
                    program.clear();
                    program.extend(calls[thread]);
                }
                Work::Mix(_, mix) => mix.draw(&mut random, program),
            }
        }
        if let Some(crashes) = &mut self.crashes {
            crashes.seed(seed);
        }
    }

    /// Runs once. The power fails where `is_new` says that nobody has been.
    pub(crate) fn run<C: Chooser>(
        &mut self,
        chooser: &RefCell<C>,
        is_new: impl Fn(&C) -> bool,
    ) -> Ending {
        let Self {
            scenario,
            tables,
            stacks,
            programs,
            crashes,
            ..
        } = self;
        let (frames, threads) = (scenario.frames, scenario.threads());
        let touched = std::mem::take(&mut self.touched);
        machine::install(Some(Machine::new(tables.ranges(), touched, threads)));
        let (memory, host) = tables.with_host();
        let created = Zone::create(frames, threads, memory, Watched::<P>::default());
        let zone: Zone<'_, Watched<P>, WORDS, TREE> = created
            .expect("the memory is as large as asked for")
            .with_claims(scenario.claims);
        let site = Site::new(&zone, scenario.lends.then_some(host));
        let mut locals: Vec<ManuallyDrop<Watch<'_, '_, P, WORDS, TREE>>> = (0..threads)
            .map(|cpu| ManuallyDrop::new(zone.local(cpu).expect("the first handle")))
            .collect();
        let books = RefCell::new(Ledger::new(
            frames,
            threads,
            P::MODE != persist::Mode::Strict,
        ));
        for &(thread, op) in scenario.before {
            Actor::new(thread, &books, true).perform(&site, &mut locals[thread], op);
        }
        books.borrow_mut().close_all();
        machine::with(Machine::start);

        let bodies = (locals.iter_mut().zip(programs.iter()).enumerate()).map(
            |(thread, (local, program))| {
                let actor = Actor::new(thread, &books, scenario.plenty);
                let site = &site;
                let body = move || (program.iter()).for_each(|&op| actor.perform(site, local, op));
                Box::new(body) as Box<dyn FnMut() + '_>
            },
        );
        let mut director = engine::Shared(chooser);
        let mut ending = engine::run(
            stacks,
            bodies.collect(),
            &mut director,
            &mut self.trail,
            &mut || {
                settle(&books, threads);
                if let Some(fault) = books.borrow_mut().fault.take() {
                    return Err(fault);
                }
                let Some(crashes) = crashes else {
                    return Ok(());
                };
                let now = machine::with(|machine| std::mem::take(&mut machine.changed));
                if now && is_new(&chooser.borrow()) {
                    let machine = machine::install(None).expect("a run is going on");
                    let outcome = crashes.fail(&machine, &books.borrow());
                    machine::install(Some(machine));
                    outcome.map_err(|fault| format!("after a crash, {fault}"))?;
                }
                Ok(())
            },
        );
        if let Some(machine) = machine::install(None) {
            self.touched = machine.touched;
        }
        if ending == Ending::Done
            && let Err(fault) = close(&zone, locals, &books)
        {
            ending = Ending::Fault(fault);
        }
        let books = books.into_inner();
        self.operations += books.begun as u64;
        self.last_operations = books.begun;
        ending
    }
}

/// Lets the books know what has been acknowledged.
fn settle(books: &RefCell<Ledger>, threads: usize) {
    machine::with(|machine| {
        for thread in 0..threads {
            books
                .borrow_mut()
                .close(thread, machine.acknowledged[thread]);
        }
    });
}

/// What must be true once all threads have returned: with all handles, after they
/// have drained, and after everything has been returned.
fn close<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, Watched<P>, WORDS, TREE>,
    locals: Vec<ManuallyDrop<Watch<'_, '_, P, WORDS, TREE>>>,
    books: &RefCell<Ledger>,
) -> Result<(), String> {
    let mut books = books.borrow_mut();
    if let Some(fault) = books.fault.take() {
        return Err(fault);
    }
    compare(zone, &books, "at the end")?;
    for mut local in locals {
        local.drain();
        if local.double_frees() != DoubleFrees::default() {
            return Err(format!("{:?}", local.double_frees()));
        }
        drop(ManuallyDrop::into_inner(local));
    }
    compare(zone, &books, "after all have drained")?;
    for block in books.offline.iter().flatten() {
        let huge = block.first / block.frames().len();
        (zone.online_huge(huge)).map_err(|error| error.to_string())?;
    }
    let mut local = zone.local(0).map_err(|error| error.to_string())?;
    for block in books.mine.iter().flatten() {
        let Block { first, order } = block;
        (local.put(block.frame(), block.order()))
            .map_err(|error| format!("{first:#x} of order {order} can't be returned: {error}"))?;
    }
    drop(local);
    let stats = zone.stats();
    if stats.free != zone.frames() {
        return Err(format!("all was returned, but {stats:?}"));
    }
    zone.validate()
        .map_err(|error| format!("after all was returned, {error}"))
}

fn compare<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, Watched<P>, WORDS, TREE>,
    books: &Ledger,
    when: &str,
) -> Result<(), String> {
    zone.validate()
        .map_err(|error| format!("{when}, {error}"))?;
    let mut taken = vec![false; zone.frames()];
    for (first, order) in zone.allocated() {
        taken[first.0..][..order.frames()].fill(true);
    }
    for huge in offline(zone) {
        taken[huge].fill(true);
    }
    if let Some(frame) = (0..taken.len()).find(|&frame| taken[frame] != books.owns(frame)) {
        let allocated = taken[frame];
        return Err(format!(
            "{when}, frame {frame:#x}: allocated is {allocated}"
        ));
    }
    let (free, owned) = (zone.stats().free, books.total());
    if free != zone.frames() - owned {
        return Err(format!("{when}, {owned} frames are owned and {free} free"));
    }
    Ok(())
}

/// Returns the frames of each huge frame that is offline.
pub(crate) fn offline<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
) -> impl Iterator<Item = Range<usize>> {
    let frames = Zone::<'_, P, WORDS, TREE>::HUGE_ORDER.frames();
    let is_offline = |&huge: &usize| zone.huge_state(huge) == Some(HugeState::Offline);
    let all = (0..zone.huge_frames()).filter(is_offline);
    all.map(move |huge| huge * frames..((huge + 1) * frames).min(zone.frames()))
}
