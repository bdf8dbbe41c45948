//! The records, one type a kind.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

/// Anything that the kernel reports to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// Once a boot: who measures, and on what.
    Boot(Boot),
    /// One range of the firmware's memory map.
    Region(Region),
    /// One persistent range, usable or not.
    Pmem(Pmem),
    /// What one persistent range holds.
    Inspect(Inspect),
    /// Where everything goes.
    Plan(Plan),
    /// One processor of the firmware's list.
    Cpu(Cpu),
    /// One zone that was created or recovered.
    Open(Open),
    /// One measured repetition on one processor.
    Sample(Sample),
    /// A stage begins in which the machine may be broken.
    Stage(Stage),
    /// How an emulated power cut has gone so far.
    Cache(Cache),
    /// One crash, recovered and judged.
    Crash(Crash),
    /// Something that must never happen did.
    Violation(Violation),
    /// The last record of a run.
    Verdict(Verdict),
}

/// Provenance: what every figure of this boot has in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// [`VERSION`](crate::VERSION) of the record format.
    pub version: u32,
    /// Commit that the kernel was built from, with `-dirty` where it was changed.
    pub commit: String,
    /// Compiler that built the kernel.
    pub toolchain: String,
    /// `uefi`, `pvh`, or `unknown` under a foreign loader.
    pub loader: String,
    /// `kvm`, `tcg`, another hypervisor's signature, or `none` on bare hardware.
    pub accelerator: String,
    /// Brand string of the boot processor.
    pub cpu: String,
    /// Processors that the firmware lists as enabled.
    pub processors: u32,
    /// Kinds and sizes of memory, such as `dram 2048 MiB`.
    pub memory: Vec<String>,
    /// Persistence domain of the platform: `eadr`, `adr`, `emulated` or `none`.
    pub domain: String,
    /// Frequency of the time stamp counter in Hz, 0 where it is not known.
    pub tsc_hz: u64,
    /// Whether times are more than functional: an invariant counter, no emulation.
    pub timing: bool,
    /// Seed of everything random in this run.
    pub seed: u64,
    /// The command line, as the kernel read it.
    pub command_line: String,
}

/// One range of the firmware's memory map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// First physical address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// `usable`, `bootloader`, or the firmware's own kind in words.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One persistent range that the firmware lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pmem {
    /// Identity that stays the same when the range moves, in hexadecimal.
    pub id: String,
    /// First physical address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Whether a zone may live here.
    pub usable: bool,
    /// Why not, in one sentence; empty where it may.
    pub reason: String,
    /// `eadr`, `adr`, `emulated` or `none`.
    pub domain: String,
}

/// What one persistent range holds, looked at before it is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspect {
    /// Name of the zone that is planned there.
    pub zone: String,
    /// Identity of the range, in hexadecimal.
    pub id: String,
    /// `ours`, `unfinished`, `other_version`, `damaged`, `blank` or `foreign`.
    pub content: String,
    /// Names of foreign marks.
    pub marks: Vec<String>,
    /// Whether only the data of a devdax namespace may become ours.
    pub adopted: bool,
    /// What the command line would have to say to permit formatting; empty where
    /// nothing does, or nothing has to.
    pub permit: String,
}

/// Where everything goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// One entry a zone, persistent zones first.
    pub zones: Vec<ZonePlan>,
}

/// Where one zone and its tables go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonePlan {
    /// Name that other records use, such as `pmem0`.
    pub name: String,
    /// Whether the zone's lower tables are meant to survive.
    pub persistent: bool,
    /// NUMA node.
    pub node: u32,
    /// The frames that the zone hands out.
    pub managed: Range,
    /// The lower tables.
    pub lower: Range,
    /// The upper structures, in DRAM.
    pub upper: Range,
    /// Size of the largest pages that map the managed frames, in bytes.
    pub page_size: u64,
}

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// First physical address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

