//! Tables of what crashes came to.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};

use super::tally::{Tally, leaks_in_words};

/// Returns the tables over all series: counts, stages hit, frames leaked.
pub(super) fn report(tallies: &BTreeMap<String, Tally>) -> String {
    let parts = [counts(tallies), stages(tallies), leaks(tallies)];
    parts.join("\n\n")
}

fn counts(tallies: &BTreeMap<String, Tally>) -> String {
    let header = [
        "series",
        "domain",
        "cycles",
        "new work",
        "nested or early",
        "operations",
        "blocks checked",
        "lost or doubled",
        "most leaked",
        "settled",
        "failed",
        "s/cycle",
    ];
    let rows = tallies.iter().map(|(name, tally)| {
        vec![
            name.clone(),
            domain(name).into(),
            tally.cycles.to_string(),
            tally.fruitful.to_string(),
            tally.nested.to_string(),
            tally.acknowledged.to_string(),
            tally.owned.to_string(),
            tally.violated.to_string(),
            tally.most_leaked.to_string(),
            tally.settled.to_string(),
            tally.failed.to_string(),
            per_cycle(tally),
        ]
    });
    table(header.map(String::from).to_vec(), rows)
}

/// Series are of weaker and of stronger platforms, which must be told apart
/// wherever they are counted.
fn domain(name: &str) -> &'static str {
    if name.starts_with("powercut") {
        "adr, emulated"
    } else {
        "eadr"
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a few seconds over a few cycles"
)]
fn per_cycle(tally: &Tally) -> String {
    format!("{:.2}", tally.seconds as f64 / tally.cycles.max(1) as f64)
}

fn stages(tallies: &BTreeMap<String, Tally>) -> String {
    const STAGES: [&str; 7] = [
        "boot", "format", "recovery", "judge", "work", "settle", "shutdown",
    ];
    let header = ["broken in"].into_iter().chain(STAGES).map(String::from);
    let rows = tallies.iter().map(|(name, tally)| {
        let count = |stage: &&str| tally.stages.get(*stage).copied().unwrap_or(0).to_string();
        let counts = STAGES.iter().map(count);
        std::iter::once(name.clone()).chain(counts).collect()
    });
    table(header.collect(), rows)
}

fn leaks(tallies: &BTreeMap<String, Tally>) -> String {
    let largest = tallies
        .values()
        .filter_map(|tally| tally.leaks.keys().max());
    let magnitudes = 0..=largest.max().copied().unwrap_or(0);
    let header = std::iter::once("cycles that leaked so many frames".to_owned())
        .chain(magnitudes.clone().map(leaks_in_words));
    let rows = tallies.iter().map(|(name, tally)| {
        let count = |magnitude: u32| tally.leaks.get(&magnitude).copied().unwrap_or(0);
        let counts = magnitudes.clone().map(|m| count(m).to_string());
        std::iter::once(name.clone()).chain(counts).collect()
    });
    table(header.collect(), rows)
}

fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulated_power_cuts_are_not_taken_for_saved_caches() {
        let tally = Tally::default();
        let tallies = BTreeMap::from([
            ("kill-any-pvh-2".into(), tally.clone()),
            ("powercut-any-pvh-2".into(), tally),
        ]);
        let counts = counts(&tallies);
        let line = |name: &str| {
            counts
                .lines()
                .find(|line| line.contains(name))
                .map(str::to_owned)
        };
        assert!(line("kill").is_some_and(|line| line.contains(" eadr ")));
        assert!(line("powercut").is_some_and(|line| line.contains("adr, emulated")));
    }
}
