//! Where things are in the work tree.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo says where the manifest is now; the program may have been built
    // before the tree was moved.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_owned)
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The short commit that last changed something below `paths`, which lie below the
/// root; none without git.
pub(crate) fn commit_of(paths: &[&str]) -> Option<String> {
    let log = ["log", "-1", "--format=%h", "--"];
    let output = Command::new("git")
        .current_dir(root())
        .args(log)
        .args(paths)
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!commit.is_empty()).then_some(commit)
}

/// What runs and tests leave behind.
pub(crate) fn output() -> PathBuf {
    target().join("perennial")
}
