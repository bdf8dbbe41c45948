//! One zone: frames to hand out, and where the tables about them are.

use core::fmt::Write;

use arrayvec::ArrayString;
use firmware::{Domain, Node, RegionId};
use frame::{FRAME_SIZE, PhysAddr, PhysRange};

use crate::{Part, RefusedReason, Sizes, layout};

/// A short name, such as `pmem0`.
pub type Name = ArrayString<16>;

/// Where one zone and its tables go.
#[derive(Clone, Debug)]
pub struct ZonePlacement {
    /// What records and people call it.
    pub name: Name,
    /// Whether it is meant to survive, and what only then exists.
    pub kind: Kind,
    /// The node that its frames belong to.
    pub node: Node,
    /// Everything that the zone owns. The upper tables of a persistent zone lie
    /// elsewhere.
    pub range: PhysRange,
    /// The lower tables, in whole frames.
    pub lower: PhysRange,
    /// The upper tables, in whole frames of DRAM.
    pub upper: PhysRange,
    /// The frames that it hands out. Starts at a multiple of 2 MiB.
    pub managed: PhysRange,
}

/// What kind of memory a zone is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory that keeps its content, or stands in for such memory.
    Persistent(Persistent),
    /// DRAM.
    Volatile,
}

/// What only a persistent zone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistent {
    /// Identity of the range.
    pub id: RegionId,
    /// When a store is durable.
    pub domain: Domain,
    /// The range is DRAM: nothing in it is durable.
    pub emulated: bool,
    /// The first frame, which says what is in the range.
    pub superblock: PhysRange,
    /// Room outside the managed frames, in whole frames.
    pub annex: PhysRange,
    /// The last frame, a copy of the first.
    pub replica: PhysRange,
}

impl ZonePlacement {
    /// Lays a persistent zone out anew in a part of its range, with the same upper
    /// tables: a part never needs larger ones.
    ///
    /// # Errors
    ///
    /// Returns the reason if it is not persistent, if `part` is not whole frames of
    /// its range, or if that is too small for its tables.
    pub fn within(&self, part: PhysRange, sizes: &impl Sizes) -> Result<Self, RefusedReason> {
        let Kind::Persistent(persistent) = self.kind else {
            return Err(RefusedReason::NotUsable);
        };
        if !self.range.contains(part) || part.shrink_to(FRAME_SIZE as u64) != part {
            return Err(RefusedReason::Misaligned);
        }
        let identity = (persistent.id, persistent.domain, persistent.emulated);
        let laid_out = layout::persistent(self.name, self.node, part, identity, sizes);
        let upper = self.upper;
        match laid_out {
            Ok(zone) => Ok(Self { upper, ..zone }),
            Err(layout::TooSmall { needed }) => Err(RefusedReason::TooSmall {
                given: part.len_bytes(),
                needed,
            }),
        }
    }

    /// Returns the part of the zone that an address is in, if it is in one;
    /// [`Part::Range`] is for what lies between the others.
    pub fn part_at(&self, address: PhysAddr) -> Option<Part> {
        let is_in = |part: PhysRange| part.start() <= address && address < part.end();
        let shared = [
            (self.managed, Part::Managed),
            (self.lower, Part::Lower),
            (self.upper, Part::Upper),
        ];
        let own = self.persistent().map(|persistent| {
            [
                (persistent.superblock, Part::Superblock),
                (persistent.annex, Part::Annex),
                (persistent.replica, Part::Replica),
            ]
        });
        let rest = [(self.range, Part::Range)];
        let mut parts = shared
            .into_iter()
            .chain(own.into_iter().flatten())
            .chain(rest);
        parts.find_map(|(range, part)| is_in(range).then_some(part))
    }

    /// Returns what only a persistent zone has, if it is one.
    pub const fn persistent(&self) -> Option<&Persistent> {
        match &self.kind {
            Kind::Persistent(persistent) => Some(persistent),
            Kind::Volatile => None,
        }
    }
}

/// Returns the name with this number.
pub(crate) fn name(prefix: &str, number: usize) -> Name {
    let mut name = Name::new();
    // A number that doesn't fit is cut off; there are fewer zones than that.
    write!(name, "{prefix}{number}").unwrap_or_default();
    name
}
