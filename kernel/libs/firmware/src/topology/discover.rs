//! From the root pointer to the whole machine.
//!
//! Tables are noted first and read afterwards in an order that suits us, since
//! nodes can only be given to processors that are known and the firmware lists
//! tables in any order.

use arrayvec::ArrayVec;
use frame::PhysAddr;

use crate::nfit::{self, Hints, Nfit};
use crate::rsdp::{self, Rsdp};
use crate::sdt::{HEADER_LEN, Root, Signature, Table};
use crate::{Bytes, Finding, Physical, Problem, fadt, madt, s5, sdt, slit, spcr, srat};

use super::{Node, PowerOff, Processor, Topology, capacity};

/// Most definition blocks that are searched for the sleep states.
const MAX_BLOCKS: usize = 64;

const ROOT_POINTER: Signature = Signature(*b"RSD ");
const DSDT: Signature = Signature(*b"DSDT");
const SSDT: Signature = Signature(*b"SSDT");

/// The tables that are read, and the bytes that their fixed parts need.
const TABLES: [(Signature, usize); 6] = [
    (madt::SIGNATURE, madt::FIXED_LEN),
    (srat::SIGNATURE, srat::FIXED_LEN),
    (slit::SIGNATURE, slit::FIXED_LEN),
    (fadt::SIGNATURE, fadt::FIXED_LEN),
    (spcr::SIGNATURE, spcr::FIXED_LEN),
    (nfit::SIGNATURE, nfit::FIXED_LEN),
];

/// Fills an empty topology.
pub(super) fn fill(
    topology: &mut Topology,
    rsdp: Option<PhysAddr>,
    memory: &impl Physical,
    max_phys_bits: u8,
) {
    let mut reader = Reader {
        topology,
        memory,
        listed: [None; TABLES.len()],
        blocks: ArrayVec::new(),
    };
    let Some(root) = reader.root_pointer(rsdp) else {
        return;
    };
    reader.list(root);
    reader.processors();
    reader.nodes();
    reader.distances();
    reader.power();
    reader.serial();
    reader.persistent(max_phys_bits);
}

struct Reader<'t, 'm, M> {
    topology: &'t mut Topology,
    memory: &'m M,
    /// Where the tables are, in the order of [`TABLES`].
    listed: [Option<PhysAddr>; TABLES.len()],
    /// Where the secondary definition blocks are.
    blocks: ArrayVec<PhysAddr, MAX_BLOCKS>,
}

