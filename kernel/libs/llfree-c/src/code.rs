//! Outcomes: one number a cause.
//!
//! The numbers are part of the interface. New ones are added at the end; none is
//! ever used for something else.

use core::ffi::{CStr, c_char};

use llfree::{GetError, LocalError, PutError, ZoneError};

/// How a call has ended. Whatever is not `LLFREE_RESULT_OK` has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[must_use]
pub enum Code {
    /// As asked.
    Ok = 0,
    /// A pointer that must point to something is null.
    NullArgument = 1,
    /// A zone without frames.
    NoFrames = 2,
    /// More frames than there are physical addresses.
    TooManyFrames = 3,
    /// A zone without processors.
    NoProcessors = 4,
    /// More processors than any zone serves.
    TooManyProcessors = 5,
    /// The persistence domain is none of those listed.
    UnknownDomain = 6,
    /// The domain needs cache lines to be written back, the processor can't.
    NoFlushInstruction = 7,
    /// The lower tables do not start at a multiple of 64 bytes.
    LowerMisaligned = 8,
    /// The lower tables do not fit into the memory given.
    LowerTooShort = 9,
    /// The upper structures do not start at a multiple of 64 bytes.
    UpperMisaligned = 10,
    /// The upper structures do not fit into the memory given.
    UpperTooShort = 11,
    /// The zone was made for fewer processors.
    NoSuchProcessor = 12,
    /// The processor has a handle already.
    HandleInUse = 13,
    /// The zone can't end while a processor has a handle.
    HandlesOpen = 14,
    /// No tree had such a block when it was looked at.
    OutOfMemory = 15,
    /// The zone does not serve this order.
    BadOrder = 16,
    /// A block of this order does not start at this frame.
    Misaligned = 17,
    /// The block is not entirely inside the zone.
    OutOfRange = 18,
    /// The block that was asked for is not entirely free.
    NotFree = 19,
    /// Part of the block is free already: freed twice, or never allocated.
    NotAllocated = 20,
    /// A huge frame of the block is allocated in parts, not as a whole.
    NotWhole = 21,
    /// Two parts of the tables contradict each other.
    Inconsistent = 22,
    /// A cause that this interface has no number for yet.
    Other = 23,
    /// No tree had such a block, but other processors hold free frames that may have
    /// been part of one. They have been asked to give them back.
    HeldElsewhere = 24,
    /// The giant frame is allocated in parts, not as one.
    NotGiant = 25,
    /// Giant frames of this zone would not be what the hardware takes for one.
    Unaligned = 26,
    /// The class of content is none of those listed.
    UnknownClass = 27,
}

/// All codes, in the order of their numbers.
const ALL: [Code; 28] = [
    Code::Ok,
    Code::NullArgument,
    Code::NoFrames,
    Code::TooManyFrames,
    Code::NoProcessors,
    Code::TooManyProcessors,
    Code::UnknownDomain,
    Code::NoFlushInstruction,
    Code::LowerMisaligned,
    Code::LowerTooShort,
    Code::UpperMisaligned,
    Code::UpperTooShort,
    Code::NoSuchProcessor,
    Code::HandleInUse,
    Code::HandlesOpen,
    Code::OutOfMemory,
    Code::BadOrder,
    Code::Misaligned,
    Code::OutOfRange,
    Code::NotFree,
    Code::NotAllocated,
    Code::NotWhole,
    Code::Inconsistent,
    Code::Other,
    Code::HeldElsewhere,
    Code::NotGiant,
    Code::Unaligned,
    Code::UnknownClass,
];

