//! The images: kernel, UEFI loader, PVH stub.
//!
//! They are built for the host target but without the red zone, because interrupts
//! use the same stack. Cargo builds them in invocations of their own: the flag
//! must reach every dependency, and features that only the host's programs want
//! must reach none. What is linked is inspected before anyone runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{inspect, pe, workspace};

/// Anyone with a stable toolchain on x86-64 Linux has this one installed.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Interrupts are taken on the stack in use and would overwrite a red zone.
const NO_RED_ZONE: &str = "-Cno-redzone=yes";

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// How the compiler optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What is run and measured.
    #[default]
    Release,
    /// Builds faster, with overflow checks; runs many times slower.
    Dev,
}

/// What to build.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuildOptions {
    /// How the compiler optimises.
    pub(crate) profile: Profile,
    /// A deliberate fault to compile in, as `cfg(mutant = "…")`.
    pub(crate) mutant: Option<String>,
}

/// The images, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifacts {
    /// The kernel, which every loader loads.
    pub(crate) kernel_elf: PathBuf,
    /// The loader for UEFI firmware, a PE image.
    pub(crate) efi: PathBuf,
    /// The loader for `qemu -kernel`.
    pub(crate) pvh: PathBuf,
}

impl Artifacts {
    /// Returns where [`build`] will put the images.
    pub(crate) fn expected(options: &BuildOptions) -> Self {
        let loaders = options.of_loaders().output();
        Self {
            kernel_elf: options.output().join("kernel"),
            efi: loaders.join("BOOTX64.EFI"),
            pvh: loaders.join("pvh"),
        }
    }
}

impl BuildOptions {
    /// Returns how the loaders are built: mutants are kernels, which the true loaders
    /// load.
    fn of_loaders(&self) -> Self {
        Self {
            mutant: None,
            ..self.clone()
        }
    }

    /// Returns where the images are put: mutants must not replace the true ones.
    fn target_dir(&self) -> PathBuf {
        match &self.mutant {
            None => workspace::target(),
            Some(name) => workspace::target().join(format!("mutant-{name}")),
        }
    }

    fn output(&self) -> PathBuf {
        self.target_dir()
            .join(TARGET)
            .join(self.profile.directory())
    }

    fn flags(&self) -> String {
        let mut flags = vec![NO_RED_ZONE.to_owned()];
        if let Some(name) = &self.mutant {
            flags.push(format!("--cfg=mutant=\"{name}\""));
        }
        flags.join(FLAG_SEPARATOR)
    }

    /// Returns the command that builds one package.
    fn cargo(&self, package: &str) -> Command {
        let mut cargo = cargo("build", package);
        cargo
            .args(["--profile", self.profile.name()])
            .arg("--target-dir")
            .arg(self.target_dir())
            // What the images are made of lies in one place, told apart by its flags:
            // what runs while building is the same for all of them.
            .env("CARGO_BUILD_BUILD_DIR", workspace::target())
            // Replaces any `RUSTFLAGS` of the environment; without `--target`,
            // build scripts would get the flags too.
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags());
        cargo
    }
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }
}

/// Builds kernel and loaders, and inspects them.
///
/// # Errors
///
/// If cargo fails, or an image is not what it must be.
pub(crate) fn build(options: &BuildOptions) -> Result<Artifacts> {
    let artifacts = Artifacts::expected(options);
    let loaders = options.of_loaders();
    run(&mut options.cargo("kernel"))?;
    run(&mut loaders.cargo("boot"))?;
    let loader = loaders.output().join("efi");
    let image = pe::from_elf(&read(&loader)?)
        .with_context(|| format!("converting {} to a PE image", loader.display()))?;
    replace(&artifacts.efi, &image)?;
    inspect::images(&artifacts)?;
    Ok(artifacts)
}

/// Lints the packages that only make sense without an operating system, and the
/// tests of what the loaders share, which run on the host.
///
/// # Errors
///
/// If clippy has anything to say.
pub(crate) fn lint() -> Result<()> {
    for package in ["kernel", "boot"] {
        let mut clippy = cargo("clippy", package);
        clippy.env("CARGO_ENCODED_RUSTFLAGS", NO_RED_ZONE).args([
            "--release",
            "--",
            "-D",
            "warnings",
        ]);
        run(&mut clippy)?;
    }
    let mut clippy = cargo("clippy", "boot");
    clippy.args(["--lib", "--tests", "--", "-D", "warnings"]);
    run(&mut clippy)
}

fn cargo(subcommand: &str, package: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(workspace::root()).args([
        subcommand,
        "--quiet",
        "--package",
        package,
        "--target",
        TARGET,
    ]);
    cargo
}

fn run(command: &mut Command) -> Result<()> {
    let line = crate::shell::line(command);
    let status = command
        .status()
        .with_context(|| format!("starting {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// Writes a file that others may be reading: they see the old or the new one.
fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    let write = || -> Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(dir)?;
        std::io::Write::write_all(&mut new, bytes)?;
        new.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant() -> BuildOptions {
        BuildOptions {
            mutant: Some("get_forgets_bit".to_owned()),
            ..BuildOptions::default()
        }
    }

    #[test]
    fn a_mutant_is_compiled_in_and_kept_apart() {
        assert_eq!(
            mutant().flags(),
            "-Cno-redzone=yes\u{1f}--cfg=mutant=\"get_forgets_bit\""
        );
        let true_one = BuildOptions::default();
        let (mutants, true_ones) = (
            Artifacts::expected(&mutant()),
            Artifacts::expected(&true_one),
        );
        assert_ne!(mutants.kernel_elf, true_ones.kernel_elf);
        assert_eq!(
            (mutants.efi, mutants.pvh),
            (true_ones.efi, true_ones.pvh),
            "loaders have no mutants"
        );
        assert!(!true_one.flags().contains("cfg"));
    }

    #[test]
    fn every_image_is_built_without_the_red_zone() {
        for package in ["kernel", "boot"] {
            let command = mutant().cargo(package);
            let flags = command
                .get_envs()
                .find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS")
                .and_then(|(_, value)| value?.to_str().map(str::to_owned));
            assert!(flags.is_some_and(|flags| flags.contains(NO_RED_ZONE)));
            assert!(command.get_args().any(|arg| arg == "--target"));
        }
    }
}
