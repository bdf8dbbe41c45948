//! Where a result comes from; without it, it is not worth much.

use std::{fs, process::Command};

use serde::Serialize;

use super::{processor, unit::Clock};

/// What a reader has to know about a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Provenance {
    pub(super) commit: String,
    pub(super) toolchain: String,
    pub(super) cpu: String,
    pub(super) microcode: String,
    pub(super) hypervisor: bool,
    pub(super) processors: usize,
    pub(super) kernel: String,
    pub(super) governor: String,
    pub(super) load: String,
    pub(super) seed: u64,
    pub(super) warmup: usize,
    pub(super) repetitions: usize,
    pub(super) clock_overhead_ns: f64,
    pub(super) clock_resolution_ns: f64,
}

impl Provenance {
    /// Asks the system; what it does not tell is `unknown`.
    pub(super) fn collect(seed: u64, effort: super::race::Effort, clock: Clock) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            commit: output("git", &["describe", "--always", "--dirty"]),
            toolchain: output("rustc", &["--version"]),
            cpu: field(&cpuinfo, "model name"),
            microcode: field(&cpuinfo, "microcode"),
            hypervisor: field(&cpuinfo, "flags")
                .split(' ')
                .any(|flag| flag == "hypervisor"),
            processors: processor::available().map_or(0, |cpus| cpus.len()),
            kernel: file("/proc/sys/kernel/osrelease"),
            governor: file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load: file("/proc/loadavg"),
            seed,
            warmup: effort.warmup,
            repetitions: effort.repetitions,
            clock_overhead_ns: clock.overhead,
            clock_resolution_ns: clock.resolution,
        }
    }
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let machine = if self.hypervisor {
            "virtual machine"
        } else {
            "bare metal"
        };
        writeln!(f, "commit {}, {}", self.commit, self.toolchain)?;
        writeln!(
            f,
            "{} ({machine}, {} processors, microcode {}, governor {}), Linux {}, load {}",
            self.cpu, self.processors, self.microcode, self.governor, self.kernel, self.load
        )?;
        write!(
            f,
            "seed {}, {} repetitions after {} of warm-up, clock: overhead {:.1} ns, resolution {:.1} ns",
            self.seed,
            self.repetitions,
            self.warmup,
            self.clock_overhead_ns,
            self.clock_resolution_ns
        )
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok();
    let text = output.filter(|output| output.status.success());
    text.map_or_else(unknown, |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

fn file(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

/// Returns the first value with this name in `/proc/cpuinfo`.
fn field(cpuinfo: &str, name: &str) -> String {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find(|(key, _)| key.trim() == name);
    value.map_or_else(unknown, |(_, value)| value.trim().to_owned())
}
