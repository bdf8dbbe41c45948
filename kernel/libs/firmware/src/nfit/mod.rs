//! Persistent ranges, and whether a kernel may write to them.
//!
//! The NFIT (ACPI 6.5, section 5.2.25) is a bag of structures that refer to each
//! other by index, in any order: ranges of physical memory, the devices behind
//! them, what those are, and what happens to the processors' caches when power
//! fails. A range that is misunderstood here is somebody's data destroyed later,
//! so the reading is strict where it decides about writing and lenient
//! elsewhere:
//!
//! * [`structure`] decodes one structure of any type.
//! * [`chain`] walks them and finds what makes the whole table doubtful.
//! * [`judge()`] looks at one range and all that refers to it, and says
//!   why it must not be written to, if so.
//! * [`identity`] gives a range a name that outlives its address.

pub mod chain;
pub mod guid;
pub mod identity;
mod judge;
mod refusal;
pub mod structure;

use core::fmt;

use frame::PhysRange;

use crate::sdt::{Signature, Table};
use crate::{Bytes, Node};

pub use chain::{Broken, Structures};
pub use identity::RegionId;
pub use judge::{find_occupied, judge};
pub use refusal::Refusal;
use structure::{Capabilities, Structure};

/// The table's name.
pub const SIGNATURE: Signature = Signature(*b"NFIT");
/// Bytes before the first structure.
pub const FIXED_LEN: usize = 40;
/// Most structures that are looked at; the largest servers have a tenth of it.
pub const MAX_STRUCTURES: usize = 4096;

/// When a store is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// As soon as it is visible: the platform writes back caches when power fails.
    Eadr,
    /// As soon as the memory controller has accepted the cache line.
    Adr,
    /// As with [`Domain::Adr`], but nobody said so: the table has neither
    /// capabilities nor flush hints.
    AssumedAdr,
    /// Only after a write to a flush hint address of each device.
    FlushHints,
    /// Never, as far as the platform promises.
    None,
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eadr => "eadr",
            Self::Adr => "adr",
            Self::AssumedAdr => "adr (assumed: the firmware does not say)",
            Self::FlushHints => "flush hints",
            Self::None => "none",
        })
    }
}

/// A range of memory that the firmware calls persistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersistentRange {
    /// Identity that stays when the range moves.
    pub id: RegionId,
    /// Index that the table gives it.
    pub index: u16,
    /// Where it is in this boot. Cut off at the end of the address space if it
    /// claims more; then it is refused.
    pub range: PhysRange,
    /// The node that it belongs to.
    pub node: Node,
    /// When a store to it is durable.
    pub domain: Domain,
    /// Why it must not be written to, if so.
    pub refusal: Option<Refusal>,
}

/// A table whose chain of structures has been walked once.
#[derive(Clone, Copy, Debug)]
pub struct Nfit<'a> {
    bytes: Bytes<'a>,
    broken: Option<Broken>,
    capabilities: Option<Capabilities>,
}

impl<'a> Nfit<'a> {
    /// Walks the table.
    pub fn new(table: Table<'a>) -> Self {
        let bytes = table.bytes();
        let broken = chain::find_broken(bytes);
        let mut nfit = Self {
            bytes,
            broken,
            capabilities: None,
        };
        nfit.capabilities = nfit.structures().find_map(|structure| match structure {
            Structure::Capabilities(capabilities) => Some(capabilities),
            _ => None,
        });
        nfit
    }

    /// Returns what makes the table doubtful as a whole, if anything does.
    pub const fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Returns the structures up to the first that can't be read.
    pub fn structures(&self) -> impl Iterator<Item = Structure<'a>> + use<'a> {
        self.located().map(|(_, structure)| structure)
    }

    /// Returns the same with their offsets from the start of the table.
    pub fn located(&self) -> impl Iterator<Item = (usize, Structure<'a>)> + use<'a> {
        Structures::new(self.bytes).map_while(Result::ok)
    }

    /// Returns when stores are durable, for devices that have flush hints or have none.
    pub fn domain(&self, hints: Hints) -> Domain {
        match (self.capabilities, hints) {
            (Some(said), _) if said.flushes_caches() => Domain::Eadr,
            (Some(said), _) if said.flushes_controller() => Domain::Adr,
            (_, Hints::Given) => Domain::FlushHints,
            (Some(_), Hints::Absent) => Domain::None,
            (None, Hints::Absent) => Domain::AssumedAdr,
        }
    }
}

/// Whether the table lists flush hint addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// For at least one of the devices in question.
    Given,
    /// For none.
    Absent,
}

impl Hints {
    /// Returns whether the table lists any at all.
    pub fn of(nfit: &Nfit<'_>) -> Self {
        let mut structures = nfit.structures();
        let given = |structure| match structure {
            Structure::FlushHints(hints) => hints.addresses().next().is_some(),
            _ => false,
        };
        if structures.any(given) {
            Self::Given
        } else {
            Self::Absent
        }
    }
}
