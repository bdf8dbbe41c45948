//! From raw ticks to figures.
//!
//! The kernel reports ticks for each processor and repetition, and here they
//! become one row a repetition: nanoseconds an operation, least, mean and most
//! over the processors. The first columns are those of upstream LLFree's
//! benchmark (times of single operations in ns, of whole phases in ms, memory in
//! GiB), so that its plots read the file; the rest says where a figure comes
//! from. Ticks are divided once, as floats, at the end.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use record::{Boot, Record, Sample, Workload};
use serde::Serialize;

/// One repetition, over the processors that took part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The allocator.
    pub(crate) alloc: String,
    /// Processors.
    pub(crate) x: u32,
    /// Order of the blocks.
    pub(crate) order: u8,
    /// Number of the repetition.
    pub(crate) iteration: u32,
    /// Size of the zone in GiB.
    pub(crate) memory: f64,
    /// Nanoseconds for one allocation: least over the processors.
    pub(crate) get_min: Option<f64>,
    /// Mean over the processors.
    pub(crate) get_avg: Option<f64>,
    /// Most over the processors.
    pub(crate) get_max: Option<f64>,
    /// Nanoseconds for one free; absent where pairs are measured.
    pub(crate) put_min: Option<f64>,
    /// Mean over the processors.
    pub(crate) put_avg: Option<f64>,
    /// Most over the processors.
    pub(crate) put_max: Option<f64>,
    /// Milliseconds to open the zone.
    pub(crate) init: f64,
    /// Milliseconds of the slowest processor for the whole repetition.
    pub(crate) total: Option<f64>,
    /// Operations of one processor.
    pub(crate) allocs: u64,
    /// The zone.
    pub(crate) zone: String,
    /// The workload.
    pub(crate) workload: Workload,
    /// What every row of a boot has in common.
    pub(crate) origin: Origin,
}

/// Where a figure comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Origin {
    commit: String,
    toolchain: String,
    accelerator: String,
    cpu: String,
    processors: u32,
    memory_kinds: String,
    domain: String,
    seed: u64,
    /// Whether times are more than functional.
    pub(crate) timing: bool,
    /// Ticks a second; 0 where unknown.
    #[serde(skip)]
    tsc_hz: u64,
}

impl From<&Boot> for Origin {
    fn from(boot: &Boot) -> Self {
        Self {
            commit: boot.commit.clone(),
            toolchain: boot.toolchain.clone(),
            accelerator: boot.accelerator.clone(),
            cpu: boot.cpu.clone(),
            processors: boot.processors,
            memory_kinds: boot.memory.join(" + "),
            domain: boot.domain.clone(),
            seed: boot.seed,
            timing: boot.timing,
            tsc_hz: boot.tsc_hz,
        }
    }
}

/// What tells one repetition from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Repetition {
    boot: usize,
    zone: String,
    workload: Workload,
    alloc: String,
    order: u8,
    cpus: u32,
    rep: u32,
}

/// What records before the samples say about their zone.
#[derive(Clone, Debug, Default)]
struct Zone {
    bytes: u64,
    open_micros: u64,
}

/// The rows of a run, and the repetitions that lack a processor's sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// One row a complete repetition, warm-ups left out.
    pub(crate) rows: Vec<Row>,
    /// Repetitions that some processor did not report, in words.
    pub(crate) incomplete: Vec<String>,
}

/// Computes the figures of a run.
pub(crate) fn figures(records: &[Record]) -> Figures {
    let mut origins = Vec::new();
    let mut zones: BTreeMap<String, Zone> = BTreeMap::new();
    let mut repetitions: BTreeMap<Repetition, (Zone, Vec<&Sample>)> = BTreeMap::new();
    for record in records {
        match record {
            Record::Boot(boot) => origins.push(Origin::from(boot)),
            Record::Plan(plan) => {
                for zone in &plan.zones {
                    zones.entry(zone.name.clone()).or_default().bytes = zone.managed.len;
                }
            }
            Record::Open(open) => {
                zones.entry(open.zone.clone()).or_default().open_micros = open.micros;
            }
            Record::Sample(sample) if !sample.warmup => {
                let zone = zones.get(&sample.zone).cloned().unwrap_or_default();
                let key = repetition(origins.len(), sample);
                let entry = repetitions.entry(key).or_insert((zone, Vec::new()));
                entry.1.push(sample);
            }
            _ => {}
        }
    }
    let mut figures = Figures::default();
    for (key, (zone, samples)) in &repetitions {
        if is_complete(key.cpus, samples) {
            let origin = key.boot.checked_sub(1).and_then(|boot| origins.get(boot));
            let origin = origin.cloned().unwrap_or_default();
            figures.rows.push(row(key, zone, samples, origin));
        } else {
            figures.incomplete.push(format!(
                "{} of {} samples of {:?} on {}, order {}, repetition {}",
                samples.len(),
                key.cpus,
                key.workload,
                key.zone,
                key.order,
                key.rep,
            ));
        }
    }
    figures
}

