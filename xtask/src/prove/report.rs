//! The summary, for the person at the terminal.

use comfy_table::{CellAlignment, Table, presets};

use super::output::{Output, Row};

/// Returns a line for each scenario.
pub(super) fn table(output: &Output) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "scenario",
        "schedules",
        "crash points",
        "images",
        "distinct",
        "in recovery",
        "violations",
        "seconds",
    ]);
    for row in &output.rows {
        let all = if row.complete { " (all)" } else { "" };
        table.add_row([
            row.scenario.clone(),
            format!("{}{all}", grouped(row.schedules)),
            grouped(row.points),
            grouped(row.images),
            grouped(row.distinct),
            grouped(row.nested.iter().sum()),
            row.violations.to_string(),
            format!("{:.0}", row.seconds),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Returns the sums, and what the controls came to.
pub(super) fn summary(output: &Output) -> String {
    let sum = |of: fn(&Row) -> u64| grouped(output.rows.iter().map(of).sum());
    let broken = output.controls.iter().filter(|control| control.broken);
    let found = broken.clone().filter(|control| control.found).count();
    let depth = |depth: usize| {
        let images = output.rows.iter().map(|row| row.nested[depth]);
        grouped(images.sum())
    };
    let mut text = format!(
        "{} schedules of {} operations; {} crash points (of {} some images only), {} images \
         recovered and judged;\n{}, {} and {} after failures during recovery, one, two and \
         three deep, {} recoveries by two processors at once, {} without the tail; \
         {} violations;\n{found} of {} controls with a mistake were found",
        sum(|row| row.schedules),
        sum(|row| row.operations),
        sum(|row| row.points),
        sum(|row| row.sampled),
        sum(|row| row.images),
        depth(0),
        depth(1),
        depth(2),
        sum(|row| row.shared),
        sum(|row| row.tails),
        sum(|row| row.violations),
        broken.count()
    );
    for fault in output.faults() {
        text.push_str("\nFAILED ");
        text.push_str(&fault);
    }
    text
}

/// Writes a number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1 000", "1 234 567"]);
    }
}
