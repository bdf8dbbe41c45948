//! One run of a guest: from its start to an outcome.
//!
//! The session reads what the guest says, keeps it within its bounds and decides
//! how the run ended. It waits for events, never for time: the only clocks are
//! the two bounds, on silence and on the whole.
//!
//! A guest that resets itself is paused at that instant (QEMU is started with
//! `reboot=shutdown,shutdown=pause`). While nothing moves, the host reads the
//! persistent files and judges them on its own, before recovery can mend
//! anything; then the machine is reset and goes on. A power-off pauses it in the
//! same way and is told apart by the reason that QEMU gives.

use std::{
    fs::File,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use record::{LineError, Record};
use serde_json::json;

use crate::{
    guest::{Control, Event, Guest},
    outcome::{Bound, Outcome},
    qmp::Message,
};

/// The bounds of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Longest time between two lines on the console; `None` under a debugger.
    pub(crate) silence: Option<Duration>,
    /// Longest time altogether; `None` under a debugger.
    pub(crate) total: Option<Duration>,
    /// Boots that are planned, the first included.
    pub(crate) boots: u32,
}

/// What happens outside of the session on its account.
pub(crate) trait Observer {
    /// Takes a line of the console: a record, commentary, or neither.
    ///
    /// # Errors
    ///
    /// An error ends the run: the line could not be kept.
    fn line(&mut self, line: &str, record: Result<Option<&Record>, &LineError>) -> Result<()>;

    /// Judges the persistent files of a machine that stands still, and returns
    /// what is wrong with them, if anything.
    fn paused(&mut self) -> Option<String>;

    /// When the machine is to be killed, as by a power failure.
    fn kill_due(&self) -> Option<Instant> {
        None
    }
}

/// The state of a run.
pub(crate) struct Session<'a, O> {
    guest: Guest,
    observer: &'a mut O,
    bounds: Bounds,
    started: Instant,
    last_word: Instant,
    last_line: String,
    boots: u32,
    judged_boots: u32,
    resetting: bool,
    ending: Option<String>,
    facts: Facts,
}

/// What was learnt that decides the outcome.
#[derive(Default)]
struct Facts {
    verdict: Option<record::Verdict>,
    violation: Option<String>,
    panic: Option<String>,
    host: Option<String>,
}

/// How the kernel announces a panic on its console.
const PANIC: &str = "panic: ";

/// How the kernel asks for broken memory on its console.
const BREAK_MEMORY: &str = "fault: waits for a machine check at ";

/// How long a kernel may take to fall silent after it announced a panic.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs `command` to its end.
///
/// # Errors
///
/// Returns an error where the host fails: the program does not exist, a file
/// cannot be written. What the guest does is never an error but an [`Outcome`].
pub(crate) fn run<O: Observer>(
    mut command: Command,
    control: Control,
    errors: &File,
    bounds: Bounds,
    observer: &mut O,
) -> Result<Outcome> {
    let program = command.get_program().to_string_lossy().into_owned();
    let guest = Guest::start(&mut command, control, errors.try_clone()?)
        .with_context(|| format!("cannot start {program}"))?;
    let now = Instant::now();
    let session = Session {
        guest,
        observer,
        bounds,
        started: now,
        last_word: now,
        last_line: String::new(),
        boots: 0,
        judged_boots: 0,
        resetting: false,
        ending: None,
        facts: Facts::default(),
    };
    session.run()
}

