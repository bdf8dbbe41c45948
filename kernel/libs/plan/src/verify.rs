//! The plan, checked by address.
//!
//! This knows nothing of how the plan was made: it takes the addresses as they
//! are and holds them against the memory map and the firmware's persistent
//! ranges. A kernel that is about to write somewhere asks here first.

use core::fmt;

use bootloader_api::info::MemoryRegionKind;
use frame::{FRAME_SIZE, HUGE_SIZE, PhysAddr, PhysRange};

use crate::dram::FIRST_MEBIBYTE;
use crate::layout::frames;
use crate::{Name, Plan, Request, Sizes, ZonePlacement, occupied, range_of};

/// A part of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All that the zone owns.
    Range,
    /// The first frame of a persistent range.
    Superblock,
    /// The lower tables.
    Lower,
    /// Room outside the managed frames.
    Annex,
    /// The frames to hand out.
    Managed,
    /// The last frame of a persistent range.
    Replica,
    /// The upper tables.
    Upper,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "range",
            Self::Superblock => "superblock",
            Self::Lower => "lower tables",
            Self::Annex => "annex",
            Self::Managed => "managed frames",
            Self::Replica => "replica",
            Self::Upper => "upper tables",
        })
    }
}

/// What isn't as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A part doesn't start or end where frames, or huge frames, do.
    Misaligned {
        /// The zone.
        zone: Name,
        /// The part.
        part: Part,
        /// Where it is.
        at: PhysRange,
    },
    /// A part is shorter than its content.
    TooShort {
        /// The zone.
        zone: Name,
        /// The part.
        part: Part,
        /// Where it is.
        at: PhysRange,
        /// Bytes of its content.
        needed: u64,
    },
    /// A part isn't inside the zone's range.
    Outside {
        /// The zone.
        zone: Name,
        /// The part.
        part: Part,
        /// Where it is.
        at: PhysRange,
    },
    /// Two parts share a byte.
    Overlap {
        /// The one.
        first: (Name, Part),
        /// The other.
        second: (Name, Part),
        /// What they share.
        at: PhysRange,
    },
    /// A part that must be in DRAM is elsewhere.
    NotDram {
        /// The zone.
        zone: Name,
        /// The part.
        part: Part,
        /// Where it is.
        at: PhysRange,
    },
    /// A persistent zone is in memory that the firmware doesn't call persistent,
    /// or that must not be written to.
    NotPersistent {
        /// The zone.
        zone: Name,
        /// Where it is.
        at: PhysRange,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { zone, part, at } => {
                write!(f, "{zone}: {part} at {at} not aligned")
            }
            Self::TooShort {
                zone,
                part,
                at,
                needed,
            } => {
                write!(f, "{zone}: {part} at {at} shorter than {needed} bytes")
            }
            Self::Outside { zone, part, at } => {
                write!(f, "{zone}: {part} at {at} outside the zone")
            }
            Self::Overlap {
                first: (zone, part),
                second: (other_zone, other),
                at,
            } => write!(f, "{zone}: {part} shares {at} with {other} of {other_zone}"),
            Self::NotDram { zone, part, at } => {
                write!(f, "{zone}: {part} at {at} not in usable DRAM")
            }
            Self::NotPersistent { zone, at } => {
                write!(f, "{zone}: {at} not persistent, or not to be written to")
            }
        }
    }
}

impl core::error::Error for Violation {}

type Checked = Result<(), Violation>;

/// Checks everything.
pub(crate) fn verify(plan: &Plan, request: &Request<'_>, sizes: &impl Sizes) -> Checked {
    for (at, zone) in plan.zones.iter().enumerate() {
        alignment(zone)?;
        lengths(zone, request.cpus, sizes)?;
        inside(zone)?;
        backing(zone, request)?;
        apart(zone, &plan.zones[at + 1..])?;
    }
    Ok(())
}

/// Returns the parts that must not share a byte with one another.
fn parts(zone: &ZonePlacement) -> impl Iterator<Item = (Part, PhysRange)> + Clone {
    let common = [
        (Part::Lower, zone.lower),
        (Part::Upper, zone.upper),
        (Part::Managed, zone.managed),
    ];
    let persistent = zone.persistent().map(|persistent| {
        [
            (Part::Superblock, persistent.superblock),
            (Part::Annex, persistent.annex),
            (Part::Replica, persistent.replica),
        ]
    });
    common.into_iter().chain(persistent.into_iter().flatten())
}

/// Returns the same and the whole range, gaps included, which is nobody else's.
fn whole(zone: &ZonePlacement) -> impl Iterator<Item = (Part, PhysRange)> + Clone {
    parts(zone).chain([(Part::Range, zone.range)])
}

