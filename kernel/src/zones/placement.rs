//! The plan, with the sizes of this kernel's tables.

use firmware::Topology;
use llfree::Layout;
use plan::{Plan, Request, Sizes, ZonePlacement};
use workload::ledger::Ledger;

use crate::{
    handover::Handover,
    log::{info, warn},
    size::Size,
};

/// How much room our tables need.
pub(super) struct Tables;

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

/// Where everything goes, and for how many processors.
pub(crate) struct Placement {
    /// The plan.
    pub(crate) plan: Plan,
    /// Processors that may take part.
    pub(crate) cpus: usize,
}

impl Placement {
    /// Decides where everything goes, and checks the decision by address.
    ///
    /// # Panics
    ///
    /// Panics if the plan contradicts what it was made for: the first store would
    /// hit somebody else's memory.
    pub(crate) fn decide(
        handover: &Handover,
        topology: &Topology,
        options: &options::Options,
        cpus: usize,
    ) -> Self {
        let request = Request {
            regions: handover.regions,
            topology,
            emulate: options.emulate,
            // The kernel takes frames under a number of its own.
            cpus: cpus + 1,
        };
        let plan = Plan::new(&request, &Tables);
        if let Err(violation) = plan.verify(&request, &Tables) {
            panic!("plan: {violation}");
        }
        let placement = Self { plan, cpus };
        placement.explain();
        placement
    }

    fn explain(&self) {
        for zone in &self.plan.zones {
            explain(zone);
        }
        for refused in &self.plan.refused {
            warn!(
                "plan",
                "{} is left alone: {}", refused.range, refused.reason
            );
        }
        for left_out in &self.plan.left_out {
            info!(
                "plan",
                "{} is left out: {}", left_out.range, left_out.reason
            );
        }
        info!(
            "plan",
            "verified: lower tables of persistent zones in their range, upper in DRAM"
        );
    }
}

fn explain(zone: &ZonePlacement) {
    let kind = match zone.persistent() {
        Some(persistent) if persistent.emulated => "DRAM as if persistent: emulated, not durable",
        Some(_) => "persistent",
        None => "DRAM",
    };
    info!(
        "plan",
        "{} ({kind}, node {}): frames {} ({}), lower {}, upper {}",
        zone.name,
        zone.node,
        zone.managed,
        Size(zone.managed.len_bytes()),
        zone.lower,
        zone.upper
    );
}
