//! What was executed so far, over all runs of one build.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ongoing::Ongoing, workspace};

use super::engine::{Found, Tally};

/// Counts of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) executions: u64,
    pub(super) seconds: u64,
    /// Most edges that were reached in one run.
    pub(super) edges: u64,
    /// Runs that ended with a panic or a hang.
    pub(super) faults: u64,
}

/// Counts of the parsers by name; controls are not among them.
pub(super) type All = BTreeMap<String, Counts>;

/// Adds a run of a parser.
pub(super) fn add(all: &mut All, tally: &Tally) {
    let counts = all.entry(tally.target.name.clone()).or_default();
    counts.executions += tally.executions;
    counts.seconds += tally.seconds;
    counts.edges = counts.edges.max(tally.edges);
    counts.faults += u64::from(tally.found != Found::Nothing);
}

/// Returns the executions of all parsers.
pub(super) fn executions(all: &All) -> u64 {
    all.values().map(|counts| counts.executions).sum()
}

/// Returns how long a parser was run.
pub(super) fn seconds(all: &All, name: &str) -> u64 {
    all.get(name).map_or(0, |counts| counts.seconds)
}

/// Returns what is published.
pub(super) fn published(ongoing: &Ongoing<All>, wanted: u64) -> String {
    let all = ongoing.counts();
    let Some(days) = ongoing.days() else {
        return "Nothing was counted of this build yet.".into();
    };
    let faults: u64 = all.values().map(|counts| counts.faults).sum();
    let commit = workspace::commit_of(&["kernel/libs", "Cargo.toml", "Cargo.lock"]);
    let commit = commit.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "Libraries of commit {commit}, {days}: {} executions of {wanted}, {faults} panics or \
         hangs.\n\n\
         | target | executions | executions a second | edges | panics or hangs |\n\
         |---|--:|--:|--:|--:|\n",
        executions(all)
    );
    for (name, counts) in all {
        let rate = counts.executions / counts.seconds.max(1);
        text += &format!(
            "| `{name}` | {} | {rate} | {} | {} |\n",
            counts.executions, counts.edges, counts.faults
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::engine::Target, *};

    #[test]
    fn runs_of_a_parser_add_up_and_its_faults_stay() {
        let mut all = All::new();
        let mut tally = Tally {
            target: Target::example(false),
            executions: 1000,
            seconds: 2,
            edges: 7,
            found: Found::Hang { input: "x".into() },
        };
        add(&mut all, &tally);
        tally.found = Found::Nothing;
        tally.edges = 6;
        add(&mut all, &tally);
        let counts = &all["example"];
        assert_eq!((counts.executions, counts.edges), (2000, 7));
        assert_eq!((counts.faults, executions(&all)), (1, 2000));
        assert_eq!((seconds(&all, "example"), seconds(&all, "other")), (4, 0));
    }
}
