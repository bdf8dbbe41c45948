//! Mistakes in the shipped code, each of which must be found.
//!
//! A mutant is the allocator with one step removed, weakened or moved; see its module
//! `mutant`. The same program that tries the shipped code is built around all of them,
//! makes one mistake at a time, and runs until it finds a violation. One that survives
//! is a hole in what is tried.

use std::process::ExitCode;

use anyhow::Result;

use super::{Program, try_all};
use crate::page::Part;

/// Names, and what is wrong.
const MUTANTS: &[(&str, &str)] = &[
    ("get_forgets_bit", "bits of a taken block are not set"),
    ("get_skips_flush", "bits of a taken block are not flushed"),
    (
        "get_huge_skips_flush",
        "the entry of a taken huge frame is not flushed",
    ),
    (
        "group_undone_is_returned",
        "a block of several words is handed out after its words were given back",
    ),
    ("put_skips_flush", "cleared bits are not flushed"),
    (
        "put_skips_freeing",
        "a returned huge frame can be taken before that is durable",
    ),
    (
        "split_has_no_winner",
        "two processors split a huge frame at once",
    ),
    (
        "split_skips_bits_flush",
        "the bits of a split are not durable before its state",
    ),
    (
        "split_skips_state_flush",
        "the state of a split is not durable before the first free",
    ),
    ("fence_is_missing", "flushes are not waited for"),
    (
        "claim_ignores_counts",
        "a row is taken although the counts promise less",
    ),
    (
        "claim_without_announcement",
        "a row is taken before that is written down",
    ),
    (
        "claim_keeps_head",
        "the mask of a record changes under its old row",
    ),
    (
        "return_by_store",
        "a row is returned by a load and a store, which is no barrier either",
    ),
    (
        "return_forgets_first",
        "a row is forgotten before it is returned",
    ),
    (
        "return_without_state",
        "a row is returned while it still counts as held",
    ),
    ("recover_skips_recount", "recovery believes counts"),
    (
        "recover_frees_announced",
        "recovery frees rows that were only announced",
    ),
    (
        "recover_keeps_held",
        "recovery forgets what processors held",
    ),
    (
        "recover_lists_nothing",
        "recovery does not list what is uncertain",
    ),
    (
        "recover_forgets_first",
        "recovery clears a record before it has acted on it",
    ),
    (
        "recover_keeps_bits",
        "recovery leaves bits in whole huge frames",
    ),
    (
        "recover_doubts_offline",
        "recovery doubts frames of a huge frame that is offline",
    ),
    (
        "recover_counts_splitting",
        "recovery counts the bits of a split that was not finished",
    ),
    (
        "get_giant_skips_flush",
        "the word of a taken giant frame is not flushed",
    ),
    (
        "put_huge_skips_flush",
        "that a huge frame is on its way back is not flushed",
    ),
    (
        "put_giant_skips_flush",
        "that a giant frame is free is not flushed before parts of it can be taken",
    ),
    (
        "split_giant_skips_members_flush",
        "the members of a giant frame are not durable before it is split",
    ),
    (
        "split_giant_skips_state_flush",
        "that a giant frame is split is not durable before the first free",
    ),
    (
        "split_giant_ends_first",
        "the end of a giant frame is durable before its huge frames are",
    ),
    (
        "offline_skips_flush",
        "that a huge frame is offline is not flushed",
    ),
    (
        "online_skips_flush",
        "a huge frame that was offline can be taken before that is durable",
    ),
    (
        "claim_skips_order",
        "the name of a row does not come before its bits",
    ),
    (
        "claim_skips_flush",
        "the bits of a row are not flushed before its frames are handed out",
    ),
    ("name_skips_flush", "the name of a row is not flushed"),
    (
        "return_skips_flush",
        "a row loses its name before its bits are durable",
    ),
    (
        "booking_skips_flush",
        "a reservation is not written down before its bits are set",
    ),
    (
        "booking_is_owned_first",
        "a reservation is written down as done before it is",
    ),
    (
        "publish_skips_flush",
        "the bits of published blocks are not flushed",
    ),
    (
        "cancel_keeps_bookings",
        "a cancelled reservation stays written down",
    ),
    ("sync_skips_flush", "a sync does not flush what waits"),
    (
        "sync_skips_fence",
        "a sync does not wait for what it flushes",
    ),
    ("create_forgets_tail", "frames behind the last one are free"),
    (
        "recover_forgets_tail",
        "recovery believes bits behind the last frame",
    ),
    (
        "recover_counts_members",
        "recovery counts the bits of a giant frame that is being split",
    ),
    (
        "recover_skips_flush",
        "recovery forgets giant frames before its repairs are durable",
    ),
];

/// Where the table is.
const PART: Part = Part {
    name: "mutants",
    command: "cargo xtask prove --mutants",
};

/// Tries every mutant.
///
/// # Errors
///
/// Returns an error where the mutants could not be built or tried.
pub(super) fn main() -> Result<ExitCode> {
    let program = Program::mutants()?;
    let mut table = "| mutant | what is wrong | found by | as |\n|---|---|---|---|\n".to_owned();
    let mut survivors = 0;
    for &(name, what) in MUTANTS {
        let flags = ["--mutant", name, "--until-killed"].map(str::to_owned);
        let output = try_all(&program, &flags, &|_| Ok(()))?;
        let (by, fault) = match output.violations.first() {
            Some(violation) => (violation.scenario.as_str(), violation.what.as_str()),
            None => ("**nothing**", ""),
        };
        survivors += usize::from(output.violations.is_empty());
        println!("{name:28} {by}: {fault}");
        table += &format!("| `{name}` | {what} | {by} | {} |\n", plain(fault));
    }
    println!(
        "{} of {} mutants killed",
        MUTANTS.len() - survivors,
        MUTANTS.len()
    );
    PART.write(&table)?;
    Ok(ExitCode::from(u8::from(survivors > 0)))
}

/// Returns what a violation begins with, without anything that a table minds.
fn plain(fault: &str) -> String {
    let words = fault.split(';').next().unwrap_or_default();
    words.replace('|', "/")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::workspace;

    /// Collects the mutants that sources under a folder mention.
    fn mentioned(folder: &Path, into: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("sources can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                mentioned(&path, into);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let parts = text.split("mutant!(\"").skip(1);
                into.extend(
                    parts.filter_map(|part| part.split_once('"').map(|(name, _)| name.to_owned())),
                );
            }
        }
    }

    #[test]
    fn every_mutant_of_the_allocator_is_tried_and_exists() {
        let mut found = BTreeSet::new();
        mentioned(
            &workspace::root().join("kernel/libs/llfree/src"),
            &mut found,
        );
        let listed: BTreeSet<_> = MUTANTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn the_page_has_a_place_for_the_table() {
        assert!(PART.exists());
    }
}
