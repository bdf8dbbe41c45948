//! Small machines to place on.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::{Domain, Node, PersistentRange, Refusal, RegionId, Topology, srat::Memory};
use frame::{PhysAddr, PhysRange};
use plan::{Plan, Request, Sizes};

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;

/// Table sizes of about the allocator's magnitude, none of them whole frames.
pub(crate) struct Small;

impl Sizes for Small {
    fn lower_bytes(&self, frames: usize) -> usize {
        frames.div_ceil(512) * 66
    }

    fn upper_bytes(&self, frames: usize, cpus: usize) -> usize {
        frames.div_ceil(512 * 32) * 8 + cpus * 64
    }

    fn annex_bytes(&self, frames: usize) -> usize {
        frames * 8 + 100
    }
}

pub(crate) fn range(start: u64, len_bytes: u64) -> PhysRange {
    PhysRange::new(PhysAddr(start), len_bytes).expect("range wraps")
}

/// A machine that can be asked for a plan.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) regions: Vec<MemoryRegion>,
    pub(crate) topology: Box<Topology>,
    pub(crate) emulate: Option<PhysRange>,
    pub(crate) cpus: usize,
}

impl Machine {
    /// Returns a machine without memory.
    pub(crate) fn new() -> Self {
        Self {
            regions: Vec::new(),
            topology: Box::default(),
            emulate: None,
            cpus: 4,
        }
    }

    pub(crate) fn region(mut self, start: u64, len: u64, kind: MemoryRegionKind) -> Self {
        let mut region = MemoryRegion::empty();
        (region.start, region.end, region.kind) = (start, start.saturating_add(len), kind);
        self.regions.push(region);
        self
    }

    pub(crate) fn usable(self, start: u64, len: u64) -> Self {
        self.region(start, len, MemoryRegionKind::Usable)
    }

    pub(crate) fn persistent(self, start: u64, len: u64, node: u32) -> Self {
        self.persistent_with(start, len, node, None)
    }

    pub(crate) fn persistent_with(
        mut self,
        start: u64,
        len: u64,
        node: u32,
        refusal: Option<Refusal>,
    ) -> Self {
        let index = u16::try_from(self.topology.persistent.len()).expect("few") + 1;
        self.topology.persistent.push(PersistentRange {
            id: RegionId(u64::from(index)),
            index,
            range: range(start, len),
            node: Node(node),
            domain: Domain::Eadr,
            refusal,
        });
        self
    }

    pub(crate) fn memory_of(mut self, node: u32, start: u64, len: u64) -> Self {
        self.topology.memory.push(Memory {
            range: range(start, len),
            node: Node(node),
            hot_pluggable: false,
            non_volatile: false,
        });
        self
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            regions: &self.regions,
            topology: &self.topology,
            emulate: self.emulate,
            cpus: self.cpus,
        }
    }

    /// Returns the plan, which has been verified.
    pub(crate) fn plan(&self) -> Plan {
        let plan = Plan::new(&self.request(), &Small);
        plan.verify(&self.request(), &Small)
            .expect("plan is unsound");
        plan
    }
}
