//! The directories that runs leave behind.
//!
//! Each run has a directory of its own, so that a second one at the same time,
//! or the next, takes nothing from the first; `latest` points to the newest.
//! Only the last few are kept: a failed run may hold a gibibyte of persistent
//! memory for the post-mortem.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};

/// How many runs are kept, the newest included.
const KEPT: usize = 8;

/// The directory of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory of a new run in `parent` and points `latest` to it.
    ///
    /// # Errors
    ///
    /// Returns an error where the file system refuses.
    pub(crate) fn create(parent: &Path) -> Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        // Names sort by age; the process tells runs of the same instant apart.
        let name = format!("{}-{}", since.as_millis(), std::process::id());
        let path = parent.join(&name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        point_latest(parent, &name).context("cannot point `latest` to the run")?;
        prune(parent)?;
        Ok(Self { path })
    }

    /// The path of the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Replaces the link in one step, so that it never points nowhere.
fn point_latest(parent: &Path, name: &str) -> io::Result<()> {
    let new = parent.join(format!(".latest-{}", std::process::id()));
    let _absent = fs::remove_file(&new);
    symlink(name, &new)?;
    fs::rename(&new, parent.join("latest"))
}

/// Removes all but the newest runs.
fn prune(parent: &Path) -> Result<()> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_run = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()));
        if is_run && entry.file_type()?.is_dir() {
            runs.push(entry.path());
        }
    }
    runs.sort();
    let excess = runs.len().saturating_sub(KEPT);
    for run in &runs[..excess] {
        fs::remove_dir_all(run).with_context(|| format!("cannot remove {}", run.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_points_to_the_newest_and_old_runs_go() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let stranger = parent.path().join("notes");
        fs::create_dir(&stranger).expect("writable");
        let mut last = None;
        for _ in 0..KEPT + 3 {
            last = Some(RunDir::create(parent.path()).expect("writable"));
            // Names have a resolution of one millisecond.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let last = last.expect("one at least");
        let latest = parent.path().join("latest");
        assert_eq!(latest.canonicalize().ok(), last.path().canonicalize().ok());
        let entries = fs::read_dir(parent.path()).expect("readable").count();
        assert_eq!(entries, KEPT + ["latest", "notes"].len());
        assert!(stranger.exists());
    }
}
