//! Several zones as one allocator of physical memory, near memory first.
//!
//! A machine with several memory nodes has a zone for each, so that a processor
//! can take memory that is near. Then somebody has to decide whose turn it is when
//! the near memory is full, and to find the zone that an address came from. Here
//! that is written once: [`Nodes`] is a view of the zones with their places in
//! physical memory, [`NodeLocal`] a processor's handle on all of them, and
//! [`fallback`] the order in which they are tried.
//!
//! The zones know nothing of it, and pay nothing. They stay usable by themselves,
//! and the paths of a block are theirs: what is added is a search for the zone.
//!
//! ```
//! use frame::{Order, PhysAddr};
//! use llfree::nodes::{Member, Nodes};
//! use llfree::{Memory, Zone};
//! use persist::Volatile;
//!
//! #[repr(align(64))]
//! struct Tables([u8; 8192]);
//! let zone = || {
//!     let tables = Box::leak(Box::new(Tables([0; 8192])));
//!     let (lower, upper) = tables.0.split_at_mut(4096);
//!     let memory = Memory { lower, upper };
//!     Zone::<'_, Volatile>::create(4 * 512, 1, memory, Volatile).unwrap()
//! };
//! let (far, near) = (zone(), zone());
//! let nodes = Nodes::new([
//!     Member { zone: &far, start: PhysAddr(0x4000_0000), node: 0 },
//!     Member { zone: &near, start: PhysAddr(0x8000_0000), node: 1 },
//! ]).unwrap();
//!
//! // Processor 0 is on node 1. Firmware's SLIT says how far the others are.
//! let mut local = nodes.local(0, 1, |node| if node == 1 { 10 } else { 21 }).unwrap();
//! let page = local.get(Order::FRAME).unwrap();
//! assert!(page >= PhysAddr(0x8000_0000));
//! local.put(page, Order::FRAME).unwrap();
//! ```

mod error;
mod fallback;
mod local;
#[cfg(feature = "x86_64")]
mod x86_64;

use frame::{FRAME_SIZE, FrameId, PhysAddr, PhysRange};
use persist::Persist;

use crate::query::Stats;
use crate::zone::Zone;

pub use error::{NodeGetError, NodeLocalError, NodePutError, NodesError};
pub use fallback::fallback;
pub use local::NodeLocal;
#[cfg(feature = "x86_64")]
pub use x86_64::NodeFrames;

/// A zone with its place in the machine.
pub struct Member<'z, 'm, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    /// The zone.
    pub zone: &'z Zone<'m, P, WORDS, TREE>,
    /// Physical address of its frame 0.
    pub start: PhysAddr,
    /// Number of the node that its memory is on, as the firmware counts.
    pub node: u32,
}

/// Not derived: that would ask for a platform that can be copied.
impl<P: Persist, const WORDS: usize, const TREE: usize> Clone for Member<'_, '_, P, WORDS, TREE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Copy for Member<'_, '_, P, WORDS, TREE> {}

impl<P: Persist, const WORDS: usize, const TREE: usize> Member<'_, '_, P, WORDS, TREE> {
    /// Returns the memory that the zone manages, unless it would exceed the address
    /// space.
    fn range(&self) -> Option<PhysRange> {
        let frames = u64::try_from(self.zone.frames()).ok()?;
        PhysRange::new(self.start, frames.checked_mul(FRAME_SIZE as u64)?)
    }

    /// Returns the address of one of the zone's frames.
    fn address(&self, frame: FrameId) -> PhysAddr {
        PhysAddr(self.start.0 + frame.offset_bytes() as u64)
    }

    /// Returns which of the zone's frames has this address, if it is in the zone.
    fn frame(&self, address: PhysAddr) -> Option<FrameId> {
        let offset_bytes = address.0.checked_sub(self.start.0)?;
        let frame = usize::try_from(offset_bytes / FRAME_SIZE as u64).ok()?;
        (frame < self.zone.frames()).then_some(FrameId(frame))
    }
}

/// A view of `N` zones, which may be on any number of nodes.
///
/// All zones are of one type. A machine with persistent and with ordinary memory
/// makes a view of each kind: whoever asks for memory has to say which one.
pub struct Nodes<'z, 'm, P: Persist, const N: usize, const WORDS: usize = 8, const TREE: usize = 32>
{
    members: [Member<'z, 'm, P, WORDS, TREE>; N],
}

impl<'z, 'm, P: Persist, const N: usize, const WORDS: usize, const TREE: usize>
    Nodes<'z, 'm, P, N, WORDS, TREE>
{
    /// Makes a view of these zones, whose order means nothing.
    ///
    /// # Errors
    ///
    /// Returns [`NodesError`] if a zone does not start at a huge frame, if it would
    /// end beyond the address space, or if two zones share memory.
    pub fn new(members: [Member<'z, 'm, P, WORDS, TREE>; N]) -> Result<Self, NodesError> {
        const { assert!(N > 0, "a view of no zone has nothing to give") };
        let huge_bytes = Zone::<P, WORDS, TREE>::HUGE_ORDER.bytes() as u64;
        for (zone, member) in members.iter().enumerate() {
            let (start, frames) = (member.start, member.zone.frames());
            if !start.is_aligned(huge_bytes) {
                return Err(NodesError::Misaligned { zone, start });
            }
            let too_high = NodesError::TooHigh {
                zone,
                start,
                frames,
            };
            let range = member.range().ok_or(too_high)?;
            let mut before = members[..zone].iter().filter_map(Member::range);
            if let Some(first) = before.position(|other| other.overlaps(range)) {
                return Err(NodesError::Overlap {
                    zones: [first, zone],
                });
            }
        }
        Ok(Self { members })
    }

    /// Returns the zones, in the order in which they were given.
    pub const fn members(&self) -> &[Member<'z, 'm, P, WORDS, TREE>; N] {
        &self.members
    }

    /// Returns the nodes that have a zone, each once.
    pub fn nodes(&self) -> impl Iterator<Item = u32> {
        let all = self.members.iter().enumerate();
        all.filter_map(|(at, member)| {
            let mut before = self.members[..at].iter();
            let is_new = before.all(|earlier| earlier.node != member.node);
            is_new.then_some(member.node)
        })
    }

    /// Returns how full a node is, if it has a zone.
    pub fn stats(&self, node: u32) -> Option<Stats> {
        let here = self.members.iter().filter(|member| member.node == node);
        here.map(|member| member.zone.stats()).reduce(sum)
    }

    /// Returns a processor's handle on all zones.
    ///
    /// `node` is the processor's own, which need not have a zone. `distance` says
    /// how far another node is from it: see [`fallback`].
    ///
    /// # Errors
    ///
    /// Returns [`NodeLocalError`] if a zone refuses its handle; then none is taken.
    pub fn local(
        &self,
        cpu: usize,
        node: u32,
        distance: impl Fn(u32) -> u8,
    ) -> Result<NodeLocal<'z, 'm, P, N, WORDS, TREE>, NodeLocalError> {
        let order = fallback(self.members.map(|member| member.node), node, distance);
        NodeLocal::new(self.members, order, cpu, node)
    }
}

/// Returns how full two zones are together.
fn sum(one: Stats, other: Stats) -> Stats {
    Stats {
        frames: one.frames + other.frames,
        offline: one.offline + other.offline,
        free: one.free + other.free,
        huge_free: one.huge_free + other.huge_free,
        giant_free: one.giant_free + other.giant_free,
        trees: one.trees + other.trees,
        trees_free: one.trees_free + other.trees_free,
    }
}
