//! What a run leaves behind: tables for people, files for programs.
//!
//! `results.csv` has every sample as it was taken, warm-up included and marked.
//! `summary.json` has one object for each row of the table of times.
//! `figures.json` has the rest: where the run comes from, the targets, and what is
//! counted or weighed rather than timed. `report.md` has the tables as printed.

mod tables;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

pub(super) use self::tables::tables;
use super::{
    count::Count,
    fragmentation::Worn,
    provenance::Provenance,
    race::{Race, Series},
    statistics::{Estimate, median},
    targets::Verdict,
    weight::Weight,
};

/// Everything that is not in the samples.
#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) provenance: Provenance,
    pub(super) quick: bool,
    pub(super) memory_per_gib: Option<Weight>,
    pub(super) fragmentation: Vec<Worn>,
    pub(super) counts: Vec<Count>,
    pub(super) violations: Vec<String>,
    pub(super) targets: Vec<TargetLine>,
}

/// A target and what came of it.
#[derive(Serialize)]
pub(super) struct TargetLine {
    case: String,
    alloc: &'static str,
    op: &'static str,
    bound: String,
    limit: f64,
    measured: Estimate,
    result: String,
}

impl From<&Verdict> for TargetLine {
    fn from(verdict: &Verdict) -> Self {
        Self {
            case: verdict.case.to_string(),
            alloc: verdict.alloc,
            op: verdict.op,
            bound: verdict.bound.clone(),
            limit: verdict.limit,
            measured: verdict.measured,
            result: verdict.word(),
        }
    }
}

/// One row of `summary.json`.
#[derive(Serialize)]
struct Row {
    workload: &'static str,
    alloc: &'static str,
    order: u8,
    threads: usize,
    fill: Option<u8>,
    gib: usize,
    op: &'static str,
    ns_median: f64,
    ci_low: f64,
    ci_high: f64,
    per_c: f64,
}

impl Row {
    fn of(series: &Series) -> Self {
        let estimate = Estimate::of(&series.nanos);
        let case = &series.case;
        Self {
            workload: case.workload.name(),
            alloc: series.alloc,
            order: case.order,
            threads: case.threads,
            fill: case.fill,
            gib: case.gib,
            op: series.op,
            ns_median: estimate.median,
            ci_low: estimate.low,
            ci_high: estimate.high,
            per_c: estimate.median / median(&series.unit),
        }
    }
}

/// Writes the files.
pub(super) fn write(dir: &Path, tables: &str, race: &Race, figures: &Figures) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let csv_path = dir.join("results.csv");
    let mut csv = csv::Writer::from_path(&csv_path)
        .with_context(|| format!("cannot write {}", csv_path.display()))?;
    for sample in &race.samples {
        csv.serialize(sample)?;
    }
    csv.flush()?;
    let rows: Vec<Row> = race.series.iter().map(Row::of).collect();
    json(&dir.join("summary.json"), &rows)?;
    json(&dir.join("figures.json"), figures)?;
    text(&dir.join("report.md"), tables)
}

fn json(path: &Path, value: &impl Serialize) -> Result<()> {
    text(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

fn text(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
