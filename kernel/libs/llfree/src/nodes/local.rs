//! A processor's handle on all zones.

use frame::{FRAME_SIZE, Order, PhysAddr};
use persist::Persist;

use super::Member;
use super::error::{NodeGetError, NodeLocalError, NodePutError};
use crate::class::Class;
use crate::error::GetError;
use crate::local::Local;
use crate::zone::Zone;

/// A processor's handle on several zones, of which it prefers those of its node.
///
/// It is one [`Local`] a zone, all of the same processor number, and their contract
/// is its contract: one a processor, not to be entered again from an interrupt,
/// drained before the processor idles, and drained when it is dropped.
pub struct NodeLocal<
    'z,
    'm,
    P: Persist,
    const N: usize,
    const WORDS: usize = 8,
    const TREE: usize = 32,
> {
    members: [Member<'z, 'm, P, WORDS, TREE>; N],
    locals: [Local<'z, 'm, P, WORDS, TREE>; N],
    /// Numbers of the zones, in the order in which they are tried.
    order: [usize; N],
    node: u32,
}

impl<'z, 'm, P: Persist, const N: usize, const WORDS: usize, const TREE: usize>
    NodeLocal<'z, 'm, P, N, WORDS, TREE>
{
    pub(super) fn new(
        members: [Member<'z, 'm, P, WORDS, TREE>; N],
        order: [usize; N],
        cpu: usize,
        node: u32,
    ) -> Result<Self, NodeLocalError> {
        let mut refused = None;
        let locals = members.each_ref().map(|member| member.zone.local(cpu));
        for (zone, local) in locals.iter().enumerate() {
            if let (None, Err(cause)) = (refused, local) {
                let cause = *cause;
                refused = Some(NodeLocalError { zone, cause });
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        Ok(Self {
            members,
            locals: locals.map(|local| local.expect("no zone has refused its handle")),
            order,
            node,
        })
    }

    /// Returns the number of the processor's node.
    pub const fn node(&self) -> u32 {
        self.node
    }

    /// Returns the zones, in the order in which they were given.
    pub const fn members(&self) -> &[Member<'z, 'm, P, WORDS, TREE>; N] {
        &self.members
    }

    /// Returns the handles on the zones, in the order in which the zones were given.
    pub const fn locals(&mut self) -> &mut [Local<'z, 'm, P, WORDS, TREE>; N] {
        &mut self.locals
    }

    /// Takes a block from the own node, or else from the nearest one that has it.
    ///
    /// Its address is a multiple of its size as far as the zone's start is one;
    /// giant frames always start where the hardware can map them.
    ///
    /// # Errors
    ///
    /// Returns [`NodeGetError`] if no zone gave such a block.
    #[inline]
    pub fn get(&mut self, order: Order) -> Result<PhysAddr, NodeGetError> {
        self.get_as(order, Class::default())
    }

    /// The same for content of a class: see [`Local::get_as`]. A near zone's memory of
    /// other classes comes before a far zone's.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    #[inline]
    pub fn get_as(&mut self, order: Order, class: Class) -> Result<PhysAddr, NodeGetError> {
        self.get_among(order, class, |_| true)
    }

    /// Takes a block from this node, or none.
    ///
    /// # Errors
    ///
    /// Returns [`NodeGetError`] if no zone of the node gave such a block, or if it
    /// has none.
    pub fn get_on(&mut self, node: u32, order: Order) -> Result<PhysAddr, NodeGetError> {
        self.get_as_on(node, order, Class::default())
    }

    /// The same for content of a class: see [`Local::get_as`].
    ///
    /// # Errors
    ///
    /// Those of [`get_on`](Self::get_on).
    pub fn get_as_on(
        &mut self,
        node: u32,
        order: Order,
        class: Class,
    ) -> Result<PhysAddr, NodeGetError> {
        if self.members.iter().all(|member| member.node != node) {
            return Err(NodeGetError::NoZone { node });
        }
        self.get_among(order, class, |other| other == node)
    }

    /// Returns a block, or an aligned part of one, to the zone that it is of.
    ///
    /// # Errors
    ///
    /// Returns [`NodePutError`], and leaves everything as it is, if no zone has the
    /// address or its zone refuses the block. What can't be noticed is said at
    /// [`Local::put`].
    #[inline]
    pub fn put(&mut self, address: PhysAddr, order: Order) -> Result<(), NodePutError> {
        if !address.is_aligned(FRAME_SIZE as u64) {
            return Err(NodePutError::InsideFrame { address });
        }
        // The own node's zones first: that is where most blocks are from.
        for &zone in &self.order {
            if let Some(frame) = self.members[zone].frame(address) {
                let outcome = self.locals[zone].put(frame, order);
                return outcome.map_err(|cause| NodePutError::Refused { zone, cause });
            }
        }
        Err(NodePutError::NoZone { address })
    }

    /// Gives back what the handle holds in all zones: see [`Local::drain`].
    pub fn drain(&mut self) {
        self.locals.iter_mut().for_each(Local::drain);
    }

    /// Makes all that was returned durable, in all zones: see [`Local::sync`].
    pub fn sync(&mut self) {
        self.locals.iter_mut().for_each(|local| {
            local.sync();
        });
    }

    /// Takes a block from the first zone that has it, of those whose node is asked.
    #[inline]
    fn get_among(
        &mut self,
        order: Order,
        class: Class,
        is_asked: impl Fn(u32) -> bool,
    ) -> Result<PhysAddr, NodeGetError> {
        let (mut zones, mut held) = (0, 0);
        let mut last = GetError::OutOfMemory { order };
        for zone in self.order {
            if !is_asked(self.members[zone].node) {
                continue;
            }
            zones += 1;
            match self.get_in(zone, order, class) {
                Ok(address) => return Ok(address),
                Err(cause @ GetError::BadOrder { .. }) => {
                    // All zones serve the same orders.
                    return Err(NodeGetError::NoBlock { zones, last: cause });
                }
                Err(GetError::HeldElsewhere { frames, .. }) => held += frames,
                Err(cause) => last = cause,
            }
        }
        Err(match held {
            0 => NodeGetError::NoBlock { zones, last },
            frames => NodeGetError::HeldElsewhere {
                order,
                zones,
                frames,
            },
        })
    }

    /// Takes a block from this zone.
    #[inline]
    fn get_in(&mut self, zone: usize, order: Order, class: Class) -> Result<PhysAddr, GetError> {
        let member = &self.members[zone];
        if order == Zone::<P, WORDS, TREE>::GIANT_ORDER
            && !member.start.is_aligned(order.bytes() as u64)
        {
            let alignment = Order::of_alignment(member.start.0 / FRAME_SIZE as u64);
            return Err(GetError::Unaligned { order, alignment });
        }
        let frame = self.locals[zone].get_as(order, class)?;
        Ok(member.address(frame))
    }
}
