//! A persistent zone with its ledger, over all boots of a series.

use alloc::{format, string::String, vec::Vec};

use frame::FrameId;
use llfree::{Fate, Zone};
use persist::Persist;
use record::{Crash, How};
use workload::ledger::{
    Account, Block, Config, CycleResult, Judgement, Ledger, LedgerError, Phase, judge, reclaim,
};

use super::{
    super::{handle::Handle, report::Report},
    saving::{SavedStamps, Saving},
};
use crate::{
    arch::tsc,
    log::info,
    system::System,
    zones::{OpenZone, Store, with_zone},
};

/// What a ledger calls a crash that the machine did not bring about itself.
const EXTERNAL: u64 = 0;

/// One zone under trial.
pub(super) struct Trial {
    pub(super) zone: &'static OpenZone,
    pub(super) ledger: Ledger<'static, Saving>,
    pub(super) stamps: SavedStamps,
    /// Whether this boot has made the ledger.
    is_new: bool,
    /// How this machine can be reset; a result's code is an index, from 1.
    ways: Vec<&'static str>,
}

impl Trial {
    /// Finds the ledger of the zone, or makes it where there never was one.
    pub(super) fn open(
        zone: &'static OpenZone,
        store: &'static Store,
        system: &System,
    ) -> Result<Self, LedgerError> {
        match Self::find(zone, store, system)? {
            Some(trial) => Ok(trial),
            None => {
                let ledger = Self::new_ledger(zone, store, system)?;
                Ok(Self::on(ledger, true, zone, store, system))
            }
        }
    }

    /// Finds the ledger of the zone, if there is one.
    pub(super) fn find(
        zone: &'static OpenZone,
        store: &'static Store,
        system: &System,
    ) -> Result<Option<Self>, LedgerError> {
        let found = match store.how {
            How::Recovered => Ledger::open(store.annex, Saving::of(store)),
            How::Created => return Ok(None),
        };
        match found {
            // An earlier boot did not want one, or was interrupted before the
            // ledger was whole, which its magic number says last.
            Err(LedgerError::NotFormatted { found: 0 }) => Ok(None),
            found => found.map(|ledger| Some(Self::on(ledger, false, zone, store, system))),
        }
    }

    fn on(
        ledger: Ledger<'static, Saving>,
        is_new: bool,
        zone: &'static OpenZone,
        store: &'static Store,
        system: &System,
    ) -> Self {
        Self {
            zone,
            stamps: SavedStamps::new(ledger.config().epoch, store),
            ledger,
            is_new,
            ways: system.resets.iter().map(|way| way.name()).collect(),
        }
    }

    /// Returns whether the machine broke in the middle of a cycle.
    pub(super) fn is_running(&self) -> bool {
        self.ledger.progress().phase == Phase::Running
    }

    /// Returns whether the zone is in the middle of a series.
    pub(super) fn is_under_way(&self) -> bool {
        !self.is_new && self.ledger.progress().phase != Phase::Complete
    }

    /// Begins a new series where the last one is complete.
    pub(super) fn renew(
        &mut self,
        store: &'static Store,
        system: &System,
    ) -> Result<(), LedgerError> {
        if self.ledger.progress().phase == Phase::Complete {
            self.ledger = Self::new_ledger(self.zone, store, system)?;
            self.stamps = SavedStamps::new(self.ledger.config().epoch, store);
        }
        Ok(())
    }

