//! What fuzzing has shown, for people.

use comfy_table::{CellAlignment, Table, presets};

use super::engine::{Found, Tally};

/// Returns the table: a line a target.
pub(super) fn table(tallies: &[Tally]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["target", "executions", "exec/s", "edges", "panics", "hangs"]);
    for tally in tallies {
        let each = tally.executions / tally.seconds.max(1);
        let panics = u8::from(matches!(tally.found, Found::Panic { .. }));
        let hangs = u8::from(matches!(tally.found, Found::Hang { .. }));
        table.add_row([
            tally.target.name.clone(),
            tally.executions.to_string(),
            each.to_string(),
            tally.edges.to_string(),
            panics.to_string(),
            hangs.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Returns a sentence for whatever is not as it must be.
pub(super) fn faults(tallies: &[Tally]) -> Vec<String> {
    let fault = |tally: &Tally| {
        let name = &tally.target.name;
        match (&tally.found, tally.target.control) {
            (Found::Nothing, false) | (Found::Panic { .. } | Found::Hang { .. }, true) => None,
            (Found::Nothing, true) => Some(format!("{name}: the planted mistake was not found")),
            (Found::Panic { message, input }, false) => {
                let input = input.display();
                Some(format!("{name}: panics: {message}; see {input}"))
            }
            (Found::Hang { input }, false) => {
                Some(format!("{name}: hangs; see {}", input.display()))
            }
        }
    };
    tallies.iter().filter_map(fault).collect()
}

/// Returns the executions of all parsers; those of controls show nothing more.
fn executions(tallies: &[Tally]) -> u64 {
    let parsers = tallies.iter().filter(|tally| !tally.target.control);
    parsers.map(|tally| tally.executions).sum()
}

/// Returns the last line.
pub(super) fn summary(tallies: &[Tally]) -> String {
    let (done, found) = (executions(tallies), faults(tallies).len());
    format!("fuzz: {done} executions, {found} faults")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::engine::Target, *};

    fn tally(control: bool, found: Found) -> Tally {
        Tally {
            target: Target::example(control),
            executions: 1000,
            seconds: 2,
            edges: 7,
            found,
        }
    }

    fn panic() -> Found {
        Found::Panic {
            message: "no".to_owned(),
            input: PathBuf::from("crash-1"),
        }
    }

    #[test]
    fn a_parser_must_not_panic_and_a_control_must() {
        let hang = || Found::Hang {
            input: PathBuf::new(),
        };
        let sound = [
            tally(false, Found::Nothing),
            tally(true, panic()),
            tally(true, hang()),
        ];
        assert!(faults(&sound).is_empty());
        for wrong in [
            tally(false, panic()),
            tally(false, hang()),
            tally(true, Found::Nothing),
        ] {
            assert_eq!(faults(&[wrong]).len(), 1);
        }
    }

    #[test]
    fn executions_of_controls_do_not_count() {
        let tallies = [tally(false, Found::Nothing), tally(true, panic())];
        assert_eq!(executions(&tallies), 1000);
        assert!(table(&tallies).contains("500"));
        assert!(summary(&tallies).contains("1000 executions, 0 faults"));
    }
}
