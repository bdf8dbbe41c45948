//! The programs and files that a run needs and cargo does not provide.
//!
//! QEMU is looked for on the path, UEFI firmware where the distributions put it.
//! What is missing is an error that names the package and the command that
//! installs it, because that is the next thing that a person has to know.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Names another QEMU than the one on the path.
const QEMU_VARIABLE: &str = "PERENNIAL_QEMU";

/// Names another firmware image, code and variables in one.
const OVMF_VARIABLE: &str = "PERENNIAL_OVMF";

const QEMU: &str = "qemu-system-x86_64";

/// The first QEMU whose `set-action` a session can rely on.
const OLDEST_QEMU: u32 = 6;

/// Firmware images with code and variables in one file.
const COMBINED: [&str; 6] = [
    "/usr/share/ovmf/OVMF.fd",
    "/usr/share/OVMF/OVMF.fd",
    "/usr/share/edk2/x64/OVMF.4m.fd",
    "/usr/share/edk2-ovmf/x64/OVMF.fd",
    "/usr/share/qemu/OVMF.fd",
    "/usr/share/qemu/ovmf-x86_64.bin",
];

/// Firmware images with the code alone; variables then live in memory.
const CODE_ONLY: [&str; 5] = [
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_CODE.fd",
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
    "/usr/share/qemu/edk2-x86_64-code.fd",
];

/// UEFI firmware for a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// Code and variables in one image, loaded as a BIOS: starts fastest.
    Combined(PathBuf),
    /// The code alone, which must be flash.
    CodeOnly(PathBuf),
}

/// Something that is not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The emulator.
    Qemu,
    /// UEFI firmware for it.
    Ovmf,
    /// A compiler for the fuzzing engine.
    Cxx,
}

impl Missing {
    /// The Debian package, which is also Ubuntu's.
    pub(crate) fn debian_package(self) -> &'static str {
        match self {
            Self::Qemu => "qemu-system-x86",
            Self::Ovmf => "ovmf",
            Self::Cxx => "g++",
        }
    }

    /// The packages of other distributions.
    pub(crate) fn other_packages(self) -> &'static str {
        match self {
            Self::Qemu => "Fedora: qemu-system-x86-core, Arch: qemu-system-x86, openSUSE: qemu-x86",
            Self::Ovmf => "Fedora and Arch: edk2-ovmf, openSUSE: qemu-ovmf-x86_64",
            Self::Cxx => "Fedora and openSUSE: gcc-c++, Arch: gcc",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Qemu => "QEMU (qemu-system-x86_64)",
            Self::Ovmf => "UEFI firmware for QEMU (OVMF)",
            Self::Cxx => "A C++ compiler (c++), which the fuzzing engine is built with,",
        };
        write!(
            f,
            "{what} is missing. Install it with `apt-get install {}` or the flag --install \
             ({}).",
            self.debian_package(),
            self.other_packages(),
        )
    }
}

impl std::error::Error for Missing {}

/// Returns the QEMU to use.
///
/// # Errors
///
/// Returns [`Missing::Qemu`] where there is none, and another error for one that
/// is too old or does not run.
pub(crate) fn qemu() -> Result<PathBuf> {
    let program = match env::var_os(QEMU_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => find_on_path(QEMU).ok_or(Missing::Qemu)?,
    };
    let output = Command::new(&program).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(major) = major_version(&text) else {
        bail!(
            "{} --version says {text:?}, not a QEMU's version",
            program.display()
        );
    };
    ensure!(
        major >= OLDEST_QEMU,
        "{} is version {major}; version {OLDEST_QEMU} or newer is needed",
        program.display()
    );
    Ok(program)
}

/// Returns the UEFI firmware to use.
///
/// # Errors
///
/// Returns [`Missing::Ovmf`] where there is none.
pub(crate) fn firmware() -> Result<Firmware> {
    if let Some(path) = env::var_os(OVMF_VARIABLE) {
        return Ok(Firmware::Combined(PathBuf::from(path)));
    }
    let first = |paths: &[&str]| {
        let found = paths.iter().find(|path| Path::new(path).exists());
        found.map(PathBuf::from)
    };
    let combined = first(&COMBINED).map(Firmware::Combined);
    let found = combined.or_else(|| first(&CODE_ONLY).map(Firmware::CodeOnly));
    Ok(found.ok_or(Missing::Ovmf)?)
}

/// Makes sure that there is a C++ compiler.
///
/// # Errors
///
/// Returns [`Missing::Cxx`] where there is none.
pub(crate) fn cxx() -> Result<()> {
    let named = env::var_os("CXX").is_some();
    let found = named || find_on_path("c++").is_some();
    ensure!(found, Missing::Cxx);
    Ok(())
}

/// Returns where `program` is on the path.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// The number before the first dot in "QEMU emulator version 7.2.22 (…)".
fn major_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("version ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(major_version(debian), Some(7));
        assert_eq!(major_version("QEMU emulator version 10.0.2"), Some(10));
        assert_eq!(major_version("command not found"), None);
    }

    #[test]
    fn what_is_missing_is_named_with_its_package_and_the_command() {
        let message = Missing::Ovmf.to_string();
        for part in ["OVMF", "apt-get install ovmf", "--install", "Fedora"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}
