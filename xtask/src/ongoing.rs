//! Counts that go on where the last run stopped.
//!
//! Ten thousand crashes take hours, and a hundred million executions do: they are
//! done in parts. What is counted belongs to what it was counted of, the images of
//! a kernel or the program of a fuzzer: another one starts from nothing, in a file
//! of its own.

use std::{
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// How a command that takes hours is run in parts: it has an option `--full` besides.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Parts {
    /// With --full: end after so many minutes, to go on another time.
    #[arg(long, value_name = "MINUTES", requires = "full", requires = "state")]
    minutes: Option<u64>,
    /// Keep counts in this directory, and go on from those of the same images.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Run nothing: write what --state has of these images into `docs/reliability.md`.
    #[arg(long, requires = "state", conflicts_with = "full")]
    pub(crate) publish: bool,
}

impl Parts {
    /// Returns how long this part may take.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.minutes
            .map(|minutes| Duration::from_secs(60 * minutes))
    }
}

/// Counts of one subject, and the days on which they were made.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ongoing<C> {
    /// The counts.
    counts: C,
    /// The first and the last day.
    days: Option<(String, String)>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

impl<C: Default + Serialize + DeserializeOwned> Ongoing<C> {
    /// Reads what was counted of a subject, which is made of `files`; without a
    /// directory it starts from nothing and keeps nothing.
    ///
    /// # Errors
    ///
    /// Returns an error where a file can't be read or is not ours.
    pub(crate) fn open(dir: Option<&Path>, files: &[&Path]) -> Result<Self> {
        let Some(dir) = dir else {
            return Ok(Self::default());
        };
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let file = dir.join(format!("{}.json", identity(files)?));
        let mut ongoing = if file.exists() {
            let text = fs::read_to_string(&file)?;
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?
        } else {
            Self::default()
        };
        ongoing.file = Some(file);
        Ok(ongoing)
    }

    /// The counts.
    pub(crate) fn counts(&self) -> &C {
        &self.counts
    }

    /// Changes the counts, and writes them down.
    ///
    /// # Errors
    ///
    /// Returns an error where the file can't be written.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut C)) -> Result<()> {
        change(&mut self.counts);
        let today = today()?;
        let first = self
            .days
            .take()
            .map_or_else(|| today.clone(), |(first, _)| first);
        self.days = Some((first, today));
        let Some(file) = &self.file else {
            return Ok(());
        };
        // Others see the old or the new one.
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_string_pretty(self)?)?;
        fs::rename(&new, file).with_context(|| format!("writing {}", file.display()))
    }

    /// Says when the counts were made, if anything was counted.
    pub(crate) fn days(&self) -> Option<String> {
        self.days.as_ref().map(|(first, last)| match first == last {
            true => first.clone(),
            false => format!("{first} to {last}"),
        })
    }
}

/// Today's date in UTC.
fn today() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    let output = output.context("cannot run date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Identity of what the counts are of.
fn identity(files: &[&Path]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_for_the_same_subject_and_never_mix() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let subject = dir.path().join("subject");
        let open = |content: &str| -> Ongoing<u64> {
            fs::write(&subject, content).expect("writable");
            Ongoing::open(Some(dir.path()), &[&subject]).expect("readable")
        };
        for _ in 0..2 {
            let mut this = open("this");
            this.change(|count| *count += 7).expect("writable");
        }
        assert_eq!(*open("this").counts(), 14);
        assert!(open("this").days().is_some());
        assert_eq!(*open("that").counts(), 0);
        assert_eq!(open("that").days(), None);
    }
}
