//! Memory map and topology to placement: what the loader and the firmware say
//! about memory, however contradictory.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use firmware::{Domain, Node, PersistentRange, Refusal, RegionId, Topology, srat::Memory};
use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use llfree::Layout;
use plan::{Plan, Request, Sizes};
use workload::ledger::Ledger;

use crate::{
    Target,
    input::{Input, Output},
};

pub(crate) const TARGET: Target = Target {
    name: "placement",
    control: false,
    max_len: 1024,
    run,
    seeds,
};

/// The sizes that the kernel's tables really have.
struct Tables;

impl Sizes for Tables {
    fn lower_bytes(&self, frames: usize) -> usize {
        Layout::for_frames(frames, 0).lower_bytes
    }

    fn upper_bytes(&self, frames: usize, cpus: usize) -> usize {
        Layout::for_frames(frames, cpus).upper_bytes
    }

    fn annex_bytes(&self, frames: usize) -> usize {
        <Ledger<'_>>::bytes(frames)
    }
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cpus = 1 + usize::from(input.u16() % 2048);
    let emulate = (input.u8() & 1 != 0).then(|| range(&mut input)).flatten();
    let mut regions = Vec::new();
    let mut topology = Box::<Topology>::default();
    while !input.is_empty() {
        let (kind, detail) = (input.u8(), input.u8());
        match (kind % 4, range(&mut input)) {
            (0 | 1, place) => regions.push(region(place, detail)),
            (2, Some(place)) => {
                let listed = persistent(place, detail, &topology.persistent);
                let _ = topology.persistent.try_push(listed);
            }
            (_, Some(range)) => {
                _ = topology.memory.try_push(Memory {
                    range,
                    node: Node(u32::from(detail & 7)),
                    hot_pluggable: detail & 8 != 0,
                    non_volatile: detail & 16 != 0,
                });
            }
            (_, None) => {}
        }
    }
    topology.refuse_occupied(plan::occupied(&regions));
    let request = Request {
        regions: &regions,
        topology: &topology,
        emulate,
        cpus,
    };
    let plan = Plan::new(&request, &Tables);
    if let Err(violation) = plan.verify(&request, &Tables) {
        panic!("{violation}");
    }
    for refused in &plan.refused {
        assert!(!refused.reason.to_string().is_empty());
    }
}

fn range(input: &mut Input<'_>) -> Option<PhysRange> {
    let start = PhysAddr(input.amount());
    PhysRange::new(start, input.amount())
}

/// A region of the memory map; without a place, one that ends before it starts.
fn region(place: Option<PhysRange>, detail: u8) -> MemoryRegion {
    let mut region = MemoryRegion::empty();
    let (start, end) = place.map_or((1 << 30, 1 << 20), |place| (place.start().0, place.end().0));
    region.start = start;
    region.end = end;
    region.kind = match detail % 5 {
        0 | 1 => MemoryRegionKind::Usable,
        2 => MemoryRegionKind::Bootloader,
        3 => MemoryRegionKind::UnknownUefi(u32::from(detail >> 3)),
        _ => MemoryRegionKind::UnknownBios(u32::from(detail >> 3)),
    };
    region
}

/// A persistent range as the NFIT's parser lists it: what it does not refuse
/// consists of whole frames above the first mebibyte, and overlaps no other.
fn persistent(range: PhysRange, detail: u8, others: &[PersistentRange]) -> PersistentRange {
    let frame = FRAME_SIZE as u64;
    let is_usable = detail & 0x80 == 0
        && !range.is_empty()
        && range == range.shrink_to(frame)
        && range.start().0 >= 1 << 20
        && range.end().0 <= 1 << 52
        && others.iter().all(|other| !other.range.overlaps(range));
    PersistentRange {
        id: RegionId(u64::from(detail)),
        index: u16::from(detail),
        range,
        node: Node(u32::from(detail & 7)),
        domain: Domain::Eadr,
        refusal: (!is_usable).then_some(Refusal::NoIndex),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let machine = Output::default()
        .u16(3)
        .u8(0)
        // 640 KiB and 2 GiB of DRAM, the loader in it, 1 GiB persistent, a node.
        .u8(0)
        .u8(0)
        .pages(0)
        .pages(160)
        .u8(0)
        .u8(0)
        .pages(256)
        .pages(512 << 10)
        .u8(0)
        .u8(2)
        .pages(1024)
        .pages(300)
        .u8(2)
        .u8(1)
        .pages(1 << 20)
        .pages(256 << 10)
        .u8(3)
        .u8(1)
        .pages(1 << 20)
        .pages(256 << 10);
    let emulated = Output::default()
        .u16(1000)
        .u8(1)
        .pages(256 << 10)
        .pages(64 << 10)
        .u8(0)
        .u8(0)
        .pages(256)
        .pages(512 << 10);
    vec![machine.0, emulated.0]
}
