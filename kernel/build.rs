//! Links the kernel freestanding, and tells it where it comes from.
//!
//! Every record of a run carries the commit and the toolchain, so they are fixed
//! here, when the image is made, as `PERENNIAL_COMMIT` and `PERENNIAL_TOOLCHAIN`. The
//! commit is the last one that changed what the kernel is made of: one that changes
//! the documentation makes the same image again, and what was counted of it stays true.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the kernel, seen from the workspace: a change there makes it dirty.
const SOURCES: [&str; 4] = ["kernel", "linker.ld", "Cargo.toml", "Cargo.lock"];

fn main() {
    let workspace = workspace();
    for source in SOURCES {
        println!(
            "cargo:rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    link(&workspace.join("linker.ld"));
    println!("cargo:rustc-env=PERENNIAL_COMMIT={}", commit(&workspace));
    println!("cargo:rustc-env=PERENNIAL_TOOLCHAIN={}", toolchain());
}

fn workspace() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    Path::new(&manifest)
        .parent()
        .expect("the kernel lies in the workspace")
        .to_owned()
}

fn link(script: &Path) {
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,norelro",
        "-Wl,--no-eh-frame-hdr",
        "-Wl,--orphan-handling=warn",
        &format!("-Wl,-T,{}", script.display()),
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}

/// The short commit that last changed a source, with `-dirty` if a source differs from
/// it; `unknown` without git.
fn commit(workspace: &Path) -> String {
    for log in ["HEAD", "logs/HEAD", "index"] {
        // A path that does not exist would make cargo run this script every time.
        if let Some(path) = git(workspace, &["rev-parse", "--git-path", log])
            .map(|path| workspace.join(path))
            .filter(|path| path.exists())
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    let of_sources = |words: &[&str]| git(workspace, &[words, &["--"], &SOURCES].concat());
    let commit = of_sources(&["log", "-1", "--format=%h"]).filter(|commit| !commit.is_empty());
    let Some(commit) = commit else {
        return "unknown".to_owned();
    };
    match of_sources(&["status", "--porcelain"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + "-dirty",
    }
}

fn git(workspace: &Path, args: &[&str]) -> Option<String> {
    // Without optional locks, so that building never disturbs a git command.
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .args(args)
        .current_dir(workspace)
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn toolchain() -> String {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc)
        .arg("-V")
        .output()
        .expect("rustc prints its version");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
