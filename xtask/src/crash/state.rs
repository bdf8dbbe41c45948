//! Counts that go on where the last run stopped.
//!
//! Ten thousand cycles take hours, in parts. What is counted belongs to one image
//! of the kernel: another one starts from nothing, in a file of its own.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::build::Artifacts;

use super::tally::Tally;

/// The counts of one image.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Counts by the name of the series.
    pub(super) tallies: BTreeMap<String, Tally>,
    /// The days of the first and of the last cycle.
    #[serde(default)]
    days: Option<(String, String)>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

impl State {
    /// Starts from nothing and keeps nothing.
    pub(super) fn forgetful() -> Self {
        Self::default()
    }

    /// Reads what was counted of these images, if anything was.
    ///
    /// # Errors
    ///
    /// Returns an error where the file can't be read or is not ours.
    pub(super) fn open(dir: &Path, artifacts: &Artifacts) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let file = dir.join(format!("{}.json", identity(artifacts)?));
        let mut state = if file.exists() {
            let text = fs::read_to_string(&file)?;
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?
        } else {
            Self::default()
        };
        state.file = Some(file);
        Ok(state)
    }

    /// Adds counts, and writes them down.
    ///
    /// # Errors
    ///
    /// Returns an error where the file can't be written.
    pub(super) fn add(&mut self, series: &str, tally: &Tally) -> Result<()> {
        let counted = self.tallies.entry(series.to_owned()).or_default();
        counted.merge(tally);
        let today = today()?;
        let first = self.days.take().map_or(today.clone(), |(first, _)| first);
        self.days = Some((first, today));
        let Some(file) = &self.file else {
            return Ok(());
        };
        // Others see the old or the new one.
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_string_pretty(self)?)?;
        fs::rename(&new, file).with_context(|| format!("writing {}", file.display()))
    }

    /// Says which kernel was broken, and when.
    pub(super) fn provenance(&self) -> String {
        let commit = self
            .tallies
            .values()
            .find_map(|tally| tally.commit.as_ref());
        let commit = commit.map_or("unknown", String::as_str);
        match &self.days {
            Some((first, last)) if first == last => format!("Kernel of commit {commit}, {first}."),
            Some((first, last)) => format!("Kernel of commit {commit}, {first} to {last}."),
            None => "Nothing was counted of this kernel yet.".into(),
        }
    }

    /// Returns how many cycles were counted of a series.
    pub(super) fn cycles(&self, series: &str) -> u64 {
        self.tallies.get(series).map_or(0, |tally| tally.cycles)
    }
}

/// Today's date in UTC.
fn today() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    let output = output.context("cannot run date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Identity of the images.
fn identity(artifacts: &Artifacts) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in [&artifacts.kernel_elf, &artifacts.pvh, &artifacts.efi] {
        let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(dir: &Path, kernel: &str) -> Artifacts {
        let write = |name: &str, bytes: &str| {
            let path = dir.join(name);
            fs::write(&path, bytes).expect("writable");
            path
        };
        Artifacts {
            kernel_elf: write("kernel", kernel),
            efi: write("efi", "efi"),
            pvh: write("pvh", "pvh"),
        }
    }

    #[test]
    fn counts_go_on_for_the_same_image_and_never_mix() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let one = Tally {
            cycles: 7,
            ..Tally::default()
        };
        let open = |kernel| State::open(dir.path(), &images(dir.path(), kernel)).expect("readable");
        open("this").add("kill", &one).expect("writable");
        open("this").add("kill", &one).expect("writable");
        assert_eq!(open("this").cycles("kill"), 14);
        assert_eq!(open("this").cycles("reset"), 0);
        assert_eq!(open("that").cycles("kill"), 0);
        assert!(open("this").provenance().contains("commit unknown, 2"));
        assert!(open("that").provenance().starts_with("Nothing"));
    }
}
