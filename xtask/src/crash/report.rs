//! Tables of what crashes came to.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};

use super::tally::{Tally, magnitude, magnitude_in_words};

/// What a full run wants, and what counts towards it.
type Figure = (&'static str, u64, fn(&str, &Tally) -> u64);

const FIGURES: [Figure; 7] = [
    ("kill cycles", 10_000, |name, tally| {
        cycles_if(name.starts_with("kill-"), tally)
    }),
    ("resets of all kinds", 5_000, |name, tally| {
        cycles_if(is_reset(name), tally)
    }),
    ("of these through UEFI", 300, |name, tally| {
        cycles_if(is_reset(name) && name.contains("-uefi-"), tally)
    }),
    ("power cuts", 10_000, |name, tally| {
        cycles_if(name.starts_with("powercut-"), tally)
    }),
    ("crashes within recovery", 1_000, |_, tally| {
        tally.broken_in("recovery")
    }),
    ("crashes within format", 1_000, |_, tally| {
        tally.broken_in("format")
    }),
    (
        "crashes that left a huge frame half split",
        1,
        |_, tally| tally.split,
    ),
];

/// What there must be none of.
const NO_FAILURE: &str = "lost, doubled, beyond the leak bound, or failed otherwise";

fn is_reset(name: &str) -> bool {
    ["reset-", "self-", "triple-"]
        .iter()
        .any(|kind| name.starts_with(kind))
}

fn cycles_if(counts: bool, tally: &Tally) -> u64 {
    if counts { tally.cycles } else { 0 }
}

/// Returns the tables over all series: counts, where they broke, frames leaked.
pub(super) fn report(tallies: &BTreeMap<String, Tally>) -> String {
    let parts = [
        counts(tallies),
        stages(tallies),
        depths(tallies),
        leaks(tallies),
    ];
    parts.join("\n\n")
}

/// Returns how far a full run has come.
pub(super) fn progress(tallies: &BTreeMap<String, Tally>) -> String {
    let header = ["figure", "full run", "counted"].map(String::from).to_vec();
    let rows = FIGURES.iter().map(|(figure, wanted, count)| {
        let counted: u64 = tallies.iter().map(|(name, tally)| count(name, tally)).sum();
        vec![(*figure).into(), format!("≥ {wanted}"), counted.to_string()]
    });
    let failed: u64 = tallies.values().map(|tally| tally.failed).sum();
    let failures = vec![NO_FAILURE.into(), "0".into(), failed.to_string()];
    table(header, rows.chain([failures]))
}

/// Returns the figures that a full run has not reached.
pub(super) fn missing(tallies: &BTreeMap<String, Tally>) -> Vec<&'static str> {
    let is_short = |(_, wanted, count): &&Figure| {
        let counts = tallies.iter().map(|(name, tally)| count(name, tally));
        counts.sum::<u64>() < *wanted
    };
    let short = FIGURES.iter().filter(is_short);
    let short = short.map(|(figure, ..)| *figure);
    let has_failed = tallies.values().any(|tally| tally.failed > 0);
    short.chain(has_failed.then_some(NO_FAILURE)).collect()
}

fn counts(tallies: &BTreeMap<String, Tally>) -> String {
    let header = [
        "series",
        "domain",
        "cycles",
        "failed",
        "new work",
        "nested or early",
        "operations",
        "blocks checked",
        "most leaked",
        "settled",
        "lines flushed",
        "lines evicted",
        "s/cycle",
    ];
    let rows = tallies.iter().map(|(name, tally)| {
        vec![
            name.clone(),
            domain(name).into(),
            tally.cycles.to_string(),
            tally.failed.to_string(),
            tally.fruitful.to_string(),
            tally.nested.to_string(),
            tally.acknowledged.to_string(),
            tally.owned.to_string(),
            tally.most_leaked.to_string(),
            tally.settled.to_string(),
            tally.flushed.to_string(),
            tally.evicted.to_string(),
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
    let header = ["broken in"].into_iter().chain(STAGES).chain(["a split"]);
    let rows = tallies.iter().map(|(name, tally)| {
        let counts = STAGES.iter().map(|stage| tally.broken_in(stage));
        let counts = counts.chain([tally.split]).map(|count| count.to_string());
        std::iter::once(name.clone()).chain(counts).collect()
    });
    table(header.map(String::from).collect(), rows)
}

/// Breaks in a row by their order of magnitude, of series that had any.
fn depths(tallies: &BTreeMap<String, Tally>) -> String {
    let rows = tallies.iter().map(|(name, tally)| {
        let mut counts = BTreeMap::new();
        for (&depth, count) in &tally.depths {
            *counts.entry(magnitude(depth.into())).or_default() += count;
        }
        (name, counts)
    });
    let rows = rows.filter(|(_, counts)| !counts.is_empty());
    histogram("breaks in a row within recovery", 1, rows.collect())
}

fn leaks(tallies: &BTreeMap<String, Tally>) -> String {
    let rows = tallies.iter();
    let rows = rows.map(|(name, tally)| (name, tally.leaks.clone()));
    histogram("cycles that leaked so many frames", 0, rows.collect())
}

/// Returns a table with a column for each order of magnitude from `least` on.
fn histogram(first: &str, least: u32, rows: Vec<(&String, BTreeMap<u32, u64>)>) -> String {
    let largest = rows.iter().filter_map(|(_, counts)| counts.keys().max());
    let keys = least..=largest.max().copied().unwrap_or(least);
    let header = std::iter::once(first.to_owned()).chain(keys.clone().map(magnitude_in_words));
    let rows = rows.into_iter().map(|(name, counts)| {
        let count = |key| counts.get(&key).copied().unwrap_or(0).to_string();
        std::iter::once(name.clone())
            .chain(keys.clone().map(count))
            .collect()
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

    #[test]
    fn breaks_in_a_row_are_shown_by_their_magnitude() {
        let deep = Tally {
            depths: BTreeMap::from([(1, 40), (2, 20), (3, 10), (40, 1)]),
            ..Tally::default()
        };
        let tallies = BTreeMap::from([
            ("self-recovery-pvh-2".into(), deep),
            ("kill-any-pvh-2".into(), Tally::default()),
        ]);
        let shown = depths(&tallies);
        let last = shown.lines().last().expect("rows");
        let cells: Vec<_> = last.split('|').map(str::trim).collect();
        let counts = ["40", "30", "0", "0", "0", "1"];
        assert_eq!(cells[2..8], counts, "{shown}");
        assert!(!shown.contains("kill"), "it has none");
    }

    #[test]
    fn a_cycle_counts_towards_what_it_is_and_nothing_else() {
        let tally = Tally {
            cycles: 7,
            failed: 2,
            ..Tally::default()
        };
        let counted = |name: &str| {
            let tallies = BTreeMap::from([(name.to_owned(), tally.clone())]);
            let rows: Vec<_> = FIGURES
                .iter()
                .filter(|(_, _, count)| count(name, &tally) == 7)
                .map(|(figure, ..)| *figure)
                .collect();
            assert!(progress(&tallies).contains("otherwise"));
            rows
        };
        assert_eq!(counted("kill-any-uefi-2"), ["kill cycles"]);
        assert_eq!(counted("triple-any-pvh-2"), ["resets of all kinds"]);
        assert_eq!(
            counted("self-any-uefi-2"),
            ["resets of all kinds", "of these through UEFI"]
        );
        assert_eq!(counted("powercut-run-pvh-2"), ["power cuts"]);
    }
}
