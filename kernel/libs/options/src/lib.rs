//! The kernel's command line.
//!
//! A person edits it in a text file on the boot volume, possibly with an editor
//! of another operating system, and a typing error there must neither stop the
//! boot nor pass unnoticed. So reading never fails: a word that is not
//! understood leaves the default in force and is reported with the words that
//! would have been. Permission to write is the one thing that is never assumed.
//!
//! Words are separated by blanks, `#` comments to the end of the line, and the
//! last of two contradicting words wins. Tokens of `pmem.format=` add up.
#![no_std]
#![forbid(unsafe_code)]

mod crash;
mod permits;
mod read;
mod words;

use core::fmt;

use frame::PhysRange;
use permits::Rejected;

pub use crash::{Crash, Phase, Reset};
pub use permits::{MOST_TOKENS, NAME_BYTES, Names, Permits, Standing, Token};

/// Everything that the command line decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seed of everything random in the run (`seed=`).
    pub seed: u64,
    /// Crash cycles to go through (`cycles=`).
    pub cycles: u32,
    /// What ends a crash cycle (`crash=`).
    pub crash: Crash,
    /// How the machine resets itself (`reset=`).
    pub reset: Reset,
    /// Whether caches are lost with the power, which is emulated in DRAM
    /// (`powercut`).
    pub powercut: bool,
    /// Whether the host watches what reaches persistent memory, so that a reset may end
    /// a cycle in any domain (`traced`).
    pub traced: bool,
    /// Most processors to start, all by default (`cpus=`).
    pub cpus: Option<u32>,
    /// Seconds that a processor may take for a job (`patience=`).
    pub patience: u32,
    /// Whether to run the small sizes (`quick`).
    pub quick: bool,
    /// What may be formatted (`pmem.format=`, `pmem.overwrite=`).
    pub permits: Permits,
    /// DRAM that stands in for persistent memory (`pmem.emulate=SIZE@ADDRESS`).
    pub emulate: Option<PhysRange>,
    /// The parts of the job to do (`run=`).
    pub run: Parts,
    /// How to break down, for tests of the host's side (`break=`).
    pub fault: Fault,
    /// Whether to show commentary on the screen (`framebuffer=`).
    pub framebuffer: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 42,
            cycles: 5,
            crash: Crash::Timer,
            reset: Reset::Any,
            powercut: false,
            traced: false,
            cpus: None,
            patience: 120,
            quick: false,
            permits: Permits::default(),
            emulate: None,
            run: Parts::ALL,
            fault: Fault::None,
            framebuffer: true,
        }
    }
}

impl Options {
    /// Reads the command line; calls `complain` for each word that it ignores.
    pub fn parse<'t>(text: &'t str, mut complain: impl FnMut(Complaint<'t>)) -> Self {
        let mut options = Self::default();
        for (key, value) in words::words(text) {
            if let Err(complaint) = options.set(key, value) {
                complain(complaint);
            }
        }
        options
    }

