//! The machine as the firmware describes it, in one value.
//!
//! Everything later — placement, waking processors, powering off — asks this
//! value and never a table. It is a plain collection with fixed capacities, about
//! 40 KiB, so that it can be filled before there is a heap.

mod discover;

use core::fmt;

use arrayvec::ArrayVec;
use frame::{PhysAddr, PhysRange};

use crate::fadt::{EnableAcpi, GenericAddress, Reset};
use crate::nfit::{Domain, PersistentRange, find_occupied};
use crate::s5::SleepType;
use crate::spcr::SerialPort;
use crate::srat::Memory;
use crate::{Finding, Physical, slit};

/// How much of everything there is room for.
pub mod capacity {
    /// Processors, disabled ones included.
    pub const PROCESSORS: usize = 1024;
    /// Ranges of memory with a node.
    pub const MEMORY: usize = 256;
    /// Nodes with known distances.
    pub const NODES: usize = 64;
    /// Persistent ranges.
    pub const PERSISTENT: usize = 32;
    /// Findings.
    pub const FINDINGS: usize = 64;
}

/// A NUMA node (proximity domain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Node(pub u32);

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A processor of the firmware's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Identity of its local interrupt controller.
    pub apic_id: u32,
    /// Identity in the firmware's namespace.
    pub acpi_uid: u32,
    /// The node that it belongs to.
    pub node: Node,
    /// Whether it may be started.
    pub enabled: bool,
}

/// How to switch the machine off: write the sleep types to the control registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerOff {
    /// Power management control register.
    pub pm1a_control: GenericAddress,
    /// Its second half on machines that split it.
    pub pm1b_control: Option<GenericAddress>,
    /// What to write there.
    pub sleep_type: SleepType,
    /// What to do first if bit 0 of the control register (`SCI_EN`) is clear.
    pub enable_acpi: Option<EnableAcpi>,
}

/// The machine as the firmware describes it.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The processors, in the firmware's order, each once.
    pub processors: ArrayVec<Processor, { capacity::PROCESSORS }>,
    /// Which memory belongs to which node; ranges may overlap.
    pub memory: ArrayVec<Memory, { capacity::MEMORY }>,
    /// How far nodes are from one another.
    pub distances: Distances,
    /// The persistent ranges, usable or not.
    pub persistent: ArrayVec<PersistentRange, { capacity::PERSISTENT }>,
    /// The platform's own word on when stores are durable; `None` without an NFIT.
    pub domain: Option<Domain>,
    /// Where the local interrupt controllers are.
    pub local_apic: Option<PhysAddr>,
    /// Where processors of a confidential machine wait to be woken.
    pub wakeup_mailbox: Option<PhysAddr>,
    /// How to reset the machine.
    pub reset: Option<Reset>,
    /// How to switch the machine off.
    pub power_off: Option<PowerOff>,
    /// Whether there is an 8042 keyboard controller.
    pub keyboard_controller: bool,
    /// The port that the firmware talks on.
    pub serial: Option<SerialPort>,
    /// What is odd about the tables.
    pub findings: ArrayVec<Finding, { capacity::FINDINGS }>,
}

impl Topology {
    /// Returns a machine of which nothing is known.
    pub const fn new() -> Self {
        Self {
            processors: ArrayVec::new_const(),
            memory: ArrayVec::new_const(),
            distances: Distances::new(),
            persistent: ArrayVec::new_const(),
            domain: None,
            local_apic: None,
            wakeup_mailbox: None,
            reset: None,
            power_off: None,
            keyboard_controller: false,
            serial: None,
            findings: ArrayVec::new_const(),
        }
    }

    /// Reads the firmware's tables, from the root pointer if the loader gave
    /// one. Without, it is searched for where a BIOS leaves it.
    ///
    /// `max_phys_bits` is the size of a physical address in bits (CPUID leaf
    /// 8000_0008h, EAX bits 7 to 0).
    pub fn discover(rsdp: Option<PhysAddr>, memory: &impl Physical, max_phys_bits: u8) -> Self {
        let mut topology = Self::new();
        topology.fill(rsdp, memory, max_phys_bits);
        topology
    }

    /// As [`Topology::discover`], in place: for a value in a static or a box.
    pub fn fill(&mut self, rsdp: Option<PhysAddr>, memory: &impl Physical, max_phys_bits: u8) {
        discover::fill(self, rsdp, memory, max_phys_bits);
    }

    /// Refuses every persistent range that shares bytes with an occupied one,
    /// such as those that the firmware's memory map lists.
    pub fn refuse_occupied(&mut self, occupied: impl Iterator<Item = PhysRange> + Clone) {
        for range in &mut self.persistent {
            let refusal = find_occupied(range.range, occupied.clone());
            range.refusal = range.refusal.or(refusal);
        }
    }

    /// Returns the node that an address belongs to; node 0 if nobody says.
    ///
    /// Where ranges overlap, persistent memory wins over a window in which
    /// memory could be plugged in, and so does memory that is there.
    pub fn node_of(&self, address: PhysAddr) -> Node {
        let matching = self
            .memory
            .iter()
            .filter(|memory| memory.range.start() <= address && address < memory.range.end());
        let best = matching.min_by_key(|memory| (!memory.non_volatile, memory.hot_pluggable));
        best.map_or(Node(0), |memory| memory.node)
    }

    /// Returns the node that a processor belongs to; node 0 if nobody says.
    pub fn node_of_cpu(&self, apic_id: u32) -> Node {
        let mut processors = self.processors.iter();
        let found = processors.find(|processor| processor.apic_id == apic_id);
        found.map_or(Node(0), |processor| processor.node)
    }

    /// Returns how far one node is from another, in tenths of the local distance.
    pub fn distance(&self, from: Node, to: Node) -> u8 {
        self.distances.get(from, to)
    }

    /// Adds a processor unless it is there; being enabled in one list is enough.
    fn add_processor(&mut self, added: Processor) -> bool {
        let mut known = self.processors.iter_mut();
        match known.find(|known| known.apic_id == added.apic_id) {
            Some(known) if added.enabled && !known.enabled => *known = added,
            Some(_) => {}
            None => return self.processors.try_push(added).is_ok(),
        }
        true
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::new()
    }
}

/// How far nodes are from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distances {
    nodes: usize,
    rows: [[u8; capacity::NODES]; capacity::NODES],
}

impl Distances {
    const fn new() -> Self {
        Self {
            nodes: 0,
            rows: [[0; capacity::NODES]; capacity::NODES],
        }
    }

    /// Returns the number of nodes whose distances are known.
    pub const fn nodes(&self) -> usize {
        self.nodes
    }

    /// Keeps as much of a matrix as there is room for.
    pub fn set(&mut self, matrix: slit::Matrix<'_>) {
        self.nodes = matrix.nodes().min(capacity::NODES);
        for (from, row) in self.rows.iter_mut().enumerate() {
            for (to, distance) in row.iter_mut().enumerate() {
                *distance = matrix.distance(from, to).unwrap_or(0);
            }
        }
    }

    fn get(&self, from: Node, to: Node) -> u8 {
        let index = |node: Node| usize::try_from(node.0).ok().filter(|at| *at < self.nodes);
        match (index(from), index(to)) {
            (Some(from), Some(to)) => self.rows[from][to],
            _ if from == to => slit::LOCAL,
            _ => slit::REMOTE,
        }
    }
}