    fn new_ledger(
        zone: &OpenZone,
        store: &Store,
        system: &System,
    ) -> Result<Ledger<'static, Saving>, LedgerError> {
        let config = Config {
            frames: zone.allocator.stats().frames,
            // Stamps of earlier series in the same memory must not match.
            epoch: tsc::ticks().rotate_left(32) ^ system.options.seed,
            seed: system.options.seed,
            cycles: system.options.cycles,
        };
        Ledger::format(store.annex, &config, Saving::of(store))
    }

    /// Returns whether enough crashes have been judged.
    pub(super) fn is_over(&self) -> bool {
        self.ledger.progress().cycle >= self.ledger.config().cycles
    }

    /// Judges the cycle that was running, if one was; reports earlier ones. Where
    /// none was, an earlier boot may have been interrupted while it measured or
    /// settled: nothing was promised about what it had taken then.
    pub(super) fn judge(&self, report: &mut Report) {
        let progress = self.ledger.progress();
        let cycle = u64::from(progress.cycle);
        let is_running = progress.phase == Phase::Running;
        for result in self
            .ledger
            .results()
            .filter(|r| r.cycle < cycle || !is_running)
        {
            self.report(&result, false, report);
        }
        if is_running {
            self.judge_running(cycle, report);
        } else {
            self.reclaim(report);
        }
    }

    fn judge_running(&self, cycle: u64, report: &mut Report) {
        let reset = self.ledger.results().find(|result| result.cycle == cycle);
        let doubts = self.zone.allocator.uncertain();
        let account = Account {
            allocated: |frame| self.zone.allocator.is_allocated(frame),
            uncertain: |frame| doubts.contains(&frame),
        };
        let judgement = judge(&self.ledger, &account, &self.stamps);
        let result = CycleResult {
            cycle,
            reset: reset.map_or(EXTERNAL, |result| result.reset),
            acknowledged: judgement.acknowledged,
            in_flight: judgement.in_flight,
            owned: judgement.owned,
            violated: judgement.violated() + judgement.malformed.count,
            leaked: judgement.leaked,
            bound: judgement.bound,
        };
        self.ledger.record(&result);
        self.report_fresh(&result, &judgement, report);
        if judgement.holds() {
            self.reclaim(report);
        }
        if !report.has_violations() {
            self.ledger.settle(Phase::Idle);
        }
    }

    /// Gives back what leaked, and what an earlier boot has kept from use; then every
    /// frame is owned or free.
    fn reclaim(&self, report: &mut Report) {
        self.reclaim_leaked(report);
        self.balance(report);
    }

    fn reclaim_leaked(&self, report: &mut Report) {
        let name = self.zone.name();
        let reclaimed = with_zone!(&self.zone.allocator, zone => self.reclaim_in(zone));
        match reclaimed {
            Ok(0) => {}
            Ok(frames) => info!("crash", "{name}: {frames} frames that nobody owns returned"),
            Err(what) => report.violation("crash", format!("{name}: {what}")),
        }
    }

    /// Checks that every frame is owned, kept from use or free, while nobody works.
    pub(super) fn balance(&self, report: &mut Report) {
        let name = self.zone.name();
        let owned = self.ledger.survivors();
        let owned: u64 = owned.map(|block| block.order.frames() as u64).sum();
        let kept = self.ledger.kept().count() as u64;
        let stats = self.zone.allocator.stats();
        let (free, frames) = (stats.free as u64, stats.frames as u64);
        if free + owned + kept == frames {
            report.checked(1);
        } else {
            report.violation(
                "crash",
                format!(
                    "{name}: {frames} frames, of which {owned} are owned, {kept} kept from use \
                     and {free} free"
                ),
            );
        }
    }

    fn reclaim_in<P: Persist>(&self, zone: &Zone<'static, P>) -> Result<u64, String> {
        let local = zone.local(0).map_err(|error| format!("{error}"))?;
        let mut handle = Handle(local);
        let is_allocated = |frame: FrameId| zone.is_allocated(frame);
        let reclaimed = reclaim(&self.ledger, &is_allocated, &mut handle);
        let frames = reclaimed.map_err(|error| format!("{error}"))?;
        // What nobody owned has been freed; the rest is in use.
        (zone.uncertain())
            .try_for_each(|frame| zone.resolve(frame, Fate::Keep))
            .map_err(|error| format!("{error}"))?;
        Ok(frames)
    }

    fn report_fresh(&self, result: &CycleResult, judgement: &Judgement, report: &mut Report) {
        let name = self.zone.name();
        for fault in judgement.faults() {
            report.violation("crash", format!("{name}: cycle {}: {fault}", result.cycle));
        }
        if let Err(inconsistency) = self.zone.allocator.validate() {
            report.violation("crash", format!("{name}: recovered: {inconsistency}"));
        }
        report.checked(judgement.frames);
        let mut crash = self.crash(result);
        crash.lost = judgement.lost.count + judgement.defaced.count;
        crash.doubled = judgement.doubled.count;
        let Crash {
            cycle,
            reset,
            acknowledged,
            in_flight,
            owned,
            lost,
            doubled,
            leaked,
            bound,
            ..
        } = &crash;
        info!(
            "crash",
            "{name}: cycle {cycle} ({reset}): {acknowledged} operations acknowledged, {in_flight} in \
             flight; {owned} blocks owned, {lost} frames lost, {doubled} doubled, {leaked} of at \
             most {bound} leaked"
        );
        report.crash(crash, true);
    }

    /// Reports a cycle that an earlier boot has judged.
    fn report(&self, result: &CycleResult, is_fresh: bool, report: &mut Report) {
        let name = self.zone.name();
        if result.violated > 0 || result.leaked > result.bound {
            report.violation(
                "crash",
                format!("{name}: cycle {} failed before", result.cycle),
            );
        }
        report.crash(self.crash(result), is_fresh);
    }

    /// Notes how the running cycle ends: by the reset with this index. An
    /// interrupt handler may call this.
    pub(super) fn note(&self, way: Option<usize>) {
        self.ledger.record(&CycleResult {
            cycle: u64::from(self.ledger.progress().cycle),
            reset: way.map_or(EXTERNAL, |index| index as u64 + 1),
            ..CycleResult::default()
        });
    }

    fn crash(&self, result: &CycleResult) -> Crash {
        let way = usize::try_from(result.reset)
            .ok()
            .and_then(|code| code.checked_sub(1));
        let way = way.and_then(|index| self.ways.get(index)).copied();
        Crash {
            zone: self.zone.name().into(),
            cycle: u32::try_from(result.cycle).unwrap_or(u32::MAX),
            reset: way.unwrap_or("external").into(),
            acknowledged: result.acknowledged,
            in_flight: result.in_flight,
            owned: result.owned,
            lost: result.violated,
            doubled: 0,
            leaked: result.leaked,
            bound: result.bound,
        }
    }

    /// Returns everything that is owned; then every frame must be free or kept from use.
    pub(super) fn settle(&self, report: &mut Report) {
        if self.ledger.progress().phase == Phase::Complete {
            return;
        }
        let name = self.zone.name();
        let blocks: Vec<Block> = self.ledger.survivors().collect();
        let put = with_zone!(&self.zone.allocator, zone => self.put_all(zone, &blocks));
        if let Err(what) = put {
            return report.violation("crash", format!("{name}: {what}"));
        }
        let stats = self.zone.allocator.stats();
        if stats.free + self.ledger.kept().count() == stats.frames {
            report.checked(1);
        } else {
            let (free, frames) = (stats.free, stats.frames);
            report.violation(
                "crash",
                format!("{name}: all blocks are returned, and {free} of {frames} frames free"),
            );
        }
        self.ledger.settle(Phase::Complete);
        info!(
            "crash",
            "{name}: {} surviving blocks returned, {} of {} frames free",
            blocks.len(),
            stats.free,
            stats.frames
        );
    }

    fn put_all<P: Persist>(&self, zone: &Zone<'static, P>, blocks: &[Block]) -> Result<(), String> {
        self.ledger.settle(Phase::Idle);
        let local = zone.local(0).map_err(|error| format!("{error}"))?;
        let mut handle = Handle(local);
        let worker = self.ledger.worker(0, &self.stamps);
        let mut worker = worker.map_err(|error| format!("{error}"))?;
        for &block in blocks {
            worker
                .put(&mut handle, block)
                .map_err(|breach| format!("{breach}"))?;
        }
        Ok(())
    }
}