fn repetition(boot: usize, sample: &Sample) -> Repetition {
    Repetition {
        boot,
        zone: sample.zone.clone(),
        workload: sample.workload,
        alloc: sample.alloc.clone(),
        order: sample.order,
        cpus: sample.cpus,
        rep: sample.rep,
    }
}

/// Whether each processor reported once.
fn is_complete(cpus: u32, samples: &[&Sample]) -> bool {
    let mut reported: Vec<_> = samples.iter().map(|sample| sample.cpu).collect();
    reported.sort_unstable();
    reported.into_iter().eq(0..cpus)
}

fn row(key: &Repetition, zone: &Zone, samples: &[&Sample], origin: Origin) -> Row {
    let hz = origin.tsc_hz;
    let get = Spread::over(samples, hz, |sample| sample.get_ticks);
    let put = Spread::over(samples, hz, |sample| sample.put_ticks);
    let slowest = samples
        .iter()
        .map(|sample| sample.get_ticks + sample.put_ticks)
        .max()
        .unwrap_or(0);
    Row {
        alloc: key.alloc.clone(),
        x: key.cpus,
        order: key.order,
        iteration: key.rep,
        memory: float(zone.bytes) / float(1 << 30),
        get_min: get.map(|spread| spread.min),
        get_avg: get.map(|spread| spread.mean),
        get_max: get.map(|spread| spread.max),
        put_min: put.map(|spread| spread.min),
        put_avg: put.map(|spread| spread.mean),
        put_max: put.map(|spread| spread.max),
        init: float(zone.open_micros) / 1e3,
        total: (hz != 0).then(|| float(slowest) * 1e3 / float(hz)),
        allocs: samples.iter().map(|sample| sample.ops).max().unwrap_or(0),
        zone: key.zone.clone(),
        workload: key.workload,
        origin,
    }
}

/// Nanoseconds an operation, over the processors.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    min: f64,
    mean: f64,
    max: f64,
}

impl Spread {
    /// Returns the spread, or `None` where nothing was measured or the length of
    /// a tick is not known.
    fn over(samples: &[&Sample], hz: u64, ticks: impl Fn(&Sample) -> u64) -> Option<Self> {
        if hz == 0 || samples.iter().all(|sample| ticks(sample) == 0) {
            return None;
        }
        let each: Vec<f64> = samples
            .iter()
            .filter(|sample| sample.ops != 0)
            .map(|sample| float(ticks(sample)) * 1e9 / float(hz) / float(sample.ops))
            .collect();
        Some(Self {
            min: each.iter().copied().reduce(f64::min)?,
            mean: each.iter().sum::<f64>() / float(each.len() as u64),
            max: each.iter().copied().reduce(f64::max)?,
        })
    }
}

/// Counts and ticks here are far below 2^53, where every integer is a float.
#[expect(
    clippy::cast_precision_loss,
    reason = "a figure has fewer digits than a float"
)]
fn float(number: u64) -> f64 {
    number as f64
}

/// The columns of the file: upstream's, then ours.
const COLUMNS: [&str; 25] = [
    "alloc",
    "x",
    "order",
    "iteration",
    "memory",
    "get_min",
    "get_avg",
    "get_max",
    "put_min",
    "put_avg",
    "put_max",
    "init",
    "total",
    "allocs",
    "zone",
    "workload",
    "commit",
    "toolchain",
    "accelerator",
    "cpu",
    "processors",
    "memory_kinds",
    "domain",
    "seed",
    "timing",
];

/// Writes the rows as CSV.
///
/// # Errors
///
/// Returns an error where the file cannot be written.
pub(crate) fn write(rows: &[Row], path: &Path) -> Result<()> {
    // The columns are written apart, so that a file without rows has them too;
    // a row with another number of fields is an error.
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_path(path)?;
    writer.write_record(COLUMNS)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
