//! Permission to format a file of the user's.
//!
//! What `--format` means was decided by looking at a file, and the guest looks for
//! itself: it formats only with a token that speaks of what it finds. So the
//! machine is booted once without any permission, up to the plan. What it then
//! says would permit formatting is what the run is given; if the file changes in
//! between, the token is void.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use record::{Inspect, Record};

use crate::{
    build::Artifacts,
    machine::{Machine, Medium},
    results::RunDir,
    session::Bounds,
};

use super::{
    Voice,
    recorder::{Kill, Recorder},
};

/// Longest that an inspection may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the words that permit to format the persistent memory of `machine`, none
/// where there is nothing to permit.
///
/// # Errors
///
/// Returns an error where the host fails.
pub(super) fn words(machine: &Machine, artifacts: &Artifacts, dir: &RunDir) -> Result<Vec<String>> {
    let mut inspected = machine.clone();
    inspected.gdb = false;
    inspected.medium = Medium::Direct {
        loader: artifacts.pvh.clone(),
        kernel: artifacts.kernel_elf.clone(),
        command_line: String::new(),
    };
    let bounds = Bounds {
        silence: Some(PATIENCE),
        total: Some(PATIENCE),
        boots: 1,
    };
    let mut recorder = Recorder::create(dir, Vec::new(), Voice::Quiet, Kill::AtPlan)?;
    super::watch(&inspected, dir, bounds, &mut recorder)?;
    let inspected = recorder.records.iter().filter_map(|record| match record {
        Record::Inspect(inspect) => Some(inspect),
        _ => None,
    });
    Ok(gather(inspected))
}

/// Puts the words for several ranges together: tokens add up, of lists of names
/// the last one wins.
fn gather<'r>(inspected: impl Iterator<Item = &'r Inspect>) -> Vec<String> {
    const OVERWRITE: &str = "pmem.overwrite=";
    let (mut words, mut names) = (Vec::new(), BTreeSet::new());
    for word in inspected.flat_map(|inspect| inspect.permit.split_whitespace()) {
        match word.strip_prefix(OVERWRITE) {
            Some(list) => names.extend(list.split(',')),
            None => words.push(word.to_owned()),
        }
    }
    if !names.is_empty() {
        let names: Vec<_> = names.into_iter().collect();
        words.push(format!("{OVERWRITE}{}", names.join(",")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(permit: &str) -> Inspect {
        Inspect {
            zone: "pmem0".into(),
            id: String::new(),
            content: "foreign".into(),
            marks: Vec::new(),
            adopted: false,
            permit: permit.into(),
        }
    }

    #[test]
    fn tokens_and_names_of_several_ranges_are_put_together() {
        let inspected = [
            inspect("pmem.format=1-1 pmem.overwrite=gpt,ext4"),
            inspect(""),
            inspect("pmem.format=2-2 pmem.overwrite=gpt,xfs"),
        ];
        assert_eq!(
            gather(inspected.iter()),
            [
                "pmem.format=1-1",
                "pmem.format=2-2",
                "pmem.overwrite=ext4,gpt,xfs"
            ]
        );
    }

    #[test]
    fn where_nothing_may_be_formatted_no_word_is_said() {
        assert_eq!(gather([inspect("")].iter()), [""; 0]);
    }
}
