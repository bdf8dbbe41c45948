//! One crash: all processors at work, and something that ends it.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use firmware::Node;
use frame::Order;
use llfree::Zone;
use options::{Crash, Phase};
use persist::Persist;
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};
use record::{Record, StageName};
use spin::Mutex;
use workload::crash::{Held, Mix, run_until};

use super::{
    super::{handle::Handle, report::Report, sizes::Sizes},
    fuse::{Ending, Fuse},
    teams::Teams,
    trial::Trial,
};
use crate::{
    arch::timer::{self, Handler},
    log::{self, info},
    reset::ResetWay,
    system::System,
    tripwire,
    zones::with_zone,
};

/// Blocks that one processor may hold.
const MAX_HELD: usize = 1 << 13;

/// Works until the machine breaks. Returns only where that is left to the
/// shutdown, or where something went wrong.
pub(super) fn crash(system: &mut System, trials: Vec<Trial>, sizes: Sizes, report: &mut Report) {
    let cpus = system.crew.len();
    let trials: &'static [Trial] = trials.leak();
    let is_near =
        |cpu: usize, zone: usize| Node(system.crew.node(cpu)) == trials[zone].zone.placement.node;
    let teams = Teams::form(cpus, trials.len(), is_near);
    let cycle = trials
        .iter()
        .map(|trial| trial.ledger.begin())
        .max()
        .unwrap_or_default();
    let code = cycle as usize % system.resets.len();
    let seed = system.options.seed ^ u64::from(cycle) << 32;
    let handler = handler(trials, system.resets.clone(), code);
    let ending = ending(system.options.crash, sizes, seed, handler);
    let means = match ending {
        Ending::Timer(..) => system.resets[code].name(),
        Ending::Stop => "the shutdown",
        Ending::Elsewhere => "something else",
    };
    info!(
        "crash",
        "cycle {cycle}: {cpus} processors at work, until {means} ends it"
    );
    let fuse = Fuse::new(trials.len(), sizes.operations, ending);
    tripwire::enter(StageName::Work, system.options.crash, handler);

    let failed = AtomicBool::new(false);
    let breaches = Mutex::new(Vec::new());
    let ran = system.crew.run(cpus, &|cpu| {
        let shift = Shift {
            trials,
            teams: &teams,
            cpu,
            seed,
        };
        if let Err(what) = shift.work(&fuse, &failed) {
            failed.store(true, Ordering::Relaxed);
            breaches.lock().push(format!("processor {cpu}: {what}"));
        }
    });
    timer::disarm();
    tripwire::announce(StageName::Settle);
    let silent = ran.err().map(|silent| format!("{silent}"));
    for what in breaches.into_inner().into_iter().chain(silent) {
        report.violation("crash", format!("cycle {cycle}: {what}"));
    }
    if !report.has_violations() {
        trials.iter().for_each(|trial| trial.balance(report));
    }
}

/// Returns what ends a cycle.
fn ending(crash: Crash, sizes: Sizes, seed: u64, handler: Handler) -> Ending {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let part = f64::from(dice.next_u32()) / f64::from(u32::MAX);
    match crash {
        Crash::Host
        | Crash::Event {
            phase: Phase::Run, ..
        } => Ending::Elsewhere,
        Crash::Event {
            phase: Phase::Shutdown,
            ..
        } => Ending::Stop,
        Crash::Timer | Crash::Event { .. } => Ending::Timer(sizes.fuse.mul_f64(part), handler),
    }
}

/// Returns what resets the machine: it only leaves a note of how.
fn handler(trials: &'static [Trial], ways: ArrayVec<ResetWay, 3>, first: usize) -> Handler {
    Box::leak(Box::new(move || {
        ways[first].pull(|way| {
            let index = ways.iter().position(|known| *known == way);
            trials.iter().for_each(|trial| trial.note(index));
        })
    }))
}

/// Reports what emulated caches have done: a power cut that nothing was evicted
/// before, or that finds nothing to lose, shows little.
fn tell_cuts(trials: &[Trial]) {
    let stores = trials.iter().filter_map(|trial| trial.zone.store.as_ref());
    for cut in stores.filter_map(|store| store.cut) {
        log::record(&Record::Cache(cut.figures()));
    }
}

/// One processor's part of a cycle.
struct Shift<'t> {
    trials: &'static [Trial],
    teams: &'t Teams,
    cpu: usize,
    seed: u64,
}

impl Shift<'_> {
    /// Works until the machine breaks, or somebody finds a breach.
    fn work(&self, fuse: &Fuse, failed: &AtomicBool) -> Result<(), String> {
        let trial = &self.trials[self.teams.zone(self.cpu)];
        let worked =
            with_zone!(&trial.zone.allocator, zone => self.work_in(zone, trial, fuse, failed));
        worked.map_err(|what| format!("{}: {what}", trial.zone.name()))
    }

    fn work_in<P: Persist>(
        &self,
        zone: &Zone<'static, P>,
        trial: &Trial,
        fuse: &Fuse,
        failed: &AtomicBool,
    ) -> Result<(), String> {
        let team = self.teams.zone(self.cpu);
        let size = self.teams.size(team);
        let place = self.teams.place(self.cpu);
        let number = u8::try_from(self.cpu).map_err(|error| format!("{error}"))?;
        let worker = trial.ledger.worker(number, &trial.stamps);
        let mut worker = worker.map_err(|error| format!("{error}"))?;
        let mut handle = Handle(zone.local(self.cpu).map_err(|error| format!("{error}"))?);
        let mut buffer = alloc::vec![Held::VACANT; MAX_HELD];
        let mut held = Held::new(&mut buffer);
        let homeless = held.adopt(&trial.ledger, place, size);
        if homeless > 0 {
            info!(
                "crash",
                "processor {}: {homeless} blocks stay where they are", self.cpu
            );
        }
        if cfg!(mutant = "leak_one_frame") {
            handle.0.get(Order::FRAME).ok();
        }
        let mix = Mix::half_of(zone.stats().frames, size);
        let stop = || {
            fuse.count(self.cpu, team, || tell_cuts(self.trials)) || failed.load(Ordering::Relaxed)
        };
        run_until(&mut worker, &mut handle, &mut held, &mix, self.seed, stop)
            .map_err(|breach| format!("{breach}"))
    }
}
