//! Processors and where their interrupt controllers are (ACPI 6.5, section 5.2.12).
//!
//! A processor may be listed as local APIC, as local x2APIC, or as both; ids of
//! 255 and above exist only as x2APIC. Some entries are empty sockets. Telling
//! these apart happens here; merging them is the topology's.

use frame::PhysAddr;

use crate::Bytes;
use crate::entries::{Entries, EntryError};
use crate::sdt::{Signature, Table};

/// The table's name.
pub const SIGNATURE: Signature = Signature(*b"APIC");
/// Bytes before the first entry.
pub const FIXED_LEN: usize = 44;

/// Flag of a processor that is ready for use.
const ENABLED: u32 = 1 << 0;

/// What an entry that matters here says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A processor.
    Processor {
        /// Identity of its local interrupt controller.
        apic_id: u32,
        /// Identity in the firmware's namespace.
        acpi_uid: u32,
        /// Whether it may be started. One that could only be plugged in later is not.
        enabled: bool,
    },
    /// The local interrupt controllers' 64-bit address, which overrides the 32-bit one.
    LocalApic(PhysAddr),
    /// Where processors of a confidential machine wait to be woken.
    WakeupMailbox(PhysAddr),
}

/// Returns the 32-bit address of the local interrupt controllers.
pub fn local_apic(table: Table<'_>) -> Option<PhysAddr> {
    table.bytes().u32(36).map(|at| PhysAddr(at.into()))
}

/// Calls `found` for every entry that matters, in the table's order.
///
/// Entries of other types and processors with an impossible id are skipped.
///
/// # Errors
///
/// Returns the first malformed entry; those before it have been reported.
pub fn items(table: Table<'_>, mut found: impl FnMut(Item)) -> Result<(), EntryError> {
    for entry in Entries::new(table.bytes(), FIXED_LEN) {
        let entry = entry?;
        let item = match entry.kind {
            0 => local(entry.at_least(8)?),
            5 => entry
                .at_least(12)?
                .u64(4)
                .map(PhysAddr)
                .map(Item::LocalApic),
            9 => local_x2(entry.at_least(16)?),
            16 => entry
                .at_least(16)?
                .u64(8)
                .map(PhysAddr)
                .map(Item::WakeupMailbox),
            _ => None,
        };
        item.into_iter().for_each(&mut found);
    }
    Ok(())
}

/// Processor local APIC structure (table 5-21).
fn local(entry: Bytes<'_>) -> Option<Item> {
    let apic_id = entry.u8(3).filter(|id| *id != u8::MAX)?;
    Some(Item::Processor {
        apic_id: apic_id.into(),
        acpi_uid: entry.u8(2)?.into(),
        enabled: entry.u32(4)? & ENABLED != 0,
    })
}

/// Processor local x2APIC structure (table 5-38).
fn local_x2(entry: Bytes<'_>) -> Option<Item> {
    Some(Item::Processor {
        apic_id: entry.u32(4).filter(|id| *id != u32::MAX)?,
        acpi_uid: entry.u32(12)?,
        enabled: entry.u32(8)? & ENABLED != 0,
    })
}
