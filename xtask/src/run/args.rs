//! The flags of `cargo xtask run`.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::options::{Accel, Boot, Drive, Fault, Persistence, Pmem, Size};

/// Build everything, boot it in a virtual machine, and hold it to its verdict.
///
/// Ends by itself. Exit status: 0 pass, 1 verdict fail, 3 guest panic, 4 guest
/// hangs, 5 guest ended without a verdict, 6 malformed record, 7 host judge
/// disagrees, 8 QEMU did not start the guest, 9 unplanned reboot, 11 incomplete
/// records, 12 the host failed (a build, a missing tool); 2 is a usage error.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// What executes the guest's instructions.
    #[arg(long, value_enum, default_value = "tcg")]
    pub(crate) accel: Accel,
    /// The way from power-on to the kernel.
    #[arg(long, value_enum, default_value = "uefi")]
    pub(crate) boot: Boot,
    /// Processors.
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) cpus: u32,
    /// DRAM.
    #[arg(long, value_name = "SIZE", default_value = "2G")]
    pub(crate) memory: Size,
    /// An NVDIMM of this size on a fresh file; repeatable. `none`: DRAM stands in,
    /// emulated and not durable.
    #[arg(long, value_name = "SIZE|none", default_value = "1G")]
    pub(crate) pmem: Vec<Pmem>,
    /// An NVDIMM on this file, which is never formatted unasked.
    #[arg(long, value_name = "FILE", conflicts_with = "pmem")]
    pub(crate) pmem_file: Option<PathBuf>,
    /// Format the file of --pmem-file, whatever it holds.
    #[arg(long, requires = "pmem_file")]
    pub(crate) format: bool,
    /// NUMA nodes, which share processors, DRAM and NVDIMMs.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) numa: u32,
    /// Seed of everything random.
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Crashes to recover from.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) cycles: u32,
    /// Small sizes: about ten times faster, for tests.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Wait for a debugger on port 1234, without bounds on time.
    #[arg(long)]
    pub(crate) gdb: bool,
    /// Show the screen in a window.
    #[arg(long)]
    pub(crate) display: bool,
    /// Print QEMU's command line instead of running it.
    #[arg(long)]
    pub(crate) print: bool,
    /// Install QEMU and OVMF if they are missing; uses apt-get.
    #[arg(long)]
    pub(crate) install: bool,
    /// End the run after so many seconds (900, or 300 with --quick).
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) tests: TestArgs,
}

/// Flags that `cargo xtask test` is made of.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "For tests")]
pub(crate) struct TestArgs {
    /// What the platform promises when power fails.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) persistence: Persistence,
    /// The controller that the boot disk hangs on.
    #[arg(long, value_enum, default_value = "virtio")]
    pub(crate) drive: Drive,
    /// Keep so much of each NVDIMM for labels.
    #[arg(long, value_name = "SIZE")]
    pub(crate) label_size: Option<Size>,
    /// NVDIMMs that say that they cannot keep what is written.
    #[arg(long)]
    pub(crate) unarmed: bool,
    /// Memory modules that only an injected NFIT lists, in place of NVDIMMs.
    #[arg(long, conflicts_with_all = ["unarmed", "label_size"])]
    pub(crate) unlisted: bool,
    /// A further ACPI table, header included; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) acpitable: Vec<PathBuf>,
    /// A directory with what replaces all of QEMU's tables: `tables`, `rsdp` and
    /// the `loader` commands that link them.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["pmem_file", "acpitable"])]
    pub(crate) firmware: Option<PathBuf>,
    /// The parts of the job to do: selftest, crash, bench, separated by commas.
    #[arg(long, value_name = "PARTS", default_value = "")]
    pub(crate) parts: String,
    /// Seconds that a processor of the guest may take for a job.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) patience: Option<u32>,
    /// A fault that the guest commits.
    #[arg(long = "break", value_enum, value_name = "FAULT")]
    pub(crate) fault: Option<Fault>,
    /// A further word of the kernel's command line, as a person would write it there;
    /// repeatable.
    #[arg(long, value_name = "WORD")]
    pub(crate) word: Vec<String>,
    /// A mutation of the kernel, which must not pass.
    #[arg(long, value_name = "NAME")]
    pub(crate) mutant: Option<Mutant>,
    /// Kill QEMU, as by a power failure, some time after so many recovered crashes.
    #[arg(long, value_name = "N")]
    pub(crate) kill_after: Option<u32>,
}

