//! One life of the kernel, from the boot to the reset that it brings about, traced.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use record::Record;
use serde_json::json;
use trace_plugin::{EVENT_BYTES, Event as Traced};

use crate::{
    build::Artifacts,
    command_line::{CommandLine, Permission},
    guest::{Control, Event, Guest},
    machine::{Engine, Listener, Machine, Medium, Module, ModuleKind, Trace},
    options::{Persistence, Size},
    qmp::Message,
    tools,
};

/// DRAM of the machine, and its persistent memory: recovering that takes little.
const MEMORY: u64 = 128 << 20;
const PMEM: u64 = 32 << 20;
/// What is in the file at first, as far as tables and ledger reach: not zeros, which
/// could pass for tables.
static FOREIGN: [u8; 1 << 20] = [0xa5; 1 << 20];

/// Longest silence: a loaded host is no failure of the guest.
const SILENCE: Duration = Duration::from_secs(60);

/// A machine and its files.
pub(super) struct Rig {
    machine: Machine,
    dir: tempfile::TempDir,
}

/// A life.
pub(super) struct Life {
    /// What was in persistent memory before.
    pub(super) before: PathBuf,
    /// And after.
    pub(super) after: PathBuf,
    /// What has happened in between.
    pub(super) events: Vec<Traced>,
    /// What the kernel has said.
    pub(super) log: Vec<String>,
    /// Its seed.
    pub(super) seed: u64,
}

impl Rig {
    /// A machine on a file that holds somebody else's content.
    ///
    /// # Errors
    ///
    /// Returns an error where the host fails.
    pub(super) fn new(artifacts: &Artifacts, plugin: &Path, cpus: u32) -> Result<Self> {
        let dir = crate::crash::fresh_dir()?;
        let file = dir.path().join("pmem.img");
        fs::write(&file, FOREIGN)?;
        fs::OpenOptions::new()
            .write(true)
            .open(&file)?
            .set_len(PMEM)?;
        let machine = Machine {
            qemu: tools::qemu()?,
            engine: Engine::Tcg,
            firmware: None,
            medium: Medium::Direct {
                loader: artifacts.pvh.clone(),
                kernel: artifacts.kernel_elf.clone(),
                command_line: String::new(),
            },
            cpus,
            memory: Size::bytes(MEMORY),
            nodes: 1,
            modules: vec![Module {
                file,
                size: Size::bytes(PMEM),
                kind: ModuleKind::Nvdimm {
                    label: None,
                    unarmed: false,
                },
            }],
            // Caches are lost: the kernel has to write back what must last.
            persistence: Persistence::MemCtrl,
            tables: Vec::new(),
            trace: Some(Trace {
                plugin: plugin.to_owned(),
                out: dir.path().join("trace"),
            }),
            display: false,
            lean: true,
            gdb: false,
        };
        Ok(Self { machine, dir })
    }

    /// Boots the kernel on what the last life has left, until it resets the machine.
    ///
    /// # Errors
    ///
    /// Returns an error where the host fails, or where the kernel does anything else.
    pub(super) fn live(&mut self, seed: u64) -> Result<Life> {
        let after = self.machine.modules[0].file.clone();
        let before = self.dir.path().join("before.img");
        fs::copy(&after, &before)?;
        let line = CommandLine {
            seed,
            cycles: u32::MAX,
            quick: true,
            parts: "crash".into(),
            further: ["reset=orderly", "traced", "pmem.format=any"]
                .map(String::from)
                .to_vec(),
            ..CommandLine::nothing(Permission::None)
        };
        if let Medium::Direct { command_line, .. } = &mut self.machine.medium {
            *command_line = line.line();
        }
        let log = self.run()?;
        let events = events(&self.dir.path().join("trace"))?;
        Ok(Life {
            before,
            after,
            events,
            log,
            seed,
        })
    }

    /// Runs the machine until it resets itself; returns what the kernel said.
    fn run(&self) -> Result<Vec<String>> {
        let errors = self.dir.path().join("qemu.log");
        let mut command = self.machine.command(Listener::Session);
        let guest = Guest::start(&mut command, Control::Qmp, File::create(&errors)?);
        let mut guest = guest.context("cannot start QEMU")?;
        let mut log = Vec::new();
        let (mut is_reset, mut is_over) = (false, false);
        loop {
            match guest.next(Instant::now() + SILENCE)? {
                Event::Line(line) => {
                    if let Some(what) = fault(&line) {
                        bail!("the kernel: {what}");
                    }
                    log.push(line);
                }
                Event::Control(Message::GuestReset) => is_reset = true,
                Event::Control(Message::Stopped) if is_reset => {
                    // The plugin writes the rest of its trace at the end.
                    is_over = true;
                    guest.send("quit", &json!({}))?;
                }
                Event::Control(_) if is_over => {}
                Event::Closed if is_over => {
                    let status = guest.end()?;
                    ensure!(status.success(), "QEMU: {status}");
                    return Ok(log);
                }
                Event::Closed if log.is_empty() => bail!(
                    "QEMU does not run the kernel with the plugin (it takes a QEMU with plugins \
                     of interface version 1, such as 7.2): {}",
                    fs::read_to_string(&errors).unwrap_or_default().trim()
                ),
                other => bail!("{other:?}; last line: {:?}", log.last()),
            }
        }
    }
}

/// Returns what is wrong, where a line says so.
fn fault(line: &str) -> Option<String> {
    if line.starts_with("panic: ") {
        return Some(line.to_owned());
    }
    match record::parse(line) {
        Ok(Some(Record::Violation(violation))) => {
            Some(format!("{}: {}", violation.place, violation.what))
        }
        Ok(Some(Record::Verdict(verdict))) => Some(format!("it has ended: {}", verdict.reason)),
        _ => None,
    }
}

/// Reads a trace.
fn events(file: &Path) -> Result<Vec<Traced>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (events, rest) = bytes.as_chunks::<EVENT_BYTES>();
    ensure!(rest.is_empty(), "the trace ends in the middle of an event");
    let events = events.iter().map(|&bytes| Traced::decode(bytes));
    events
        .collect::<Option<_>>()
        .context("the trace holds what is no event")
}
