//! The three workloads, on every zone, at two orders, on 1, 2, … all processors.
//!
//! The kernel only counts ticks; the host computes. A repetition that the oracle
//! objects to yields violations and no figure.

use alloc::{format, string::String, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use frame::{FrameId, Order};
use llfree::Zone;
use persist::Persist;
use record::{Sample, Workload};
use spin::Mutex;
use workload::{
    FrameAlloc, Machine,
    bench::{Bench, Pool, Times},
    oracle::{Ownership, conserved},
};

use super::{
    handle::Handle,
    report::Report,
    sizes::{Sizes, series},
};
use crate::{
    console,
    log::info,
    smp::{Barrier, Seat},
    system::System,
    zones::{OpenZone, with_zone},
};

const WORKLOADS: [Workload; 3] = [Workload::Bulk, Workload::Repeat, Workload::Random];
const ORDERS: [Order; 2] = [Order::FRAME, Order::HUGE];

/// Firmware leaves holes between its own ranges; a zone in DRAM of less than this
/// part of the largest is such a hole, and would be measured for nothing.
const SMALLEST_PART: usize = 4;

/// Runs them all.
pub(super) fn run(system: &mut System, report: &mut Report) {
    let frames = |zone: &OpenZone| zone.allocator.stats().frames;
    let largest = system.zones.volatile.iter().map(frames).max().unwrap_or(0);
    for open in system.zones.iter() {
        if open.store.is_none() && frames(open) < largest / SMALLEST_PART {
            info!(
                "bench",
                "{} is too small to be worth measuring",
                open.name()
            );
            continue;
        }
        with_zone!(&open.allocator, zone => zone_under_test(open.name(), zone, system, report));
    }
}

fn zone_under_test<P: Persist + Sync>(
    name: &str,
    zone: &Zone<'static, P>,
    system: &mut System,
    report: &mut Report,
) {
    let sizes = Sizes::of(&system.options);
    for order in ORDERS {
        for cpus in series(system.crew.len()) {
            for workload in WORKLOADS {
                let case = Case {
                    name,
                    zone,
                    workload,
                    order,
                    cpus,
                    sizes,
                    seed: system.options.seed,
                };
                info!(
                    "bench",
                    "{name}: {workload:?}, order {order}, {cpus} processors"
                );
                case.measure(system, report);
            }
        }
    }
}

/// One workload at one order on so many processors.
struct Case<'c, P: Persist> {
    name: &'c str,
    zone: &'c Zone<'static, P>,
    workload: Workload,
    order: Order,
    cpus: usize,
    sizes: Sizes,
    seed: u64,
}

/// What one processor brings, and takes away.
struct Station {
    blocks: Vec<FrameId>,
    times: Vec<Times>,
    objection: Option<String>,
}

