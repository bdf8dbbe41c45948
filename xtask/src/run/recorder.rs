//! Keeps what the guest says, and judges its persistent files when it stands still.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use record::{LineError, Record};

use crate::{results::RunDir, session::Observer};

use super::judgement::{self, HostJudgement};

/// Where the guest's words go besides the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Commentary is shown as it comes; records are for the files.
    Terminal,
    /// Nothing is shown.
    Quiet,
}

/// Keeps what the guest says.
pub(super) struct Recorder {
    voice: Voice,
    serial: BufWriter<File>,
    lines: BufWriter<File>,
    files: Vec<PathBuf>,
    kill: Kill,
    pauses: u32,
    /// Every record, in order.
    pub(super) records: Vec<Record>,
    /// What the host found in the files at each pause.
    pub(super) judgements: Vec<HostJudgement>,
}

/// When QEMU is to be killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kill {
    /// Not at all.
    Never,
    /// So long after so many recovered crashes.
    After {
        /// Crashes to wait for.
        crashes: u32,
        /// How long to wait then, in the middle of the next cycle's work.
        delay: Duration,
    },
    /// At the first record: the guest boots, which is all that was asked.
    AtFirstRecord,
    /// Once the guest has said what its persistent memory holds, and before it
    /// works on it.
    AtPlan,
    /// At this instant.
    At(Instant),
}

impl Recorder {
    /// Opens the files in `dir`; `files` are the persistent ones to judge.
    pub(super) fn create(
        dir: &RunDir,
        files: Vec<PathBuf>,
        voice: Voice,
        kill: Kill,
    ) -> Result<Self> {
        let open = |name| {
            let path = dir.file(name);
            let file = File::create(&path);
            file.map(BufWriter::new)
                .with_context(|| format!("cannot make {}", path.display()))
        };
        Ok(Self {
            voice,
            serial: open("serial.log")?,
            lines: open("records.jsonl")?,
            files,
            kill,
            pauses: 0,
            records: Vec::new(),
            judgements: Vec::new(),
        })
    }

    /// Writes what is still buffered.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.serial.flush()?;
        self.lines.flush()?;
        Ok(())
    }

    fn keep(&mut self, record: &Record) -> Result<()> {
        writeln!(self.lines, "{}", serde_json::to_string(record)?)?;
        self.records.push(record.clone());
        match self.kill {
            Kill::After { crashes: 1, delay } if matches!(record, Record::Crash(_)) => {
                self.kill = Kill::At(Instant::now() + delay);
            }
            Kill::After { crashes, delay } if matches!(record, Record::Crash(_)) => {
                let crashes = crashes - 1;
                self.kill = Kill::After { crashes, delay };
            }
            Kill::AtPlan if matches!(record, Record::Plan(_)) => {
                self.kill = Kill::At(Instant::now());
            }
            Kill::AtFirstRecord => self.kill = Kill::At(Instant::now()),
            _ => {}
        }
        Ok(())
    }
}

impl Observer for Recorder {
    fn line(&mut self, line: &str, record: Result<Option<&Record>, &LineError>) -> Result<()> {
        writeln!(self.serial, "{line}")?;
        match record {
            Ok(Some(record)) => self.keep(record)?,
            Ok(None) if self.voice == Voice::Terminal => println!("{}", printable(line)),
            Ok(None) | Err(_) => {}
        }
        // A run that hangs is read from its log: nothing may be missing.
        self.serial.flush()?;
        Ok(())
    }

    fn paused(&mut self) -> Option<String> {
        self.pauses += 1;
        let mut worst = None;
        for file in &self.files {
            let found = match judgement::judge(file, self.pauses) {
                Ok(found) => found,
                // A zone that cannot even be read is the worst that can be found.
                Err(error) => {
                    worst.get_or_insert_with(|| format!("{error:#}"));
                    continue;
                }
            };
            let unsound = found.iter().find(|judgement| !judgement.is_sound());
            if let Some(unsound) = unsound {
                worst.get_or_insert_with(|| unsound.to_string());
            }
            self.judgements.extend(found);
        }
        worst
    }

    fn kill_due(&self) -> Option<Instant> {
        match self.kill {
            Kill::At(instant) => Some(instant),
            _ => None,
        }
    }
}

/// A line without what would move the cursor or change colours: firmware writes
/// for a terminal that it owns.
fn printable(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // An escape sequence ends at its first letter.
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if !c.is_control() || c == '\t' {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shown_cannot_take_over_the_terminal() {
        let line = "\x1b[2J\x1b[01;01HBdsDxe: starting\x07 \x1b[0mBoot0001\x1b";
        assert_eq!(printable(line), "BdsDxe: starting Boot0001");
    }
}