fn alignment(zone: &ZonePlacement) -> Checked {
    let aligned = |range: PhysRange| range.shrink_to(FRAME_SIZE as u64) == range;
    let broken = whole(zone).find(|(part, range)| {
        let huge = *part != Part::Managed || range.start().is_aligned(HUGE_SIZE as u64);
        !(aligned(*range) && huge)
    });
    let zone = zone.name;
    broken.map_or(Ok(()), |(part, at)| {
        Err(Violation::Misaligned { zone, part, at })
    })
}

fn lengths(zone: &ZonePlacement, cpus: usize, sizes: &impl Sizes) -> Checked {
    let frames = frames(zone.managed);
    let least = |part| match part {
        Part::Lower => sizes.lower_bytes(frames),
        Part::Upper => sizes.upper_bytes(frames, cpus),
        Part::Annex => sizes.annex_bytes(frames),
        Part::Superblock | Part::Replica | Part::Managed | Part::Range => FRAME_SIZE,
    };
    let short = parts(zone).find(|(part, at)| at.len_bytes() < least(*part) as u64);
    short.map_or(Ok(()), |(part, at)| {
        let needed = least(part) as u64;
        let zone = zone.name;
        Err(Violation::TooShort {
            zone,
            part,
            at,
            needed,
        })
    })
}

/// The upper tables of a persistent zone are the only part outside its range.
fn inside(zone: &ZonePlacement) -> Checked {
    let elsewhere = |part| part == Part::Upper && zone.persistent().is_some();
    let strayed = parts(zone).find(|(part, at)| !elsewhere(*part) && !zone.range.contains(*at));
    let zone = zone.name;
    strayed.map_or(Ok(()), |(part, at)| {
        Err(Violation::Outside { zone, part, at })
    })
}

fn backing(zone: &ZonePlacement, request: &Request<'_>) -> Checked {
    let name = zone.name;
    if !is_dram(zone.upper, request) {
        let (part, at) = (Part::Upper, zone.upper);
        return Err(Violation::NotDram {
            zone: name,
            part,
            at,
        });
    }
    let at = zone.range;
    let emulated = zone.persistent().map(|persistent| persistent.emulated);
    match emulated {
        Some(true) if request.emulate != Some(at) => {
            Err(Violation::NotPersistent { zone: name, at })
        }
        Some(false) if !is_persistent(at, request) => {
            Err(Violation::NotPersistent { zone: name, at })
        }
        None | Some(true) if !is_dram(at, request) => {
            let part = Part::Range;
            Err(Violation::NotDram {
                zone: name,
                part,
                at,
            })
        }
        _ => Ok(()),
    }
}

/// Returns whether a range is one that the firmware vouches for, and nobody else's.
fn is_persistent(range: PhysRange, request: &Request<'_>) -> bool {
    let listed = request.topology.persistent.iter();
    let mut sound = listed.filter(|listed| listed.refusal.is_none());
    sound.any(|listed| listed.range.contains(range))
        && !occupied(request.regions).any(|other| other.overlaps(range))
}

/// Returns whether usable memory covers a range, and nothing else claims any of it.
fn is_dram(range: PhysRange, request: &Request<'_>) -> bool {
    let usable = |kind| kind == MemoryRegionKind::Usable;
    let others = request.regions.iter().filter(|region| !usable(region.kind));
    let persistent = request.topology.persistent.iter().map(|range| range.range);
    let mut claims = others
        .map(range_of)
        .chain(persistent)
        .chain([FIRST_MEBIBYTE]);
    if claims.any(|claim| claim.overlaps(range)) {
        return false;
    }
    let covers = |region: &PhysRange, at: PhysAddr| region.start() <= at && at < region.end();
    let mut at = range.start();
    while at < range.end() {
        let regions = request.regions.iter().filter(|region| usable(region.kind));
        let next = regions.map(range_of).find(|region| covers(region, at));
        match next {
            Some(region) => at = region.end(),
            None => return false,
        }
    }
    true
}

/// Checks that the parts of a zone are apart, and all of it from other zones.
fn apart(zone: &ZonePlacement, others: &[ZonePlacement]) -> Checked {
    for (number, part) in parts(zone).enumerate() {
        for other in parts(zone).skip(number + 1) {
            disjoint((zone, part), (zone, other))?;
        }
    }
    for other_zone in others {
        for part in whole(zone) {
            for other in whole(other_zone) {
                disjoint((zone, part), (other_zone, other))?;
            }
        }
    }
    Ok(())
}

type Located<'a> = (&'a ZonePlacement, (Part, PhysRange));

fn disjoint(
    (zone, (part, range)): Located<'_>,
    (other_zone, (other, other_range)): Located<'_>,
) -> Checked {
    let at = range.intersection(other_range);
    if at.is_empty() {
        return Ok(());
    }
    let (first, second) = ((zone.name, part), (other_zone.name, other));
    Err(Violation::Overlap { first, second, at })
}
