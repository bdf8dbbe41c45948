//! Which node processors and memory belong to (ACPI 6.5, section 5.2.16).
//!
//! Ranges may overlap: a window for memory that could be plugged in covers the
//! persistent memory inside it. Which entry wins is the topology's affair.

use frame::{PhysAddr, PhysRange};

use crate::entries::{Entries, EntryError};
use crate::sdt::{Signature, Table};
use crate::{Bytes, Node};

/// The table's name.
pub const SIGNATURE: Signature = Signature(*b"SRAT");
/// Bytes before the first entry.
pub const FIXED_LEN: usize = 48;

/// Flag of an entry that is in use.
const ENABLED: u32 = 1 << 0;

/// What an enabled entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A processor belongs to a node.
    Processor {
        /// Identity of its local interrupt controller.
        apic_id: u32,
        /// The node.
        node: Node,
    },
    /// A range belongs to a node.
    Memory(Memory),
}

/// A range of memory and the node that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The range.
    pub range: PhysRange,
    /// The node.
    pub node: Node,
    /// Memory may be plugged in here; perhaps there is none.
    pub hot_pluggable: bool,
    /// The content survives loss of power.
    pub non_volatile: bool,
}

/// Calls `found` for every enabled entry, in the table's order.
///
/// Entries of other types, empty ranges, and ranges that exceed the address space are skipped.
///
/// # Errors
///
/// Returns the first malformed entry; those before it have been reported.
pub fn items(table: Table<'_>, mut found: impl FnMut(Item)) -> Result<(), EntryError> {
    let mask = match table.revision() {
        // Only the lowest byte of a domain was defined in revision 1.
        0 | 1 => 0xff,
        _ => u32::MAX,
    };
    for entry in Entries::new(table.bytes(), FIXED_LEN) {
        let entry = entry?;
        let item = match entry.kind {
            0 => local(entry.at_least(16)?, mask),
            1 => memory(entry.at_least(40)?, mask),
            2 => local_x2(entry.at_least(24)?),
            _ => None,
        };
        item.into_iter().for_each(&mut found);
    }
    Ok(())
}

/// Processor local APIC affinity structure (table 5-52).
fn local(entry: Bytes<'_>, mask: u32) -> Option<Item> {
    let [second, third, fourth] = entry.array(9)?;
    let domain = u32::from_le_bytes([entry.u8(2)?, second, third, fourth]);
    enabled(entry.u32(4)?)?;
    Some(Item::Processor {
        apic_id: entry.u8(3)?.into(),
        node: Node(domain & mask),
    })
}

/// Memory affinity structure (table 5-53).
fn memory(entry: Bytes<'_>, mask: u32) -> Option<Item> {
    let flags = entry.u32(28)?;
    enabled(flags)?;
    let range = PhysRange::new(PhysAddr(entry.u64(8)?), entry.u64(16)?)?;
    (!range.is_empty()).then_some(Item::Memory(Memory {
        range,
        node: Node(entry.u32(2)? & mask),
        hot_pluggable: flags & 1 << 1 != 0,
        non_volatile: flags & 1 << 2 != 0,
    }))
}

/// Processor local x2APIC affinity structure (table 5-55).
fn local_x2(entry: Bytes<'_>) -> Option<Item> {
    enabled(entry.u32(12)?)?;
    Some(Item::Processor {
        apic_id: entry.u32(8)?,
        node: Node(entry.u32(4)?),
    })
}

fn enabled(flags: u32) -> Option<()> {
    (flags & ENABLED != 0).then_some(())
}
