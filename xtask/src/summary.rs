//! What a run found, for the person at the terminal.

use std::{collections::BTreeMap, time::Duration};

use comfy_table::{CellAlignment, Table, presets};
use record::{Record, Workload};

use crate::{figures::Row, run::HostJudgement};

/// Returns the closing summary of a run; the verdict is not part of it.
pub(crate) fn summary(
    records: &[Record],
    rows: &[Row],
    judgements: &[HostJudgement],
    elapsed: Duration,
) -> String {
    let mut parts = Vec::new();
    parts.extend(figure_table(rows));
    if rows.iter().any(|row| !row.origin.timing) {
        parts.push("times under emulation are functional only".into());
    }
    parts.extend(crash_table(records));
    parts.extend(host_table(judgements));
    parts.extend(not_applicable(records));
    parts.push(format!("took {:.1} minutes", elapsed.as_secs_f64() / 60.0));
    parts.join("\n\n")
}

/// Medians over the repetitions, one line a zone, workload, order and number of
/// processors.
fn figure_table(rows: &[Row]) -> Option<String> {
    let mut groups: BTreeMap<(&str, Workload, &str, u8, u32), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = (&*row.zone, row.workload, &*row.alloc, row.order, row.x);
        groups.entry(key).or_default().push(row);
    }
    let columns = [
        "zone",
        "workload",
        "allocator",
        "order",
        "processors",
        "get ns",
        "put ns",
        "repetitions",
    ];
    let lines = groups.iter().map(|(key, rows)| {
        let (zone, workload, alloc, order, cpus) = key;
        let figure = |median: Option<f64>| median.map_or("–".into(), |ns| format!("{ns:.1}"));
        vec![
            (*zone).to_owned(),
            format!("{workload:?}").to_lowercase(),
            (*alloc).to_owned(),
            order.to_string(),
            cpus.to_string(),
            figure(median(rows.iter().filter_map(|row| row.get_avg))),
            figure(median(rows.iter().filter_map(|row| row.put_avg))),
            rows.len().to_string(),
        ]
    });
    table(&columns, 3, lines)
}

fn crash_table(records: &[Record]) -> Option<String> {
    let columns = [
        "crash",
        "zone",
        "reset",
        "acknowledged",
        "in flight",
        "owned",
        "lost",
        "doubled",
        "leaked",
        "bound",
    ];
    let lines = records.iter().filter_map(|record| match record {
        Record::Crash(crash) => Some(vec![
            crash.cycle.to_string(),
            crash.zone.clone(),
            crash.reset.clone(),
            crash.acknowledged.to_string(),
            crash.in_flight.to_string(),
            crash.owned.to_string(),
            crash.lost.to_string(),
            crash.doubled.to_string(),
            crash.leaked.to_string(),
            crash.bound.to_string(),
        ]),
        _ => None,
    });
    table(&columns, 3, lines)
}

fn host_table(judgements: &[HostJudgement]) -> Option<String> {
    let columns = [
        "host judge",
        "file",
        "zone",
        "acknowledged",
        "in flight",
        "owned",
        "lost",
        "doubled",
        "leaked",
        "bound",
    ];
    let lines = judgements.iter().map(|judgement| {
        vec![
            judgement.pause.to_string(),
            judgement.file.clone(),
            judgement.zone.clone(),
            judgement.acknowledged.to_string(),
            judgement.in_flight.to_string(),
            judgement.owned.to_string(),
            judgement.lost.to_string(),
            judgement.doubled.to_string(),
            judgement.leaked.to_string(),
            judgement.bound.to_string(),
        ]
    });
    table(&columns, 3, lines)
}

fn not_applicable(records: &[Record]) -> Option<String> {
    let sentences: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Verdict(verdict) => Some(&verdict.not_applicable),
            _ => None,
        })
        .flatten()
        .map(|sentence| format!("not applicable: {sentence}"))
        .collect();
    (!sentences.is_empty()).then(|| sentences.join("\n"))
}

/// A table whose columns from `numbers` on are aligned to the right; none where
/// there are no lines.
fn table(
    columns: &[&str],
    numbers: usize,
    lines: impl Iterator<Item = Vec<String>>,
) -> Option<String> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(columns);
    table.add_rows(lines);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    (!table.is_empty()).then(|| table.to_string())
}

/// The value in the middle, or the mean of the two.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_the_mean() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0].into_iter()), Some(3.0));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn what_did_not_happen_has_no_table() {
        let text = summary(&[], &[], &[], Duration::from_secs(90));
        assert_eq!(text, "took 1.5 minutes");
    }
}
