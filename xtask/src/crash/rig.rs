//! A machine that is broken over and over.
//!
//! A reset goes on in the same process: the machine is paused at that instant, the
//! host judges the file, and the machine boots again, with whatever is in its DRAM. A
//! kill or a power cut takes a new process each time, on the same file.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use frame::FRAME_SIZE;
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde_json::json;

use crate::{
    build::Artifacts,
    command_line::{CommandLine, Permission},
    guest::{Control, Event, Guest},
    image, judge,
    machine::{Engine, Listener, Machine, Medium, Module, ModuleKind},
    options::{Drive, Size},
    qmp::Message,
    tools,
};

use super::{
    life::Life,
    series::{Kind, Phase, Series},
    tally::{Cycle, Found},
};

/// DRAM of the machine, and its persistent memory: as little as does the work.
const MEMORY: u64 = 128 << 20;
const PMEM: u64 = 64 << 20;

/// How long after the start of the work the host breaks the machine at most.
const WORK: Duration = Duration::from_millis(60);
/// The same after the kernel's first word.
const BOOT: Duration = Duration::from_millis(200);
/// One in so many cycles of the host's is broken anywhere in the boot.
const ANYWHERE_ONE_IN: u64 = 4;

/// Longest silence: a loaded host is no failure of the guest.
const SILENCE: Duration = Duration::from_secs(60);

/// How long what a machine said last may take after it is off: QEMU holds back up to
/// sixteen bytes while nobody reads.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the next thing was that happened.
pub(super) enum Step {
    /// The machine broke, and what it left holds.
    Broken(Cycle),
    /// A ledger was settled: all was returned.
    Settled,
    /// Something is wrong.
    Failed(String),
}

/// A machine, its file, and what it said.
pub(super) struct Rig {
    series: Series,
    seed: u64,
    machine: Machine,
    artifacts: Artifacts,
    dir: PathBuf,
    file: PathBuf,
    guest: Option<Guest>,
    dice: Xoshiro256PlusPlus,
    life: Life,
}

/// When the host breaks the machine.
#[derive(Clone, Copy)]
enum Plan {
    Never,
    AfterWorkBegins(Duration),
    AfterFirstWord(Duration),
}

impl Rig {
    /// Makes a blank file for a machine in `dir`.
    ///
    /// # Errors
    ///
    /// Returns an error where the host fails.
    pub(super) fn new(
        series: Series,
        seed: u64,
        artifacts: &Artifacts,
        dir: &Path,
    ) -> Result<Self> {
        let file = dir.join("pmem.img");
        let made = File::create(&file).and_then(|file| file.set_len(PMEM));
        made.with_context(|| format!("cannot make {}", file.display()))?;
        Ok(Self {
            machine: machine(series, artifacts, dir, &file)?,
            series,
            seed,
            artifacts: artifacts.clone(),
            dir: dir.to_owned(),
            file,
            guest: None,
            dice: Xoshiro256PlusPlus::seed_from_u64(seed),
            life: Life::default(),
        })
    }

    /// The persistent file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What the machine said in its last lives.
    pub(super) fn log(&self) -> String {
        self.life.log()
    }

    /// Ends the machine, so that nobody writes to the file any more.
    pub(super) fn end(&mut self) {
        self.guest = None;
    }

