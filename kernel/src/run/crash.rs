//! Does the persistent zone come back right, whenever the machine breaks?
//!
//! All processors allocate and free, each operation entered in a ledger beside
//! the zone, and at a random instant a timer resets the machine under them. The
//! next boot recovers the zone, holds it against the ledger, gives back what
//! leaked, adopts what survived and goes on, until there were enough crashes.
//! Then everything is returned, and every frame must be free again.
//!
//! A reset by the machine itself leaves all stores that were visible: it shows
//! what a platform with flush-on-fail caches promises, and nothing about weaker
//! ones. There this part is not applicable, unless the zone's tables are under an
//! emulated cache that a reset loses, or the host watches every store and says that it
//! finds out by itself what could have been lost.

mod cycle;
mod fuse;
mod saving;
mod teams;
mod trial;

use alloc::{format, vec::Vec};

use record::StageName;

pub(crate) use saving::{Saving, ledger_of};

use super::{report::Report, sizes::Sizes};
use crate::{log::info, system::System, tripwire, zones::OpenZone};
use trial::Trial;

/// Judges a crash that an earlier boot has left, where no further one is wanted: a
/// zone is not used before it is known what became of it.
pub(super) fn look_back(system: &mut System, report: &mut Report) {
    for zone in system.zones.persistent {
        let Some(store) = &zone.store else {
            continue;
        };
        match Trial::find(zone, store, system) {
            Ok(Some(trial)) if trial.is_running() => trial.judge(report),
            Ok(_) => {}
            Err(error) => report.violation("crash", format!("{}: {error}", zone.name())),
        }
    }
    retire_violated(system, report);
}

/// Takes persistent zones out of use if anything is wrong.
fn retire_violated(system: &mut System, report: &Report) {
    if report.has_violations() && !system.zones.persistent.is_empty() {
        info!(
            "crash",
            "no further use of persistent zones: what was found stays as it is"
        );
        system.zones.persistent = &[];
    }
}

/// Judges the last crash; provokes the next, or settles the series.
pub(super) fn run(system: &mut System, report: &mut Report) {
    if system.options.cycles == 0 {
        look_back(system, report);
    }
    tripwire::announce(StageName::Judge);
    let mut trials = Vec::new();
    for zone in system.zones.persistent {
        trials.extend(begin(zone, system, report));
    }
    if system.zones.persistent.is_empty() {
        report.not_applicable("crash recovery: there is no persistent zone".into());
    }
    if trials.is_empty() {
        return;
    }
    retire_violated(system, report);
    if report.has_violations() {
        return;
    }
    leave_out_surplus(&mut trials, system.crew.len(), report);
    if !trials.iter().any(Trial::is_under_way) {
        renew(&mut trials, system, report);
    }
    // Now that what leaked is known and free again, and before anybody gets it.
    system.quarantine.settle(&system.zones);
    trials.retain(|trial| {
        let is_over = trial.is_over();
        if is_over {
            trial.settle(report);
        }
        !is_over
    });
    if !trials.is_empty() && !report.has_violations() {
        cycle::crash(system, trials, Sizes::of(&system.options), report);
    }
}

/// A zone that nobody works on would have nothing to lose.
fn leave_out_surplus(trials: &mut Vec<Trial>, cpus: usize, report: &mut Report) {
    for trial in trials.drain(cpus.min(trials.len())..) {
        let name = trial.zone.name();
        report.not_applicable(format!(
            "crash recovery on {name}: there are more zones than processors"
        ));
    }
}

/// Begins a new series on all zones. One that is complete waits for the others:
/// if it went on alone, they would never be complete together, and there would be
/// no end of crashes.
fn renew(trials: &mut [Trial], system: &System, report: &mut Report) {
    for trial in trials {
        let Some(store) = &trial.zone.store else {
            continue;
        };
        if let Err(error) = trial.renew(store, system) {
            report.violation("crash", format!("{}: {error}", trial.zone.name()));
        }
    }
}

/// Takes up the series on a zone where the last boot left it.
fn begin(zone: &'static OpenZone, system: &System, report: &mut Report) -> Option<Trial> {
    let store = zone.store.as_ref()?;
    if system.options.cycles == 0 {
        report.not_applicable(format!(
            "crash recovery on {}: no cycles asked for",
            zone.name()
        ));
        return None;
    }
    if !store.is_told_by_reset() && !system.options.traced {
        let (name, domain) = (zone.name(), store.persistent.domain);
        report.not_applicable(format!(
            "crash recovery on {name}: domain {domain}: caches are lost with the power, which a reset can't show"
        ));
        return None;
    }
    match Trial::open(zone, store, system) {
        Ok(trial) => {
            let (wanted, cycles) = (system.options.cycles, trial.ledger.config().cycles);
            if trial.is_under_way() && cycles != wanted {
                info!(
                    "crash",
                    "{}: a series of {cycles} crashes goes on; {wanted} are for the next one",
                    zone.name()
                );
            }
            trial.judge(report);
            Some(trial)
        }
        Err(error) => {
            report.violation("crash", format!("{}: {error}", zone.name()));
            None
        }
    }
}
