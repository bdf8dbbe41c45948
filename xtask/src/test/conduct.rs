//! Conducts trials: files before, runs, claims after.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File},
    hash::{DefaultHasher, Hasher as _},
    io::{Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::{
    build::Artifacts,
    run::{self, Mutant, Voice},
    workspace,
};

use super::{
    claims::Evidence,
    linker, specimen,
    trial::{Content, Damage, Step, Table, Trial},
};

/// Size of the files that trials bring along.
const FILE_LEN: u64 = 128 << 20;

/// What conducting trials needs, once for all of them.
#[derive(Default)]
pub(super) struct Conductor {
    /// The images by mutation, built when they are first needed.
    images: Mutex<HashMap<Option<Mutant>, Artifacts>>,
}

/// The command line of a step.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: run::Args,
}

/// Returns the flags that `line` stands for, with these for `{file}` and `{table}`.
///
/// # Errors
///
/// Returns an error where `cargo xtask run` would not accept them.
pub(super) fn args(line: &str, file: &Path, table: &Path) -> Result<run::Args> {
    let words = line.split_whitespace().map(|word| match word {
        "{file}" => file.as_os_str(),
        "{table}" => table.as_os_str(),
        _ => OsStr::new(word),
    });
    let line = Line::try_parse_from(std::iter::once(OsStr::new("run")).chain(words))?;
    line.args.check()?;
    Ok(line.args)
}

impl Conductor {
    /// Conducts a trial.
    ///
    /// # Errors
    ///
    /// Returns an error where a step ends otherwise or a claim does not hold; it
    /// names the directory with the logs.
    pub(super) fn conduct(&self, trial: &Trial) -> Result<()> {
        let dir = workspace::output().join("test").join(trial.name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let file = dir.join("pmem.img");
        make(&file, trial.file)?;
        let table = dir.join("table");
        match trial.table {
            Some(Table::Nfit(nfit)) => fs::write(&table, nfit.table(FILE_LEN))?,
            Some(Table::Madt(madt)) => linker::write(&madt.tables(), &table)?,
            None => {}
        }
        for (number, step) in trial.steps.iter().enumerate() {
            let logs = dir.join(format!("step{}", number + 1));
            let outcome = self.step(step, &file, &table, &logs);
            outcome.with_context(|| format!("see {}", logs.join("latest").display()))?;
        }
        // What a trial that held leaves behind is its logs.
        if trial.file != Content::None {
            fs::remove_file(&file)?;
        }
        Ok(())
    }

    fn step(&self, step: &Step, file: &Path, table: &Path, logs: &Path) -> Result<()> {
        let args = args(step.line, file, table)?;
        let artifacts = self.images(&args)?;
        hurt(file, step.damage)?;
        let before = digest(file)?;
        let report = run::execute(&args, &artifacts, logs, Voice::Quiet)?;
        if !step.ends.is(&report.outcome) {
            bail!("must end with {:?}; {}", step.ends, report.outcome);
        }
        let console = fs::read(report.dir.file("serial.log"))?;
        let evidence = Evidence {
            records: &report.records,
            judgements: &report.judgements,
            console: &String::from_utf8_lossy(&console),
            before,
            after: digest(file)?,
        };
        for claim in step.claims {
            if let Err(found) = evidence.check(*claim) {
                bail!("claimed {claim}; {found}");
            }
        }
        Ok(())
    }

    /// Builds the images for `args`, or returns them where they are built.
    fn images(&self, args: &run::Args) -> Result<Artifacts> {
        // A poisoned map has only complete entries.
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let mutant = args.tests.mutant;
        if let Some(artifacts) = images.get(&mutant) {
            return Ok(artifacts.clone());
        }
        let artifacts = run::build(args)?;
        images.insert(mutant, artifacts.clone());
        Ok(artifacts)
    }
}

/// Makes a file with this content.
fn make(path: &Path, content: Content) -> Result<()> {
    if content == Content::None {
        return Ok(());
    }
    let mut file = File::create(path)?;
    file.set_len(FILE_LEN)?;
    match content {
        Content::None | Content::Blank => {}
        Content::Foreign => {
            let chunk: Vec<u8> = (0..1 << 20).map(foreign_byte).collect();
            for _ in 0..FILE_LEN >> 20 {
                file.write_all(&chunk)?;
            }
        }
        Content::Specimen(name, place) => specimen::lay(name, place, &file)?,
    }
    Ok(())
}

/// Damages a file.
fn hurt(path: &Path, damage: Damage) -> Result<()> {
    const FRAME: u64 = 4096;
    /// A byte of the geometry.
    const INSIDE: u64 = 100;
    if damage == Damage::None {
        return Ok(());
    }
    let file = File::options().read(true).write(true).open(path)?;
    let last = file.metadata()?.len() - FRAME;
    let erase = |at| file.write_all_at(&[0; 4096], at);
    let flip = |at| -> Result<()> {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        Ok(file.write_all_at(&[!byte[0]], at)?)
    };
    match damage {
        Damage::None => {}
        Damage::First => erase(0)?,
        Damage::Last => erase(last)?,
        Damage::Both => {
            flip(INSIDE)?;
            flip(last + INSIDE)?;
        }
    }
    Ok(())
}

/// Bytes that look like data: every value occurs, and no page is blank.
fn foreign_byte(index: u32) -> u8 {
    let [_, _, byte, _] = index.wrapping_mul(2_654_435_761).to_le_bytes();
    byte
}

/// A digest of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// Of its first 2 MiB.
    pub(super) start: u64,
    /// Of all of it.
    pub(super) whole: u64,
}

/// A digest of a file's content, or `None` where there is no file.
fn digest(path: &Path) -> Result<Option<Digest>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 2 << 20];
    let mut hasher = DefaultHasher::new();
    file.read_exact(&mut chunk)?;
    hasher.write(&chunk);
    let start = hasher.finish();
    loop {
        match file.read(&mut chunk)? {
            0 => {
                let whole = hasher.finish();
                return Ok(Some(Digest { start, whole }));
            }
            len => hasher.write(&chunk[..len]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_notices_one_byte_of_a_foreign_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        make(&path, Content::Foreign).expect("writable");
        let before = digest(&path).expect("readable");
        let mut bytes = fs::read(&path).expect("readable");
        assert_eq!(bytes.len() as u64, FILE_LEN);
        bytes[77_777_777] ^= 1;
        fs::write(&path, bytes).expect("writable");
        assert_ne!(digest(&path).expect("readable"), before);
    }

    #[test]
    fn no_page_of_foreign_content_is_blank() {
        let chunk: Vec<u8> = (0..1 << 20).map(foreign_byte).collect();
        assert!(
            chunk
                .chunks(4096)
                .all(|page| page.iter().any(|byte| *byte != 0))
        );
    }

    #[test]
    fn what_run_would_not_accept_is_an_error() {
        let flags = |line| args(line, Path::new("a file"), Path::new("a table"));
        assert!(flags("--quick --boot floppy").is_err());
        assert!(flags("--pmem none --pmem 1G").is_err());
        let accepted = flags("--boot pvh --pmem-file {file} --acpitable {table}");
        let accepted = accepted.expect("both are paths");
        assert_eq!(accepted.pmem_file.as_deref(), Some(Path::new("a file")));
        assert_eq!(accepted.tests.acpitable, [Path::new("a table")]);
    }
}
