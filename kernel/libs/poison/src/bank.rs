//! One bank of error registers.

use core::fmt;

use frame::PhysAddr;

/// The bank holds an error.
const VALID: u64 = 1 << 63;
/// A further error was lost.
const OVERFLOW: u64 = 1 << 62;
/// The hardware has not corrected it.
const UNCORRECTED: u64 = 1 << 61;
/// The miscellaneous register holds something.
const MISC_VALID: u64 = 1 << 59;
/// The address register holds something.
const ADDRESS_VALID: u64 = 1 << 58;
/// What the processor was doing may be wrong.
const CONTEXT_CORRUPT: u64 = 1 << 57;
/// Somebody was about to use the data.
const ACTION_REQUIRED: u64 = 1 << 55;

/// In the global register: the interrupted program can be resumed.
const RESUMABLE: u64 = 1 << 0;

/// What an address of a bank refers to (`MISC` bits 6 to 8).
const PHYSICAL: u64 = 0b010;
/// A line, where the bank does not say how exact its address is.
const LINE_BITS: u64 = 6;

/// The registers of one bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    /// Its number.
    pub number: u8,
    /// `IA32_MCi_STATUS`.
    pub status: u64,
    /// `IA32_MCi_ADDR`; read only where [`Bank::has_address`].
    pub address: u64,
    /// `IA32_MCi_MISC`; read only where [`Bank::has_misc`].
    pub misc: u64,
}

/// How bad an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The hardware has corrected it.
    Corrected,
    /// The data are gone, but nobody was about to use them.
    Latent,
    /// The data are gone, and somebody was about to use them.
    Consumed,
    /// The state of the processor is doubtful.
    Fatal,
}

impl Bank {
    /// Returns whether the bank holds an error.
    pub const fn is_valid(&self) -> bool {
        self.status & VALID != 0
    }

    /// Returns whether the address register may be read.
    pub const fn has_address(&self) -> bool {
        self.status & ADDRESS_VALID != 0
    }

    /// Returns whether the miscellaneous register may be read.
    pub const fn has_misc(&self) -> bool {
        self.status & MISC_VALID != 0
    }

    /// Returns whether errors after this one were lost.
    pub const fn has_lost_others(&self) -> bool {
        self.status & OVERFLOW != 0
    }

    /// Returns how bad the error is.
    pub const fn severity(&self) -> Severity {
        if self.status & UNCORRECTED == 0 {
            Severity::Corrected
        } else if self.status & CONTEXT_CORRUPT != 0 {
            Severity::Fatal
        } else if self.status & ACTION_REQUIRED != 0 {
            Severity::Consumed
        } else {
            Severity::Latent
        }
    }

    /// Returns the first byte that may be wrong, or `None` where the bank does not
    /// name a place in physical memory.
    pub fn location(&self) -> Option<PhysAddr> {
        if !self.is_valid() || !self.has_address() {
            return None;
        }
        let (mode, exact_from) = if self.has_misc() {
            (self.misc >> 6 & 0b111, self.misc & 0x3f)
        } else {
            (PHYSICAL, LINE_BITS)
        };
        // Bits below are not meaningful; all of them would leave no address.
        let unknown = 1_u64.checked_shl(u32::try_from(exact_from).ok()?)? - 1;
        (mode == PHYSICAL).then_some(PhysAddr(self.address & !unknown))
    }
}

/// Returns whether a processor can go on where it was interrupted, given the
/// global status register and the severities of its banks.
pub fn can_resume(global: u64, severities: impl IntoIterator<Item = Severity>) -> bool {
    let is_sound = |severity| severity < Severity::Consumed;
    global & RESUMABLE != 0 && severities.into_iter().all(is_sound)
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrected => "corrected",
            Self::Latent => "not corrected, not used yet",
            Self::Consumed => "not corrected, about to be used",
            Self::Fatal => "not corrected, with the processor's state in doubt",
        })
    }
}