    /// Waits for the next break, and judges it.
    ///
    /// # Errors
    ///
    /// Returns an error where the host fails.
    pub(super) fn step(&mut self) -> Result<Step> {
        if self.guest.is_none() {
            self.start()?;
        }
        let plan = self.plan();
        let (mut is_breaking, mut is_ending, mut is_pressed) = (false, false, false);
        let mut is_off = false;
        let mut silent_since = Instant::now();
        loop {
            let due = self.due(plan).filter(|_| !is_pressed && !is_off);
            let bound = silent_since + if is_off { LAST_WORDS } else { SILENCE };
            let event = self.wait(due.map_or(bound, |due| due.min(bound)))?;
            if !matches!(event, Event::Deadline) {
                silent_since = Instant::now();
            }
            match event {
                Event::Line(line) => {
                    if let Some(what) = self.life.line(line) {
                        return Ok(Step::Failed(what));
                    }
                    if is_off && self.life.has_verdict() {
                        return self.settled();
                    }
                }
                Event::Control(message) => match message {
                    Message::GuestReset => is_breaking = true,
                    Message::ShutDown(why) if why == "host-qmp-system-reset" => is_breaking = true,
                    Message::GuestPowerOff => is_ending = true,
                    Message::Stopped if is_breaking && self.life.first_word().is_none() => {
                        // Firmware that finds itself used resets once more.
                        is_breaking = false;
                        self.reset()?;
                    }
                    Message::Stopped if is_breaking => return self.broken(),
                    Message::Stopped if is_ending && self.life.has_verdict() => {
                        return self.settled();
                    }
                    Message::Stopped if is_ending => is_off = true,
                    Message::Reset => self.go_on()?,
                    other => {
                        let last = self.life.last_line();
                        return Ok(Step::Failed(format!("{other:?}; last line: {last:?}")));
                    }
                },
                // A power-off that takes long is followed by a harder one.
                Event::Closed if is_ending || self.life.has_verdict() => return self.settled(),
                Event::Closed => return Ok(Step::Failed("QEMU ended by itself".into())),
                Event::Deadline if is_off => return self.settled(),
                Event::Deadline if Instant::now() >= bound => {
                    let last = self.life.last_line();
                    return Ok(Step::Failed(format!(
                        "the guest hangs; last line: {last:?}"
                    )));
                }
                Event::Deadline if self.series.kind == Kind::Kill => return self.kill(),
                Event::Deadline => {
                    is_pressed = true;
                    self.send("system_reset", &json!({}))?;
                }
            }
        }
    }

    fn start(&mut self) -> Result<()> {
        self.seed = self.seed.wrapping_add(1);
        let command_line = CommandLine {
            seed: self.seed,
            further: self.series.words(),
            ..CommandLine::nothing(Permission::None)
        };
        match &mut self.machine.medium {
            Medium::Direct {
                command_line: line, ..
            } => *line = command_line.line(),
            Medium::Disk { image, .. } => {
                image::write(&self.artifacts, &command_line.text(), image)?;
            }
        }
        let errors = File::create(self.dir.join("qemu.log"))?;
        let mut command = self.machine.command(Listener::Session);
        let guest = Guest::start(&mut command, Control::Qmp, errors);
        self.guest = Some(guest.context("cannot start QEMU")?);
        self.life.begin();
        Ok(())
    }

    fn plan(&mut self) -> Plan {
        if !self.series.kind.is_from_outside() {
            return Plan::Never;
        }
        let roll = self.dice.next_u64();
        let part = f64::from(self.dice.next_u32()) / f64::from(u32::MAX);
        let is_anywhere = roll.is_multiple_of(ANYWHERE_ONE_IN);
        if self.series.phase == Phase::Any && is_anywhere {
            Plan::AfterFirstWord(BOOT.mul_f64(part))
        } else {
            Plan::AfterWorkBegins(WORK.mul_f64(part))
        }
    }

    fn due(&self, plan: Plan) -> Option<Instant> {
        match plan {
            Plan::Never => None,
            Plan::AfterWorkBegins(delay) => self.life.work_began().map(|begun| begun + delay),
            Plan::AfterFirstWord(delay) => self.life.first_word().map(|begun| begun + delay),
        }
    }

    fn wait(&mut self, deadline: Instant) -> Result<Event> {
        match &mut self.guest {
            Some(guest) => Ok(guest.next(deadline)?),
            None => Ok(Event::Closed),
        }
    }

    fn send(&mut self, command: &str, arguments: &serde_json::Value) -> Result<()> {
        if let Some(guest) = &mut self.guest {
            guest.send(command, arguments)?;
        }
        Ok(())
    }

    /// The machine was reset and stands at its first instruction.
    fn go_on(&mut self) -> Result<()> {
        self.send("set-action", &json!({ "reboot": "shutdown" }))?;
        self.send("cont", &json!({}))?;
        Ok(())
    }

