//! The owner word: who has a block, since when, and until when.

use core::fmt;

use frame::{FrameId, Order};

/// Content of an owner word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nothing has ever started at this frame.
    Nobody,
    /// A block starts here and is owned.
    Owned(Claim),
    /// A block started here and was given up.
    Freeing(Claim),
    /// The frame is kept from use.
    Kept,
    /// Nothing that a worker writes.
    Malformed(u64),
}

/// By which operation a block got into its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Order of the block.
    pub order: Order,
    /// The processor whose operation it was.
    pub cpu: u8,
    /// The operation's number on that processor, from 1.
    pub seq: u64,
}

/// A block with an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First frame.
    pub frame: FrameId,
    /// Size.
    pub order: Order,
    /// What distinguishes this ownership from all others: the owner word.
    pub generation: u64,
}

const OWNED: u64 = 1;
const FREEING: u64 = 2;
/// The whole word: there is no order, processor or number.
const KEPT: u64 = 3;
const ORDER_SHIFT: u32 = 2;
const CPU_SHIFT: u32 = 8;
const SEQ_SHIFT: u32 = 16;

impl Owner {
    pub(super) fn encode(self) -> u64 {
        let (state, claim) = match self {
            Self::Nobody => return 0,
            Self::Kept => return KEPT,
            Self::Malformed(word) => return word,
            Self::Owned(claim) => (OWNED, claim),
            Self::Freeing(claim) => (FREEING, claim),
        };
        state
            | u64::from(claim.order.exponent()) << ORDER_SHIFT
            | u64::from(claim.cpu) << CPU_SHIFT
            | claim.seq << SEQ_SHIFT
    }

    pub(super) fn decode(word: u64) -> Self {
        let [low, cpu, ..] = word.to_le_bytes();
        let Some(order) = Order::new(low >> ORDER_SHIFT) else {
            return Self::Malformed(word);
        };
        let seq = word >> SEQ_SHIFT;
        let claim = Claim { order, cpu, seq };
        match u64::from(low) & 3 {
            OWNED => Self::Owned(claim),
            FREEING => Self::Freeing(claim),
            _ if word == 0 => Self::Nobody,
            _ if word == KEPT => Self::Kept,
            _ => Self::Malformed(word),
        }
    }
}

impl Block {
    /// Returns the block that this claim at `frame` is about.
    pub(super) fn new(frame: FrameId, claim: Claim) -> Self {
        Self {
            frame,
            order: claim.order,
            generation: Owner::Owned(claim).encode(),
        }
    }

    /// Returns the number of the first frame that no longer belongs to it.
    pub const fn end(&self) -> usize {
        self.frame.0 + self.order.frames()
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, cpu, seq } = self;
        write!(f, "order {order} by processor {cpu}, operation {seq}")
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} of order {}", self.frame, self.order)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_word_decodes_to_what_encodes_to_it(word: u64) {
            prop_assert_eq!(Owner::decode(word).encode(), word);
        }

        #[test]
        fn every_claim_survives_its_word(exponent in 0u8..=18, cpu: u8, seq in 0u64..1 << 48) {
            let claim = Claim { order: Order::new(exponent).expect("an order"), cpu, seq };
            for owner in [Owner::Owned(claim), Owner::Freeing(claim)] {
                prop_assert_eq!(Owner::decode(owner.encode()), owner);
            }
        }
    }
}
