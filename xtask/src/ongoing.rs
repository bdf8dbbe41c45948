//! Counts that go on where the last run stopped.
//!
//! Ten thousand crashes take hours, and a hundred million executions do: they are
//! done in parts, on several machines or one. What is counted belongs to what it was
//! counted of, the images of a kernel or the program of a fuzzer: another one starts
//! from nothing, in a file of its own.

use std::{
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use object::{
    Object as _, ObjectSection as _, elf,
    endian::LittleEndian as LE,
    read::elf::{ElfFile64, SectionHeader as _},
};
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
        let is_elf = bytes.starts_with(&elf::ELFMAG);
        if is_elf {
            hash_loaded(&bytes, &mut hasher)
                .with_context(|| format!("reading {}", file.display()))?;
        } else {
            hasher.write(&bytes);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Hashes what is loaded of an ELF file: the rest says where its sources lay, and a
/// program is the same one wherever it was built.
fn hash_loaded(file: &[u8], hasher: &mut DefaultHasher) -> Result<()> {
    let elf = ElfFile64::<LE>::parse(file)?;
    hasher.write_u64(elf.entry());
    for section in elf.sections() {
        if section
            .elf_section_header()
            .sh_flags(LE)
            .contains(elf::SHF_ALLOC)
        {
            hasher.write_u64(section.address());
            hasher.write_u64(section.size());
            hasher.write(section.data()?);
        }
    }
    Ok(())
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

    #[test]
    fn a_program_is_the_same_one_wherever_its_sources_lay() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let identity = |code: &[u8], directory: &[u8]| {
            let file = dir.path().join("program");
            fs::write(&file, program(code, directory)).expect("writable");
            identity(&[&file]).expect("an ELF file")
        };
        let here = identity(b"code", b"/here");
        assert_eq!(here, identity(b"code", b"/somewhere/else"));
        assert_ne!(here, identity(b"more", b"/here"));
    }

    /// An ELF file of code that is loaded, and debug information that is not.
    fn program(code: &[u8], directory: &[u8]) -> Vec<u8> {
        use object::{Architecture, BinaryFormat, Endianness, SectionKind, write};
        let mut object =
            write::Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let parts = [
            (".text", SectionKind::Text, code),
            (".debug_str", SectionKind::Debug, directory),
        ];
        for (name, kind, content) in parts {
            let section = object.add_section(Vec::new(), name.into(), kind);
            object.append_section_data(section, content, 1);
        }
        object.write().expect("a small file")
    }
}