impl<P: Persist + Sync> Case<'_, P> {
    fn measure(&self, system: &mut System, report: &mut Report) {
        let frames = self.zone.stats().frames;
        let blocks = self
            .sizes
            .blocks_of(self.zone.stats().free, self.order, self.cpus);
        if blocks == 0 {
            let (name, order, cpus) = (self.name, self.order, self.cpus);
            report.not_applicable(format!(
                "{name} is too small for blocks of order {order} on {cpus} processors"
            ));
            return;
        }
        let marks = words(Ownership::words(frames));
        let pooled = words(blocks * self.cpus);
        let shared = Shared {
            oracle: Ownership::new(&marks, frames),
            pool: Pool::new(&pooled),
            barrier: Barrier::new(self.cpus, &system.clock),
            failed: AtomicBool::new(false),
        };
        let stations: Vec<_> = (0..self.cpus)
            .map(|_| Mutex::new(self.station(blocks)))
            .collect();

        let off_screen = console::keep_off_screen();
        let ran = system.crew.run(self.cpus, &|cpu| {
            // Nobody else opens this station before all are done.
            let mut station = stations[cpu].lock();
            if let Err(what) = self.repetitions(cpu, &mut station, &shared) {
                station.objection = Some(what);
            }
        });
        drop(off_screen);
        let silent = ran.err().map(|silent| format!("{}: {silent}", self.name));
        let stations = stations.into_iter().map(Mutex::into_inner);
        self.account(stations.collect(), silent, report);
    }

    fn station(&self, blocks: usize) -> Station {
        Station {
            blocks: alloc::vec![FrameId(0); blocks],
            times: Vec::with_capacity((self.sizes.warmup + self.sizes.reps) as usize),
            objection: None,
        }
    }

    /// One processor's part in all repetitions.
    fn repetitions(
        &self,
        cpu: usize,
        station: &mut Station,
        shared: &Shared<'_>,
    ) -> Result<(), String> {
        let seat = Seat::new(cpu, &shared.barrier);
        let handle = self
            .zone
            .local(cpu)
            .map(Handle)
            .map_err(|error| format!("{error}"));
        // Whoever fails must still arrive at each barrier, so all stop together.
        shared.failed.fetch_or(handle.is_err(), Ordering::Relaxed);
        seat.barrier();
        if shared.failed.load(Ordering::Relaxed) {
            return handle.map(|_| ());
        }
        let mut handle = handle?;
        for rep in 0..self.sizes.warmup + self.sizes.reps {
            let before = self.settled(&mut handle, &seat);
            let times = self.repetition(rep, &seat, &mut handle, &mut station.blocks, shared);
            let after = self.settled(&mut handle, &seat);
            let outcome = times.and_then(|times| {
                conserved(before, after).map_err(|error| format!("{error}"))?;
                Ok(times)
            });
            shared.failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            seat.barrier();
            // Nobody was held together any more: whatever was counted is worth
            // nothing, and that nobody else objects proves nothing.
            if shared.barrier.is_broken() {
                return Err("a processor did not come to a barrier in time".into());
            }
            if shared.failed.load(Ordering::Relaxed) {
                return outcome.map(|_| ());
            }
            station.times.push(outcome?);
        }
        Ok(())
    }

    /// Returns the free frames while nobody holds or changes anything.
    fn settled(&self, handle: &mut Handle<'_, P>, seat: &Seat<'_>) -> u64 {
        handle.drain();
        seat.barrier();
        let free = self.zone.stats().free;
        seat.barrier();
        free as u64
    }

    fn repetition(
        &self,
        rep: u32,
        seat: &Seat<'_>,
        handle: &mut Handle<'_, P>,
        blocks: &mut [FrameId],
        shared: &Shared<'_>,
    ) -> Result<Times, String> {
        let mut bench = Bench {
            machine: seat,
            alloc: handle,
            oracle: &shared.oracle,
            order: self.order,
        };
        let times = match self.workload {
            Workload::Bulk => bench.bulk(blocks),
            Workload::Repeat => bench.repeat(self.sizes.rounds),
            Workload::Random => bench.random(blocks, &shared.pool, self.seed ^ u64::from(rep)),
        };
        times.map_err(|failure| format!("{failure}"))
    }

    /// Reports the samples, or what speaks against them.
    fn account(&self, stations: Vec<Station>, silent: Option<String>, report: &mut Report) {
        let what = |cpu: usize, text: &str| {
            let (name, workload, order, cpus) = (self.name, self.workload, self.order, self.cpus);
            format!("{name}: {workload:?}, order {order}, processor {cpu} of {cpus}: {text}")
        };
        let objections = stations
            .iter()
            .enumerate()
            .filter_map(|(cpu, station)| station.objection.as_ref().map(|text| what(cpu, text)));
        let objections: Vec<_> = objections.chain(silent).collect();
        if !objections.is_empty() {
            objections
                .into_iter()
                .for_each(|text| report.violation("bench", text));
            return;
        }
        for (cpu, station) in stations.iter().enumerate() {
            for (rep, times) in station.times.iter().enumerate() {
                report.checked(times.ops);
                report.sample(self.sample(cpu, rep, times));
            }
        }
    }

    fn sample(&self, cpu: usize, rep: usize, times: &Times) -> Sample {
        // Counts of processors and repetitions are small by construction.
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Sample {
            zone: self.name.into(),
            workload: self.workload,
            alloc: "llfree".into(),
            order: self.order.exponent(),
            cpus: small(self.cpus),
            cpu: small(cpu),
            rep: small(rep),
            warmup: small(rep) < self.sizes.warmup,
            ops: times.ops,
            get_ticks: times.get_ticks,
            put_ticks: times.put_ticks,
        }
    }
}

/// What the processors of a case share.
struct Shared<'s> {
    oracle: Ownership<'s>,
    pool: Pool<'s>,
    barrier: Barrier,
    failed: AtomicBool,
}

fn words(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}
