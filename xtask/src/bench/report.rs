//! What a run leaves behind: tables for people, files for programs.
//!
//! `results.csv` has every sample as it was taken, warm-up included and marked.
//! `summary.json` has one object for each row of the table of times.
//! `figures.json` has the rest: where the run comes from, the targets, and what is
//! counted or weighed rather than timed.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::{
    count::Count,
    fragmentation::{GOALS, Worn},
    provenance::Provenance,
    race::{Race, Series},
    statistics::{Estimate, median},
    targets::Verdict,
    weight::Weight,
};

/// The rival that ratios refer to.
const REFERENCE: &str = "llfree-op";

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
pub(super) fn write(dir: &Path, race: &Race, figures: &Figures) -> Result<()> {
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
    json(&dir.join("figures.json"), figures)
}

fn json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// Prints all tables.
pub(super) fn print(race: &Race, verdicts: &[Verdict], figures: &Figures) {
    let text = [
        figures.provenance.to_string(),
        times(race, verdicts),
        noise(race),
        fragmentation(&figures.fragmentation),
        weight(figures.memory_per_gib),
        counts(&figures.counts),
        targets(verdicts),
        violations(&race.violations),
    ];
    let text: Vec<String> = text.into_iter().filter(|part| !part.is_empty()).collect();
    println!("{}", text.join("\n\n"));
    if figures.quick {
        println!("\nquick: few repetitions, small zones; not for publication");
    }
}

fn table(columns: &[&str], lines: Vec<Vec<String>>, texts: usize) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(columns);
    table.add_rows(lines);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The table of times: all rivals of a case one below the other.
fn times(race: &Race, verdicts: &[Verdict]) -> String {
    let columns = [
        "case",
        "operation",
        "allocator",
        "ns",
        "95 %",
        "C",
        "of llfree-op",
        "targets",
    ];
    let line = |series: &Series| {
        let estimate = Estimate::of(&series.nanos);
        vec![
            series.case.to_string(),
            series.op.to_owned(),
            series.alloc.to_owned(),
            digits(estimate.median),
            format!("{}–{}", digits(estimate.low), digits(estimate.high)),
            format!("{:.2}", estimate.median / median(&series.unit)),
            ratio(race, series),
            verdict_words(series, verdicts),
        ]
    };
    let mut series: Vec<&Series> = race.series.iter().collect();
    series.sort_by_key(|series| {
        let case = &series.case;
        (
            case.workload,
            case.gib,
            case.fill,
            case.order,
            case.threads,
            series.op,
            series.alloc,
        )
    });
    table(&columns, series.into_iter().map(line).collect(), 3)
}

fn ratio(race: &Race, series: &Series) -> String {
    let same = |other: &&Series| {
        other.alloc == REFERENCE && other.op == series.op && other.case == series.case
    };
    match race.series.iter().find(same) {
        Some(_) if series.alloc == REFERENCE => "1".to_owned(),
        Some(reference) => {
            let ratio = Estimate::of_ratio(&series.nanos, &reference.nanos);
            format!("{:.3} ({:.3}–{:.3})", ratio.median, ratio.low, ratio.high)
        }
        None => String::new(),
    }
}

fn verdict_words(series: &Series, verdicts: &[Verdict]) -> String {
    let mine = verdicts.iter().filter(|verdict| {
        verdict.alloc == series.alloc && verdict.op == series.op && verdict.case == series.case
    });
    let words: Vec<String> = mine.map(Verdict::word).collect();
    words.join(", ")
}

/// How far two entries of the same design differ: smaller effects are noise.
fn noise(race: &Race) -> String {
    let again = race
        .series
        .iter()
        .filter(|series| series.alloc == super::field::AGAIN);
    let ratios = again.filter_map(|again| {
        let same = |s: &&Series| s.alloc == "llfree" && s.op == again.op && s.case == again.case;
        let first = race.series.iter().find(same)?;
        let ratio = Estimate::of_ratio(&again.nanos, &first.nanos);
        Some(((ratio.median - 1.0).abs(), again))
    });
    let worst = ratios.max_by(|(a, _), (b, _)| a.total_cmp(b));
    worst.map_or_else(String::new, |(difference, series)| {
        format!(
            "noise: the same allocator, entered twice, differs from itself by {:.1} % at most ({}, {}); \
             twice that is the least that counts as an effect",
            difference * 100.0,
            series.case,
            series.op
        )
    })
}

fn fragmentation(worn: &[Worn]) -> String {
    let goals = GOALS.map(|percent| format!("moves to {percent} %"));
    let mut columns = vec![
        "allocator",
        "fill %",
        "rounds",
        "GiB",
        "huge free",
        "possible",
        "share",
    ];
    columns.extend(goals.iter().map(String::as_str));
    let line = |worn: &Worn| {
        let mut line = vec![
            worn.alloc.to_owned(),
            worn.fill.to_string(),
            worn.rounds.to_string(),
            worn.gib.to_string(),
            worn.huge_free.to_string(),
            worn.huge_possible.to_string(),
            format!("{:.3}", worn.share()),
        ];
        line.extend(worn.moves.iter().map(ToString::to_string));
        line
    };
    table(&columns, worn.iter().map(line).collect(), 1)
}

fn weight(weight: Option<Weight>) -> String {
    let Some(Weight { lower, upper }) = weight else {
        return String::new();
    };
    let word = |bytes: usize, limit: usize| if bytes <= limit { "met" } else { "missed" };
    format!(
        "memory: lower {lower} bytes a GiB (≤ 34 KiB: {}), upper {upper} bytes a GiB (≤ 1 KiB: {})",
        word(lower, 34 << 10),
        word(upper, 1 << 10)
    )
}

fn counts(counts: &[Count]) -> String {
    let columns = [
        "allocator",
        "operation",
        "order",
        "instructions",
        "locked",
        "limit",
    ];
    let line = |count: &Count| {
        vec![
            count.alloc.clone(),
            count.op.to_owned(),
            count.order.to_string(),
            format!("{:.1}", count.instructions_per_op()),
            format!("{:.3}", count.locked_per_op()),
            match count.limit() {
                Some(limit) if count.exceeds() => format!("{limit} EXCEEDED"),
                Some(limit) => limit.to_string(),
                None => String::new(),
            },
        ]
    };
    table(&columns, counts.iter().map(line).collect(), 2)
}

fn targets(verdicts: &[Verdict]) -> String {
    let met = verdicts.iter().filter(|verdict| verdict.met).count();
    if verdicts.is_empty() {
        return String::new();
    }
    let columns = [
        "target",
        "operation",
        "allocator",
        "bound",
        "limit",
        "measured",
        "95 %",
        "result",
    ];
    let line = |verdict: &Verdict| {
        vec![
            verdict.case.to_string(),
            verdict.op.to_owned(),
            verdict.alloc.to_owned(),
            verdict.bound.clone(),
            format!("{:.3}", verdict.limit),
            format!("{:.3}", verdict.measured.median),
            format!("{:.3}–{:.3}", verdict.measured.low, verdict.measured.high),
            verdict.word(),
        ]
    };
    let lines = verdicts.iter().map(line).collect();
    format!(
        "{}\n{met} of {} targets met",
        table(&columns, lines, 4),
        verdicts.len()
    )
}

fn violations(violations: &[String]) -> String {
    let lines = violations
        .iter()
        .map(|violation| format!("violation: {violation}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Three significant digits, as far as there are any.
fn digits(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 10.0 => format!("{nanos:.2}"),
        nanos if nanos < 100.0 => format!("{nanos:.1}"),
        nanos => format!("{nanos:.0}"),
    }
}
