//! What the program of proofs says, line by line.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything that was said.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Output {
    pub(super) controls: Vec<Control>,
    pub(super) rows: Vec<Row>,
    pub(super) violations: Vec<Violation>,
    /// The histories of violations, for people.
    #[serde(skip)]
    pub(super) stories: Vec<String>,
    /// The exit status; none if a signal ended the program.
    pub(super) ended: Option<i32>,
}

/// A program with a mistake in it, or its counterpart without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Control {
    pub(super) name: String,
    pub(super) how: String,
    pub(super) broken: bool,
    pub(super) found: bool,
    pub(super) tried: u64,
}

/// What was tried of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) schedules: u64,
    pub(super) complete: bool,
    /// Whether the power fails.
    pub(super) crashes: bool,
    pub(super) steps: u64,
    pub(super) operations: u64,
    pub(super) points: u64,
    pub(super) sampled: u64,
    pub(super) images: u64,
    pub(super) distinct: u64,
    pub(super) nested: [u64; 3],
    /// Recoveries by several processors at once.
    pub(super) shared: u64,
    /// Images recovered again without the bits behind the last frame.
    pub(super) tails: u64,
    pub(super) violations: u64,
    pub(super) seconds: f64,
}

/// The shortest violation of a scenario that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Violation {
    pub(super) scenario: String,
    pub(super) seed: String,
    pub(super) what: String,
}

/// How far a scenario is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) scenario: String,
    pub(super) done: u64,
    pub(super) of: u64,
}

/// The `key=value` pairs of a line.
struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        Self(
            text.split(' ')
                .filter_map(|field| field.split_once('='))
                .collect(),
        )
    }

    fn text(&self, key: &str) -> String {
        self.0.get(key).copied().unwrap_or_default().to_owned()
    }

    fn number(&self, key: &str) -> u64 {
        self.0
            .get(key)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    fn is(&self, key: &str) -> bool {
        self.number(key) != 0
    }
}

impl Output {
    /// Reads a line; returns what it says about progress, if it does.
    pub(super) fn read(&mut self, line: &str) -> Option<Progress> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (rest, what) = rest.split_once(" what=").unwrap_or((rest, ""));
        let fields = Fields::of(rest);
        match kind {
            "@progress" => {
                return Some(Progress {
                    scenario: fields.text("scenario"),
                    done: fields.number("done"),
                    of: fields.number("of"),
                });
            }
            "@control" => self.controls.push(Control {
                name: fields.text("name"),
                how: fields.text("how"),
                broken: fields.is("broken"),
                found: fields.is("found"),
                tried: fields.number("tried"),
            }),
            "@row" => self.rows.push(row(&fields)),
            "@fault" => {
                let violation = Violation {
                    scenario: fields.text("scenario"),
                    seed: fields.text("seed"),
                    what: what.to_owned(),
                };
                self.stories.push(format!(
                    "{}: {what}\n    replay: cargo xtask prove --only {} --seed {} --schedules 1",
                    violation.scenario, violation.scenario, violation.seed
                ));
                self.violations.push(violation);
            }
            _ => self.stories.push(line.to_owned()),
        }
        None
    }

    /// Returns what is wrong, in words. That nothing was tried is, too.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for row in &self.rows {
            if row.violations > 0 {
                faults.push(format!("{}: {} violations", row.scenario, row.violations));
            }
            if row.schedules == 0 || row.crashes && row.images == 0 {
                faults.push(format!("{}: nothing was tried", row.scenario));
            }
        }
        for control in self
            .controls
            .iter()
            .filter(|control| control.found != control.broken)
        {
            let Control { name, how, .. } = control;
            faults.push(format!(
                "control {name} by {how}: found is {}",
                control.found
            ));
        }
        if self.rows.is_empty() || self.controls.is_empty() {
            faults.push("nothing was tried".to_owned());
        }
        if self.ended != Some(0) && faults.is_empty() {
            faults.push(format!("the program ended with status {:?}", self.ended));
        }
        faults
    }
}

fn row(fields: &Fields<'_>) -> Row {
    Row {
        scenario: fields.text("scenario"),
        schedules: fields.number("schedules"),
        complete: fields.is("complete"),
        crashes: fields.is("crashes"),
        steps: fields.number("steps"),
        operations: fields.number("operations"),
        points: fields.number("points"),
        sampled: fields.number("sampled"),
        images: fields.number("images"),
        distinct: fields.number("distinct"),
        nested: ["nested1", "nested2", "nested3"].map(|key| fields.number(key)),
        shared: fields.number("shared"),
        tails: fields.number("tails"),
        violations: fields.number("violations"),
        seconds: fields.text("seconds").parse().unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "@control name=a how=all broken=1 found=1 tried=4",
        "@row scenario=b schedules=7 complete=1 points=3 images=9 nested2=5 violations=1 seconds=0.5",
        "@fault scenario=b seed=12 operations=3 steps=9 what=frame 0x1 = lost",
        "    thread 0 begins",
    ];

    fn output() -> Output {
        let mut output = Output::default();
        for line in LINES {
            assert_eq!(output.read(line), None);
        }
        output
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let output = output();
        assert!(output.controls[0].found && output.controls[0].tried == 4);
        let row = &output.rows[0];
        assert_eq!(
            (row.schedules, row.complete, row.nested),
            (7, true, [0, 5, 0])
        );
        assert_eq!(output.violations[0].what, "frame 0x1 = lost");
        assert_eq!(output.stories.len(), 2);
        let progress = Output::default().read("@progress scenario=b done=3 of=1000");
        assert_eq!(progress.map(|progress| progress.done), Some(3));
    }

    #[test]
    fn a_scenario_with_crashes_and_no_image_is_a_fault() {
        let mut output = output();
        (output.rows[0].violations, output.ended) = (0, Some(0));
        assert_eq!(output.faults(), Vec::<String>::new());
        (output.rows[0].crashes, output.rows[0].images) = (true, 0);
        assert_eq!(output.faults().len(), 1);
    }

    #[test]
    fn violations_missed_controls_and_nothing_at_all_are_faults() {
        assert_eq!(output().faults().len(), 1);
        let mut missed = output();
        missed.rows[0].violations = 0;
        missed.controls[0].found = false;
        missed.ended = Some(1);
        assert_eq!(missed.faults().len(), 1);
        let nothing = Output {
            ended: Some(0),
            ..Output::default()
        };
        assert_eq!(nothing.faults().len(), 1);
    }
}
