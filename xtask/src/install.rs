//! `--install`: fetches what is missing, and says so first.
//!
//! Nothing is installed that is there already, and nothing without the flag.
//! Where there is no apt the packages are named instead: a package manager is
//! the last thing that should be guessed at. Afterwards everything is looked for
//! again, since an installation that succeeded may still not have helped.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::tools::{self, Missing};

/// Installs what a run needs and does not find.
///
/// # Errors
///
/// Returns an error where there is no apt, where it fails, and where something
/// is still missing afterwards.
pub(crate) fn install() -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|tool| tool.debian_package()).collect();
    if tools::find_on_path("apt-get").is_none() {
        let others: Vec<_> = missing.iter().map(|tool| tool.other_packages()).collect();
        bail!(
            "there is no apt-get here; install by hand, by Debian's names: {} ({})",
            packages.join(", "),
            others.join("; ")
        );
    }
    println!(
        "install: {} from the distribution, with apt-get",
        packages.join(", ")
    );
    apt(&["update"])?;
    apt(&[
        &["install", "--yes", "--no-install-recommends"],
        &packages[..],
    ]
    .concat())?;
    match self::missing()?.first() {
        Some(still) => Err(anyhow::Error::new(*still)).context("still missing after installation"),
        None => Ok(()),
    }
}

/// Returns what is missing.
fn missing() -> Result<Vec<Missing>> {
    let checks = [
        tools::qemu().err(),
        tools::firmware().err(),
        tools::cxx().err(),
    ];
    let mut missing = Vec::new();
    for error in checks.into_iter().flatten() {
        missing.push(error.downcast::<Missing>()?);
    }
    Ok(missing)
}

/// Runs apt-get, through sudo unless we are root already.
fn apt(args: &[&str]) -> Result<()> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        ensure!(
            tools::find_on_path("sudo").is_some(),
            "neither root nor sudo; run as root: apt-get {}",
            args.join(" ")
        );
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    println!("install: {}", crate::shell::line(&command));
    let status = command.status().context("cannot run apt-get")?;
    ensure!(status.success(), "apt-get {}: {status}", args.join(" "));
    Ok(())
}
