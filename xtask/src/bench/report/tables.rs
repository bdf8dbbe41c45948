//! Tables for people, in Markdown.

use comfy_table::{CellAlignment, Table, presets};

use super::Figures;
use crate::bench::{
    count::Count,
    field::AGAIN,
    fragmentation::{GOALS, Worn},
    race::{Race, Series},
    statistics::{Estimate, median},
    targets::Verdict,
    weight::Weight,
};

/// The rival that ratios refer to.
const REFERENCE: &str = "llfree-op";

/// Returns all tables.
pub(in super::super) fn tables(race: &Race, verdicts: &[Verdict], figures: &Figures) -> String {
    let quick = "quick: few repetitions, small zones; not for publication";
    let text = [
        figures.provenance.to_string(),
        times(race, verdicts),
        noise(race),
        fragmentation(&figures.fragmentation),
        weight(figures.memory_per_gib),
        counts(&figures.counts),
        targets(verdicts),
        violations(&race.violations),
        if figures.quick {
            quick.to_owned()
        } else {
            String::new()
        },
    ];
    let text: Vec<String> = text.into_iter().filter(|part| !part.is_empty()).collect();
    text.join("\n\n") + "\n"
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
    let again = race.series.iter().filter(|series| series.alloc == AGAIN);
    let ratios = again.filter_map(|again| {
        let same = |s: &&Series| s.alloc == "llfree" && s.op == again.op && s.case == again.case;
        let first = race.series.iter().find(same)?;
        let ratio = Estimate::of_ratio(&again.nanos, &first.nanos);
        Some(((ratio.median - 1.0).abs(), again))
    });
    let mut differences: Vec<(f64, &Series)> = ratios.collect();
    differences.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (Some((typical, _)), Some((worst, series))) =
        (differences.get(differences.len() / 2), differences.last())
    else {
        return String::new();
    };
    format!(
        "noise: the same allocator, entered twice, differs from itself by {:.1} % in the middle of {} \
         cases, by {:.1} % in the worst ({}, {}); twice that is the least that counts as an effect",
        typical * 100.0,
        differences.len(),
        worst * 100.0,
        series.case,
        series.op
    )
}

fn fragmentation(all: &[Worn]) -> String {
    let goals = GOALS.map(|percent| format!("moves to {percent} %"));
    let mut columns = vec![
        "allocator",
        "fill %",
        "rounds",
        "GiB",
        "huge free",
        "possible",
        "share",
        "result",
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
            regained(worn, all).to_owned(),
        ];
        line.extend(worn.moves.iter().map(ToString::to_string));
        line
    };
    table(&columns, all.iter().map(line).collect(), 1)
}

/// Says whether our designs have regained enough.
fn regained(worn: &Worn, all: &[Worn]) -> &'static str {
    let same = |other: &&Worn| other.alloc == REFERENCE && other.fill == worn.fill;
    match all.iter().find(same) {
        Some(reference) if worn.alloc.starts_with("llfree") => {
            if worn.is_enough(reference) {
                "met"
            } else {
                "missed"
            }
        }
        _ => "",
    }
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