impl Code {
    /// Returns a few words for a log.
    const fn text(self) -> &'static CStr {
        match self {
            Self::Ok => c"ok",
            Self::NullArgument => c"a pointer is null",
            Self::NoFrames => c"a zone needs at least one frame",
            Self::TooManyFrames => c"more frames than physical addresses",
            Self::NoProcessors => c"a zone needs at least one processor",
            Self::TooManyProcessors => c"more processors than any zone serves",
            Self::UnknownDomain => c"unknown persistence domain",
            Self::NoFlushInstruction => c"the processor can't write back cache lines",
            Self::LowerMisaligned => c"lower tables don't start at a multiple of 64 bytes",
            Self::LowerTooShort => c"memory for the lower tables is too short",
            Self::UpperMisaligned => c"upper structures don't start at a multiple of 64 bytes",
            Self::UpperTooShort => c"memory for the upper structures is too short",
            Self::NoSuchProcessor => c"the zone was made for fewer processors",
            Self::HandleInUse => c"the processor has a handle already",
            Self::HandlesOpen => c"a processor still has a handle",
            Self::OutOfMemory => c"no free block of this order",
            Self::BadOrder => c"this order is not served",
            Self::Misaligned => c"no block of this order starts at this frame",
            Self::OutOfRange => c"the block is not inside the zone",
            Self::NotFree => c"the block is not entirely free",
            Self::NotAllocated => c"the block is free already",
            Self::NotWhole => c"the huge frame is allocated in parts",
            Self::Inconsistent => c"the tables contradict each other",
            Self::Other => c"another cause",
            Self::HeldElsewhere => c"other processors hold free frames of such a block",
            Self::NotGiant => c"the giant frame is allocated in parts",
            Self::Unaligned => c"giant frames would not be aligned in physical memory",
            Self::UnknownClass => c"unknown class of content",
        }
    }
}

impl From<Result<(), Self>> for Code {
    fn from(outcome: Result<(), Self>) -> Self {
        outcome.err().unwrap_or(Self::Ok)
    }
}

impl From<ZoneError> for Code {
    fn from(error: ZoneError) -> Self {
        match error {
            ZoneError::NoFrames => Self::NoFrames,
            ZoneError::NoProcessors => Self::NoProcessors,
            ZoneError::LowerMisaligned { .. } => Self::LowerMisaligned,
            ZoneError::LowerTooShort { .. } => Self::LowerTooShort,
            ZoneError::UpperMisaligned { .. } => Self::UpperMisaligned,
            ZoneError::UpperTooShort { .. } => Self::UpperTooShort,
            _ => Self::Other,
        }
    }
}

impl From<LocalError> for Code {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::OutOfRange { .. } => Self::NoSuchProcessor,
            LocalError::Busy { .. } => Self::HandleInUse,
            _ => Self::Other,
        }
    }
}

impl From<GetError> for Code {
    fn from(error: GetError) -> Self {
        match error {
            GetError::OutOfMemory { .. } => Self::OutOfMemory,
            GetError::BadOrder { .. } => Self::BadOrder,
            GetError::Misaligned { .. } => Self::Misaligned,
            GetError::OutOfRange { .. } => Self::OutOfRange,
            GetError::NotFree { .. } => Self::NotFree,
            GetError::HeldElsewhere { .. } => Self::HeldElsewhere,
            GetError::Unaligned { .. } => Self::Unaligned,
            _ => Self::Other,
        }
    }
}

impl From<PutError> for Code {
    fn from(error: PutError) -> Self {
        match error {
            PutError::BadOrder { .. } => Self::BadOrder,
            PutError::Misaligned { .. } => Self::Misaligned,
            PutError::OutOfRange { .. } => Self::OutOfRange,
            PutError::NotAllocated { .. } => Self::NotAllocated,
            PutError::NotWhole { .. } => Self::NotWhole,
            PutError::NotGiant { .. } => Self::NotGiant,
            _ => Self::Other,
        }
    }
}

/// Returns a few words on an `llfree_result`, for a log: static, never null, also
/// for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn llfree_text(code: u32) -> *const c_char {
    let known = usize::try_from(code).ok().and_then(|code| ALL.get(code));
    known.map_or(c"no such result", |code| code.text()).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_under_its_number() {
        for (number, &code) in ALL.iter().enumerate() {
            assert_eq!(code as usize, number, "{code:?}");
        }
    }

    #[test]
    fn no_two_codes_read_the_same() {
        for (index, code) in ALL.iter().enumerate() {
            let same = ALL[..index]
                .iter()
                .find(|other| other.text() == code.text());
            assert_eq!(same, None, "{code:?}");
        }
    }

    #[test]
    fn frames_in_other_hands_are_not_out_of_memory() {
        let order = frame::Order::HUGE;
        let held = GetError::HeldElsewhere { order, frames: 3 };
        assert_eq!(Code::from(held), Code::HeldElsewhere);
    }

    #[test]
    fn a_number_that_is_no_code_has_a_text_too() {
        let number = u32::try_from(ALL.len()).unwrap();
        for number in [number, u32::MAX] {
            assert_eq!(llfree_text(number), c"no such result".as_ptr());
        }
    }
}