/// Mutations of the kernel, most of them of its allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Mutant {
    /// An allocation does not set its bit.
    GetForgetsBit,
    /// Recovery trusts the counters that it finds.
    RecoverSkipsRecount,
    /// No flush reaches the emulated medium.
    FlushDoesNothing,
    /// A free is acknowledged before it is made.
    LedgerAcksEarly,
    /// The region is declared ready before its tables are made.
    ReadyEarly,
    /// A processor takes a frame that nobody keeps account of.
    LeakOneFrame,
    /// The bits of a taken block are not written back.
    GetSkipsFlush,
    /// Cleared bits are not written back.
    PutSkipsFlush,
    /// What is written back is not waited for.
    FenceIsMissing,
}

impl Args {
    /// Checks what clap cannot.
    ///
    /// # Errors
    ///
    /// Returns an error for flags that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(
            self.pmem.len() == 1 || !self.pmem.contains(&Pmem::None),
            "--pmem none contradicts another --pmem"
        );
        ensure!(
            self.numa <= self.cpus,
            "--numa {}: only {} processors for the nodes",
            self.numa,
            self.cpus
        );
        for part in self.tests.parts.split_terminator(',') {
            ensure!(
                ["selftest", "crash", "bench"].contains(&part),
                "--parts: no part is called `{part}`; there are selftest, crash, bench"
            );
        }
        Ok(())
    }

    /// The NVDIMMs on fresh files; none where a file is given or none are wanted.
    pub(crate) fn fresh(&self) -> Vec<Size> {
        if self.pmem_file.is_some() {
            return Vec::new();
        }
        let sizes = self.pmem.iter().filter_map(|pmem| match pmem {
            Pmem::Fresh(size) => Some(*size),
            Pmem::None => None,
        });
        sizes.collect()
    }

    /// Whether DRAM stands in for persistent memory.
    pub(crate) fn is_emulated(&self) -> bool {
        self.pmem_file.is_none() && self.pmem == [Pmem::None]
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Wrapper {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, String> {
        let words = std::iter::once("run").chain(line.split_whitespace());
        let wrapper = Wrapper::try_parse_from(words).map_err(|error| error.to_string())?;
        wrapper.args.check().map_err(|error| error.to_string())?;
        Ok(wrapper.args)
    }

    #[test]
    fn unknown_names_are_errors_that_list_the_known_ones() {
        for (line, known) in [
            ("--accel hvf", "tcg, kvm, auto"),
            ("--boot bios", "uefi, pvh"),
            ("--drive floppy", "virtio, ahci, nvme, usb"),
            ("--persistence disk", "cpu, mem-ctrl, none"),
            ("--break nothing", "panic, hang, silent"),
            (
                "--mutant x",
                "get_forgets_bit, recover_skips_recount, flush_does_nothing",
            ),
            ("--parts bench,sleep", "selftest, crash, bench"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(known), "{line}: {error}");
        }
    }

    #[test]
    fn contradictions_are_errors() {
        for line in [
            "--pmem none --pmem 1G",
            "--pmem 1G --pmem-file f",
            "--format",
            "--numa 2 --cpus 1",
            "--cpus 0",
            "--pmem 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn without_flags_there_is_one_nvdimm_of_a_gibibyte() {
        let args = parse("").expect("no flag is needed");
        assert_eq!(args.fresh(), [Size::mib(1024)]);
        assert!(!args.is_emulated());
    }

    #[test]
    fn a_given_file_replaces_the_fresh_one() {
        let args = parse("--pmem-file f").expect("a file alone is enough");
        assert_eq!(args.fresh(), []);
        assert!(!args.is_emulated());
        assert!(parse("--pmem none").is_ok_and(|args| args.is_emulated()));
    }
}
