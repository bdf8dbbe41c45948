//! The format of a trace: events of 16 bytes, one after the other.

/// Bytes of an event in a file.
pub const EVENT_BYTES: usize = 16;

/// An offset that means: outside of persistent memory.
const OUTSIDE: u32 = u32::MAX;

/// Something that a processor has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The processor.
    pub cpu: u8,
    /// What it has done.
    pub what: What,
}

/// What a processor has done. Offsets are from the start of the persistent range, in
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An aligned word has this value now.
    Store {
        /// Where the word is.
        offset: u32,
        /// Its value.
        value: u64,
    },
    /// The line of this byte is being written back.
    Flush {
        /// Where the byte is.
        offset: u32,
    },
    /// What was flushed before is durable.
    Fence,
    /// What was flushed before is durable before this locked instruction takes effect.
    /// Only recorded where something was flushed since the last fence.
    Locked {
        /// Where its operand is, if in persistent memory.
        offset: Option<u32>,
    },
    /// A line is being written back, and nobody knows which.
    Unpaired,
}

impl Event {
    /// Returns the event as it is in a file.
    pub fn encode(self) -> [u8; EVENT_BYTES] {
        let (kind, offset, value) = match self.what {
            What::Store { offset, value } => (1, offset, value),
            What::Flush { offset } => (2, offset, 0),
            What::Fence => (3, OUTSIDE, 0),
            What::Locked { offset } => (4, offset.unwrap_or(OUTSIDE), 0),
            What::Unpaired => (5, OUTSIDE, 0),
        };
        let mut bytes = [0; EVENT_BYTES];
        (bytes[0], bytes[1]) = (kind, self.cpu);
        bytes[4..8].copy_from_slice(&offset.to_le_bytes());
        bytes[8..].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    /// Reads an event; `None` if these bytes are none.
    pub fn decode(bytes: [u8; EVENT_BYTES]) -> Option<Self> {
        let [kind, cpu, _, _, a, b, c, d, value @ ..] = bytes;
        let offset = u32::from_le_bytes([a, b, c, d]);
        let what = match kind {
            1 => What::Store {
                offset,
                value: u64::from_le_bytes(value),
            },
            2 => What::Flush { offset },
            3 => What::Fence,
            4 => What::Locked {
                offset: (offset != OUTSIDE).then_some(offset),
            },
            5 => What::Unpaired,
            _ => return None,
        };
        Some(Self { cpu, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_bytes() {
        let (offset, value) = (0x0123_4568, 0xfedc_ba98_7654_3210);
        for what in [
            What::Store { offset, value },
            What::Flush { offset },
            What::Fence,
            What::Locked {
                offset: Some(offset),
            },
            What::Locked { offset: None },
            What::Unpaired,
        ] {
            let event = Event { cpu: 3, what };
            assert_eq!(Event::decode(event.encode()), Some(event));
        }
    }

    #[test]
    fn bytes_that_are_no_event_are_refused() {
        assert_eq!(Event::decode([0; EVENT_BYTES]), None);
        assert_eq!(Event::decode([6; EVENT_BYTES]), None);
    }
}