impl<'m, M: Physical> Reader<'_, 'm, M> {
    fn root_pointer(&mut self, given: Option<PhysAddr>) -> Option<Rsdp> {
        let Some(at) = given.or_else(|| rsdp::search(self.memory)) else {
            self.note(ROOT_POINTER, None, Problem::Missing);
            return None;
        };
        match rsdp::read(self.memory, at) {
            Ok(rsdp) => Some(rsdp),
            Err(error) => {
                self.note(ROOT_POINTER, Some(at), Problem::Root(error));
                None
            }
        }
    }

    /// Notes where the tables are; the 64-bit list wins, the other one is the fallback.
    fn list(&mut self, rsdp: Rsdp) {
        let long = rsdp.xsdt.and_then(|at| self.root(Root::XSDT, at));
        let root = long
            .map(Root::xsdt)
            .or_else(|| Some(Root::rsdt(self.root(Root::RSDT, rsdp.rsdt?)?)));
        if let Some(root) = root {
            root.for_each(|at| self.note_table(at));
        }
    }

    fn root(&mut self, signature: Signature, at: PhysAddr) -> Option<Table<'m>> {
        self.read(signature, HEADER_LEN, at)
    }

    fn note_table(&mut self, at: PhysAddr) {
        let header = self.memory.read(at, HEADER_LEN).map(Bytes::new);
        let Some(signature) = header.and_then(sdt::signature) else {
            let len_bytes = HEADER_LEN;
            let unmapped = sdt::TableError::Unmapped { len_bytes };
            return self.note(Signature(*b"????"), Some(at), Problem::Table(unmapped));
        };
        if signature == SSDT {
            // One that doesn't fit can only cost the power-off.
            if !self.blocks.is_full() {
                self.blocks.push(at);
            }
            return;
        }
        let Some(slot) = TABLES.iter().position(|(known, _)| *known == signature) else {
            return;
        };
        match self.listed[slot] {
            None => self.listed[slot] = Some(at),
            Some(_) => self.note(signature, Some(at), Problem::Repeated),
        }
    }

    /// Returns a table that has been noted, with where it is.
    fn table(&mut self, wanted: Signature) -> Option<(PhysAddr, Table<'m>)> {
        let slot = TABLES.iter().position(|(known, _)| *known == wanted)?;
        let Some(at) = self.listed[slot] else {
            // Most machines have no serial port redirection.
            if wanted != spcr::SIGNATURE {
                self.note(wanted, None, Problem::Missing);
            }
            return None;
        };
        let (_, least_len) = TABLES[slot];
        Some((at, self.read(wanted, least_len, at)?))
    }

    fn read(&mut self, signature: Signature, least_len: usize, at: PhysAddr) -> Option<Table<'m>> {
        match Table::read(self.memory, at, signature, least_len) {
            Ok(table) => Some(table),
            Err(error) => {
                self.note(signature, Some(at), Problem::Table(error));
                None
            }
        }
    }

    fn processors(&mut self) {
        let Some((at, table)) = self.table(madt::SIGNATURE) else {
            return;
        };
        let topology = &mut *self.topology;
        topology.local_apic = madt::local_apic(table);
        let (mut kept, mut listed) = (0, 0);
        let walked = madt::items(table, |item| match item {
            madt::Item::Processor {
                apic_id,
                acpi_uid,
                enabled,
            } => {
                let node = Node(0);
                listed += 1;
                kept += usize::from(topology.add_processor(Processor {
                    apic_id,
                    acpi_uid,
                    node,
                    enabled,
                }));
            }
            madt::Item::LocalApic(at) => topology.local_apic = Some(at),
            madt::Item::WakeupMailbox(at) => topology.wakeup_mailbox = Some(at),
        });
        self.check(madt::SIGNATURE, at, walked);
        self.check_room(madt::SIGNATURE, at, "processors", kept, listed);
    }

    fn nodes(&mut self) {
        let Some((at, table)) = self.table(srat::SIGNATURE) else {
            return;
        };
        let topology = &mut *self.topology;
        let mut listed = 0;
        let walked = srat::items(table, |item| match item {
            srat::Item::Processor { apic_id, node } => {
                let processors = topology.processors.iter_mut();
                processors
                    .filter(|processor| processor.apic_id == apic_id)
                    .for_each(|processor| processor.node = node);
            }
            srat::Item::Memory(memory) => {
                listed += 1;
                if !topology.memory.is_full() {
                    topology.memory.push(memory);
                }
            }
        });
        let kept = topology.memory.len();
        self.check(srat::SIGNATURE, at, walked);
        self.check_room(srat::SIGNATURE, at, "memory ranges", kept, listed);
    }

    fn distances(&mut self) {
        let Some((at, table)) = self.table(slit::SIGNATURE) else {
            return;
        };
        match slit::Matrix::new(table) {
            Ok(matrix) => {
                self.topology.distances.set(matrix);
                let kept = self.topology.distances.nodes();
                self.check_room(slit::SIGNATURE, at, "nodes", kept, matrix.nodes());
            }
            Err(error) => self.note(slit::SIGNATURE, Some(at), Problem::Distances(error)),
        }
    }

    fn power(&mut self) {
        let Some((_, table)) = self.table(fadt::SIGNATURE) else {
            return;
        };
        let fadt = fadt::parse(table);
        self.topology.reset = fadt.reset;
        self.topology.keyboard_controller = fadt.keyboard_controller;
        let sleep_type = self.sleep_type(fadt.dsdt);
        if sleep_type.is_none() {
            self.note(DSDT, fadt.dsdt, Problem::NoSleepState);
        }
        self.topology.power_off =
            sleep_type
                .zip(fadt.pm1a_control)
                .map(|(sleep_type, pm1a_control)| PowerOff {
                    pm1a_control,
                    pm1b_control: fadt.pm1b_control,
                    sleep_type,
                    enable_acpi: fadt.enable_acpi,
                });
    }

    fn sleep_type(&mut self, dsdt: Option<PhysAddr>) -> Option<s5::SleepType> {
        let main = dsdt.map(|at| (DSDT, at));
        let blocks = self.blocks.clone().into_iter().map(|at| (SSDT, at));
        main.into_iter()
            .chain(blocks)
            .find_map(|(signature, at)| self.read(signature, HEADER_LEN, at).and_then(s5::find))
    }

    fn serial(&mut self) {
        if let Some((_, table)) = self.table(spcr::SIGNATURE) {
            self.topology.serial = spcr::parse(table);
        }
    }

    fn persistent(&mut self, max_phys_bits: u8) {
        let Some((at, table)) = self.table(nfit::SIGNATURE) else {
            return;
        };
        let nfit = Nfit::new(table);
        if let Some(broken) = nfit.broken() {
            self.note(nfit::SIGNATURE, Some(at), Problem::Doubtful(broken));
        }
        let mut found = ArrayVec::<_, { capacity::PERSISTENT }>::new();
        let node_of = |address| self.topology.node_of(address);
        let listed = nfit::judge(&nfit, max_phys_bits, node_of, &mut found);
        self.topology.domain = Some(nfit.domain(Hints::of(&nfit)));
        self.check_room(
            nfit::SIGNATURE,
            at,
            "persistent ranges",
            found.len(),
            listed,
        );
        self.topology.persistent = found;
    }

    fn check(
        &mut self,
        table: Signature,
        at: PhysAddr,
        walked: Result<(), crate::entries::EntryError>,
    ) {
        if let Err(error) = walked {
            self.note(table, Some(at), Problem::Entry(error));
        }
    }

    fn check_room(
        &mut self,
        table: Signature,
        at: PhysAddr,
        what: &'static str,
        kept: usize,
        listed: usize,
    ) {
        if kept < listed {
            self.note(table, Some(at), Problem::TooMany { what, kept, listed });
        }
    }

    /// Adds a finding; the first ones are the most telling if there is no room.
    fn note(&mut self, table: Signature, at: Option<PhysAddr>, problem: Problem) {
        if !self.topology.findings.is_full() {
            self.topology.findings.push(Finding { table, at, problem });
        }
    }
}