    fn kill(&mut self) -> Result<Step> {
        if let Some(mut guest) = self.guest.take() {
            guest.kill()?;
            // What it said before is still on its way.
            loop {
                match guest.next(Instant::now() + SILENCE)? {
                    Event::Line(line) => {
                        if let Some(what) = self.life.line(line) {
                            return Ok(Step::Failed(what));
                        }
                    }
                    Event::Control(_) => {}
                    Event::Closed | Event::Deadline => break,
                }
            }
        }
        self.judged()
    }

    fn broken(&mut self) -> Result<Step> {
        let step = self.judged()?;
        if self.series.kind == Kind::Powercut {
            // Nothing but the medium is left of such a machine. A new process also
            // boots sooner than a reset one.
            self.guest = None;
        } else {
            self.reset()?;
        }
        Ok(step)
    }

    /// Lets the machine that stands still begin anew.
    fn reset(&mut self) -> Result<()> {
        // A reset by the host is subject to the same action as one by the guest.
        self.send("set-action", &json!({ "reboot": "reset" }))?;
        self.send("system_reset", &json!({}))
    }

    /// The guest has powered off in an orderly way; the next process takes another
    /// seed.
    fn settled(&mut self) -> Result<Step> {
        self.guest = None;
        if let Some(what) = self.life.verdict_against() {
            return Ok(Step::Failed(what));
        }
        Ok(match self.judged()? {
            Step::Broken(_) => Step::Settled,
            other => other,
        })
    }

    /// Judges the file while nothing moves.
    fn judged(&mut self) -> Result<Step> {
        let zones = match judge::judge_all(&self.file) {
            Ok(zones) => zones,
            // A zone that cannot even be read is the worst that can be found.
            Err(error) => return Ok(Step::Failed(format!("host judge: {error:#}"))),
        };
        let mut found = None;
        let is_complete = !zones.is_empty();
        let mut is_running = false;
        for zone in zones {
            let judge::Zone::Accounted(zone) = zone else {
                continue;
            };
            if let Some(fault) = zone.judgement.faults().next() {
                return Ok(Step::Failed(format!("host judge: {fault}")));
            }
            is_running = zone.is_running;
            found = Some(Found::from(&*zone));
        }
        let cycle = self.life.end(found, is_running);
        if self.series.phase == Phase::Format && is_complete {
            self.disown()?;
        }
        Ok(Step::Broken(cycle))
    }

    /// Erases both superblocks, so that the next boot makes the region its own.
    fn disown(&mut self) -> Result<()> {
        let file = fs::OpenOptions::new().write(true).open(&self.file)?;
        let page = [0; FRAME_SIZE];
        file.write_all_at(&page, 0)?;
        file.write_all_at(&page, PMEM - FRAME_SIZE as u64)?;
        self.life.forget_account();
        Ok(())
    }
}

fn machine(series: Series, artifacts: &Artifacts, dir: &Path, file: &Path) -> Result<Machine> {
    let medium = if series.uefi {
        Medium::Disk {
            firmware: tools::firmware()?,
            image: dir.join("boot.img"),
            drive: Drive::Virtio,
        }
    } else {
        Medium::Direct {
            loader: artifacts.pvh.clone(),
            kernel: artifacts.kernel_elf.clone(),
            command_line: String::new(),
        }
    };
    Ok(Machine {
        qemu: tools::qemu()?,
        engine: Engine::Tcg,
        firmware: None,
        medium,
        cpus: series.cpus,
        memory: Size::bytes(if series.uefi { 2 * MEMORY } else { MEMORY }),
        nodes: 1,
        modules: vec![Module {
            file: file.to_owned(),
            size: Size::bytes(PMEM),
            kind: ModuleKind::Nvdimm {
                label: None,
                unarmed: false,
            },
        }],
        persistence: series.kind.persistence(),
        tables: Vec::new(),
        lean: !series.uefi,
        display: false,
        trace: None,
        gdb: false,
    })
}