    fn set<'t>(&mut self, key: &'t str, value: Option<&'t str>) -> Result<(), Complaint<'t>> {
        let wrong = |expected| {
            move || Complaint::Value {
                key,
                value: value.unwrap_or(""),
                expected,
            }
        };
        let rejected = |expected, (most, of)| {
            move |why| match why {
                Rejected::Unreadable => wrong(expected)(),
                Rejected::NoRoom => {
                    let value = value.unwrap_or("");
                    Complaint::NoRoom {
                        key,
                        value,
                        most,
                        of,
                    }
                }
            }
        };
        match key {
            "seed" => self.seed = read::number(value).ok_or_else(wrong("a number"))?,
            "cycles" => self.cycles = read::count(value).ok_or_else(wrong("a number"))?,
            "crash" => {
                let expected = "timer, host, PHASE:N, PHASE:FIRST-LAST with a phase of \
                                format, recovery, run, shutdown";
                self.crash = Crash::named(value).ok_or_else(wrong(expected))?;
            }
            "reset" => {
                let reset = Reset::named(value);
                self.reset = reset.ok_or_else(wrong("any, orderly, triple-fault"))?;
            }
            "powercut" => self.powercut = read::switch(value).ok_or_else(wrong("on, off"))?,
            "traced" => self.traced = read::switch(value).ok_or_else(wrong("on, off"))?,
            "cpus" => {
                let cpus = read::count(value).filter(|cpus| *cpus > 0);
                self.cpus = Some(cpus.ok_or_else(wrong("a number from 1"))?);
            }
            "patience" => {
                let seconds = read::count(value).filter(|seconds| *seconds > 0);
                self.patience = seconds.ok_or_else(wrong("a number from 1"))?;
            }
            "quick" => self.quick = read::switch(value).ok_or_else(wrong("on, off"))?,
            "framebuffer" => self.framebuffer = read::switch(value).ok_or_else(wrong("on, off"))?,
            "pmem.format" => {
                let expected = "none, blank, any, or a token";
                let added = self.permits.add(value);
                added.map_err(rejected(expected, (MOST_TOKENS, "tokens")))?;
            }
            "pmem.overwrite" => {
                let expected = "names of marks, with commas";
                let names = Names::named(value);
                let most = (NAME_BYTES, "bytes of names");
                self.permits.overwrite = names.map_err(rejected(expected, most))?;
            }
            "pmem.emulate" => {
                let range = read::size_at(value).ok_or_else(wrong("SIZE@ADDRESS"))?;
                self.emulate = Some(range);
            }
            "run" => {
                self.run = Parts::named(value).ok_or_else(wrong("selftest,crash,bench"))?;
            }
            "break" => {
                self.fault = Fault::named(value).ok_or_else(wrong(Fault::NAMES))?;
            }
            _ => return Err(Complaint::Key { key }),
        }
        Ok(())
    }
}

/// The keys that exist.
pub const KEYS: &str = "seed, cycles, crash, reset, powercut, traced, cpus, patience, quick, \
                        framebuffer, pmem.format, pmem.overwrite, pmem.emulate, run, break";

/// The parts of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Checks of the kernel itself.
    pub selftest: bool,
    /// Crash cycles.
    pub crash: bool,
    /// Benchmarks.
    pub bench: bool,
}

impl Parts {
    /// The whole job.
    pub const ALL: Self = Self {
        selftest: true,
        crash: true,
        bench: true,
    };

    fn named(value: Option<&str>) -> Option<Self> {
        let mut parts = Self {
            selftest: false,
            crash: false,
            bench: false,
        };
        for name in value?.split(',') {
            match name {
                "selftest" => parts.selftest = true,
                "crash" => parts.crash = true,
                "bench" => parts.bench = true,
                _ => return None,
            }
        }
        Some(parts)
    }
}

/// A way to break down on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// A panic.
    Panic,
    /// Silence without end.
    Hang,
    /// Power off without a verdict.
    Silent,
    /// Lose a processor, and go on.
    Deaf,
    /// Wait until the host has broken some memory, and go on.
    MachineCheck,
}

impl Fault {
    const NAMES: &str = "none, panic, hang, silent, deaf, machine-check";

    fn named(value: Option<&str>) -> Option<Self> {
        match value? {
            "none" => Some(Self::None),
            "panic" => Some(Self::Panic),
            "hang" => Some(Self::Hang),
            "silent" => Some(Self::Silent),
            "deaf" => Some(Self::Deaf),
            "machine-check" => Some(Self::MachineCheck),
            _ => None,
        }
    }
}

/// Why a word was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint<'t> {
    /// No option has this name.
    Key {
        /// The name.
        key: &'t str,
    },
    /// The option exists, but not with this value.
    Value {
        /// Name of the option.
        key: &'t str,
        /// What was given, empty where nothing was.
        value: &'t str,
        /// What may be given.
        expected: &'static str,
    },
    /// The value may be given, but is more than can be kept.
    NoRoom {
        /// Name of the option.
        key: &'t str,
        /// What was given.
        value: &'t str,
        /// How many can be kept.
        most: usize,
        /// Of what.
        of: &'static str,
    },
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key } => write!(f, "unknown option {key:?} ignored; known are {KEYS}"),
            Self::Value {
                key,
                value,
                expected,
            } => write!(
                f,
                "value {value:?} of option {key} ignored; possible: {expected}"
            ),
            Self::NoRoom {
                key,
                value,
                most,
                of,
            } => write!(
                f,
                "value {value:?} of option {key} ignored; no more than {most} {of} can be kept"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