impl<O: Observer> Session<'_, O> {
    fn run(mut self) -> Result<Outcome> {
        loop {
            let deadline = self.deadline();
            let due = self.observer.kill_due();
            let event = self
                .guest
                .next(due.map_or(deadline, |due| due.min(deadline)))?;
            if due.is_some_and(|due| due <= Instant::now()) {
                return self.kill();
            }
            let outcome = match event {
                Event::Line(line) => self.line(line)?,
                Event::Control(message) => self.message(message)?,
                Event::Closed => Some(self.closed()?),
                Event::Deadline => Some(self.overdue()),
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
        }
    }

    /// Kills the guest, and judges what it leaves like what a crash leaves.
    fn kill(&mut self) -> Result<Outcome> {
        self.guest.kill()?;
        Ok(match self.observer.paused() {
            Some(what) => Outcome::HostDisagrees { what },
            None => Outcome::Killed,
        })
    }

    /// The instant at which a bound is reached.
    fn deadline(&self) -> Instant {
        // An hour stands for never: the loop just comes round again.
        let never = Duration::from_secs(3600);
        let total = self.bounds.total.map(|total| self.started + total);
        let silence = self.silence().map(|silence| self.last_word + silence);
        [total, silence]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or_else(|| Instant::now() + never)
    }

    fn silence(&self) -> Option<Duration> {
        if self.facts.panic.is_some() {
            return Some(LAST_WORDS);
        }
        self.bounds.silence
    }

    fn line(&mut self, line: String) -> Result<Option<Outcome>> {
        self.last_word = Instant::now();
        let parsed = record::parse(&line);
        let parts = parsed.as_ref().map(Option::as_ref);
        self.observer.line(&line, parts)?;
        if let Some(message) = line.strip_prefix(PANIC) {
            self.facts.panic.get_or_insert_with(|| message.to_owned());
        }
        if let Some(address) = line.strip_prefix(BREAK_MEMORY) {
            let injection = json!({ "command-line": machine_check(address) });
            self.guest.send("human-monitor-command", &injection)?;
        }
        if !line.is_empty() {
            self.last_line = line;
        }
        match parsed {
            Ok(Some(record)) => Ok(self.record(record)),
            Ok(None) => Ok(None),
            Err(error) => Ok(Some(Outcome::Malformed(error))),
        }
    }

    fn record(&mut self, record: Record) -> Option<Outcome> {
        match record {
            Record::Boot(_) => {
                self.boots += 1;
                let planned = self.bounds.boots;
                return (self.boots > planned).then_some(Outcome::Rebooted { planned });
            }
            Record::Violation(found) => {
                let text = format!("{}: {}", found.place, found.what);
                self.facts.violation.get_or_insert(text);
            }
            Record::Verdict(verdict) => self.facts.verdict = Some(verdict),
            _ => {}
        }
        None
    }

    fn message(&mut self, message: Message) -> Result<Option<Outcome>> {
        match message {
            Message::GuestReset => self.resetting = true,
            Message::GuestPowerOff => self.ending = Some("the guest powered off".into()),
            Message::ShutDown(reason) => self.ending = Some(format!("shut down by {reason}")),
            Message::GuestPanicked => {
                let last = &self.last_line;
                self.facts.panic.get_or_insert_with(|| last.clone());
                self.guest.send("quit", &json!({}))?;
            }
            Message::Stopped => return self.stopped(),
            Message::Reset => {
                self.guest
                    .send("set-action", &json!({ "reboot": "shutdown" }))?;
                self.guest.send("cont", &json!({}))?;
            }
            Message::Refused(why) => {
                return Ok(Some(Outcome::NoVerdict {
                    how: format!("QEMU refused a command: {why}"),
                    last: self.last_line.clone(),
                }));
            }
        }
        Ok(None)
    }

    /// The processors stand still: judge what is in persistent memory, then let
    /// the machine go on, or end.
    fn stopped(&mut self) -> Result<Option<Outcome>> {
        if self.ending.is_none() && !self.resetting {
            return Ok(self.stopped_unasked());
        }
        // Firmware may reset once more before it boots: then nothing has changed.
        if self.boots > self.judged_boots {
            self.judged_boots = self.boots;
            if let Some(found) = self.observer.paused() {
                self.facts.host.get_or_insert(found);
            }
        }
        self.last_word = Instant::now();
        if self.ending.is_some() {
            self.guest.send("quit", &json!({}))?;
            return Ok(None);
        }
        self.resetting = false;
        // A reset by the host is subject to the same action as one by the guest.
        self.guest
            .send("set-action", &json!({ "reboot": "reset" }))?;
        self.guest.send("system_reset", &json!({}))?;
        Ok(None)
    }

    /// QEMU stopped the machine and the guest has not asked for it: its
    /// accelerator gave up, if not a person with a debugger.
    fn stopped_unasked(&self) -> Option<Outcome> {
        let is_debugged = self.bounds.silence.is_none();
        let is_explained = is_debugged || self.facts.panic.is_some();
        (!is_explained).then(|| Outcome::NoVerdict {
            how: "QEMU stopped the machine by itself".into(),
            last: self.last_line.clone(),
        })
    }

    /// The console is closed: the process ends or has ended.
    fn closed(&mut self) -> Result<Outcome> {
        let status = self.guest.end()?;
        if self.boots == 0 && self.last_line.is_empty() && !status.success() {
            return Ok(Outcome::NotStarted {
                said: status.to_string(),
            });
        }
        let how = self.ending.take().unwrap_or_else(|| status.to_string());
        let facts = std::mem::take(&mut self.facts);
        Ok(facts.conclude(how, &self.last_line))
    }

    /// A bound was reached.
    fn overdue(&mut self) -> Outcome {
        if let Some(message) = self.facts.panic.take() {
            return Outcome::Panic { message };
        }
        let last = self.last_line.clone();
        let bound = match (self.bounds.total, self.bounds.silence) {
            (Some(total), _) if self.started.elapsed() >= total => Bound::Total(total),
            (_, Some(silence)) => Bound::Silence(silence),
            (total, None) => Bound::Total(total.unwrap_or_default()),
        };
        Outcome::Hang { bound, last }
    }
}

/// The monitor's command that reports an error at `address` on processor 0: not
/// corrected, not used yet, with a physical address that is exact to a line.
///
/// Bits: Intel SDM vol. 3B, figures 16-3 to 16-8.
fn machine_check(address: &str) -> String {
    const BANK: u32 = 1;
    /// Valid, uncorrected, enabled, miscellaneous and address valid; a memory read.
    const STATUS: u64 = 0b1011_1100 << 56 | 0x9f;
    /// In progress; the program can be resumed.
    const GLOBAL: u32 = 0b101;
    const MISC: u32 = 0b010 << 6 | 6;
    format!("mce 0 {BANK} {STATUS:#x} {GLOBAL:#x} {address} {MISC:#x}")
}

impl Facts {
    /// The outcome of a guest that has ended, in the way that `how` tells.
    fn conclude(self, how: String, last: &str) -> Outcome {
        if let Some(message) = self.panic {
            return Outcome::Panic { message };
        }
        let Some(verdict) = self.verdict else {
            let last = last.to_owned();
            return Outcome::NoVerdict { how, last };
        };
        let reason = verdict.reason;
        // A kernel that reports a violation and passes has miscounted.
        match (verdict.pass, self.violation, self.host) {
            (false, _, _) => Outcome::Fail { reason },
            (true, Some(reason), _) => Outcome::Fail { reason },
            (true, None, Some(what)) => Outcome::HostDisagrees { what },
            (true, None, None) => Outcome::Pass { reason },
        }
    }
}

#[cfg(test)]
mod tests;
