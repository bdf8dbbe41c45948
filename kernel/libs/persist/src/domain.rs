//! Persistence domains, and the platforms that need no instruction at all.

use crate::Persist;

/// What of the memory system survives a power failure, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Domain {
    /// Nothing: ordinary memory, or persistent memory that is not armed.
    Volatile = 0,
    /// What the memory controller has accepted (asynchronous DRAM refresh).
    Adr = 1,
    /// Processor caches too (extended ADR): a visible store is durable.
    Eadr = 2,
}

impl Domain {
    /// Returns the domain with this number, as stored on a medium.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Volatile),
            1 => Some(Self::Adr),
            2 => Some(Self::Eadr),
            _ => None,
        }
    }

    /// Returns the number that stands for this domain on a medium.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Returns whether durability takes flushes.
    pub const fn needs_flush(self) -> bool {
        matches!(self, Self::Adr)
    }
}

/// Ordinary memory: nothing is durable and nobody minds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volatile;

/// Persistent memory behind flushed caches: a store is durable when visible.
///
/// Visible means that it has left the store buffer. A locked instruction has
/// when it retires; a plain store has once a later locked instruction or fence
/// of the same processor retires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eadr;

/// The ADR protocol without its instructions.
///
/// Nothing here reaches a medium. It drives the code through the steps of the
/// weaker domain for an [`Observed`](crate::Observed) that models the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelledAdr;

macro_rules! without_instructions {
    ($platform:ty, $domain:expr) => {
        impl Persist for $platform {
            const DOMAIN: Domain = $domain;

            #[inline(always)]
            fn flush<T: ?Sized>(&self, _value: &T) {}

            #[inline(always)]
            fn fence(&self) {}

            #[inline(always)]
            fn order(&self) {}
        }
    };
}

without_instructions!(Volatile, Domain::Volatile);
without_instructions!(Eadr, Domain::Eadr);
without_instructions!(ModelledAdr, Domain::Adr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_survives_its_number() {
        for domain in [Domain::Volatile, Domain::Adr, Domain::Eadr] {
            assert_eq!(Domain::from_number(domain.number()), Some(domain));
        }
        assert_eq!(Domain::from_number(3), None);
    }

    #[test]
    fn only_the_memory_controller_domain_needs_flushes() {
        assert!(Domain::Adr.needs_flush());
        assert!(!Domain::Eadr.needs_flush() && !Domain::Volatile.needs_flush());
    }

    #[test]
    fn domains_are_ordered_by_strength() {
        assert!(Domain::Volatile < Domain::Adr && Domain::Adr < Domain::Eadr);
    }
}