/// One processor of the firmware's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Identity of its local interrupt controller.
    pub apic_id: u32,
    /// NUMA node.
    pub node: u32,
    /// What became of it.
    pub state: CpuState,
}

/// What became of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuState {
    /// Takes part.
    Online,
    /// Did not answer and was skipped.
    Silent,
    /// Listed by the firmware but not to be started.
    Disabled,
}

/// One zone that was created or recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Name of the zone.
    pub zone: String,
    /// Whether it was there before.
    pub how: How,
    /// Frames managed.
    pub frames: u64,
    /// Frames free.
    pub free: u64,
    /// Huge frames entirely free.
    pub free_huge: u64,
    /// Huge frame entries whose count recovery had to mend.
    pub mended: u64,
    /// Bytes of lower tables.
    pub lower_bytes: u64,
    /// Bytes of upper structures.
    pub upper_bytes: u64,
    /// How long it took.
    pub micros: u64,
}

/// Whether a zone was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Formatted in this boot.
    Created,
    /// Found and recovered.
    Recovered,
}

/// The workloads of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Allocate many, then free them all.
    Bulk,
    /// Allocate one and free it again, over and over.
    Repeat,
    /// Free in random order what all processors allocated.
    Random,
}

/// One measured repetition on one processor, in raw ticks: only the host computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Name of the zone.
    pub zone: String,
    /// What was measured.
    pub workload: Workload,
    /// Name of the allocator.
    pub alloc: String,
    /// Order of the blocks.
    pub order: u8,
    /// Processors that took part.
    pub cpus: u32,
    /// The processor that this sample is of.
    pub cpu: u32,
    /// Number of the repetition.
    pub rep: u32,
    /// Whether the repetition only warms up.
    pub warmup: bool,
    /// Blocks allocated, and as many freed.
    pub ops: u64,
    /// Ticks of the time stamp counter for all allocations.
    pub get_ticks: u64,
    /// Ticks for all frees; 0 where the workload measures pairs in `get_ticks`.
    pub put_ticks: u64,
}

/// A stage begins in which the machine may be broken. It lasts until the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Which.
    pub stage: StageName,
    /// The persist event of this stage that breaks the machine, from 1; 0 where
    /// something else does.
    pub event: u64,
}

/// The stages of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// A region becomes ours.
    Format,
    /// A region is recovered.
    Recovery,
    /// The last crash is judged, and what leaked is returned.
    Judge,
    /// All processors allocate and free.
    Work,
    /// What was owned is returned.
    Settle,
    /// The zones are closed.
    Shutdown,
}

/// What an emulated cache has done in this boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Lines written back because they were flushed, clean ones included.
    pub flushed: u64,
    /// Dirty lines written back at random: what nobody had flushed since it was stored.
    pub evicted: u64,
    /// Lines that differ from the medium right now.
    pub dirty: u64,
}

/// One crash, recovered and judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// Name of the zone.
    pub zone: String,
    /// Number of the cycle, from 1.
    pub cycle: u32,
    /// How the machine was broken.
    pub reset: String,
    /// Operations acknowledged in the cycle before it broke.
    pub acknowledged: u64,
    /// Operations in flight when it broke.
    pub in_flight: u64,
    /// Blocks owned when it broke, all checked.
    pub owned: u64,
    /// Acknowledged frames that are free or whose content is gone.
    pub lost: u64,
    /// Frames with two owners.
    pub doubled: u64,
    /// Frames allocated without an owner.
    pub leaked: u64,
    /// Most frames that the operations in flight may leak.
    pub bound: u64,
}

/// Something that must never happen did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// Where it was noticed: `bench`, `crash`, `plan`, `selftest`.
    pub place: String,
    /// What it was, with the facts.
    pub what: String,
}

/// The last record of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether everything that was asked for held.
    pub pass: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// What could not be judged here, each in one sentence; never a pass.
    pub not_applicable: Vec<String>,
}
