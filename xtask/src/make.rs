//! `cargo xtask build` and `cargo xtask image`: files, and nothing is run.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use crate::{
    build::{self, BuildOptions, Profile},
    image,
};

/// Build and inspect the images, and say where they are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// Build faster and with overflow checks; what is run and measured is release.
    #[arg(long)]
    dev: bool,
}

/// Write the disk image for a USB stick.
///
/// Copy it to the whole stick, not to a partition: `dd if=perennial.img
/// of=/dev/sdX bs=1M`. The command line is the file
/// `perennial/command-line.txt` on it and can be edited there.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImageArgs {
    /// Where to.
    #[arg(long, value_name = "FILE", default_value = "perennial.img")]
    out: PathBuf,
    /// What the command line on it says. Nothing is formatted unless it says so.
    #[arg(long, value_name = "WORDS", default_value = "")]
    command_line: String,
}

/// Runs `build`.
///
/// # Errors
///
/// Returns an error where the build fails or its result is not what it must be.
pub(crate) fn build(args: &BuildArgs) -> Result<ExitCode> {
    let profile = if args.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    let artifacts = build::build(&BuildOptions {
        profile,
        mutant: None,
    })?;
    println!("kernel  {}", artifacts.kernel_elf.display());
    println!("UEFI    {}", artifacts.efi.display());
    println!("PVH     {}", artifacts.pvh.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs `image`.
///
/// # Errors
///
/// Returns an error where the build fails or the file cannot be written.
pub(crate) fn image(args: &ImageArgs) -> Result<ExitCode> {
    let artifacts = build::build(&BuildOptions::default())?;
    let text = format!(
        "# Perennial's command line; `#` starts a comment.\n{}\n",
        args.command_line
    );
    image::write(&artifacts, &text, &args.out)?;
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
