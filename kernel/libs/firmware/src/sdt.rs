//! The header that all system description tables share.
//!
//! A table is trusted with nothing until its signature, its length and its
//! checksum agree; after that it is cut to the declared length, so that no
//! reader can stray into what lies behind it (ACPI 6.5, section 5.2.6).

use core::fmt;

use frame::PhysAddr;

use crate::{Bytes, Physical};

/// Bytes in the common header.
pub const HEADER_LEN: usize = 36;

/// The longest table that is believed, in bytes. The largest in practice are
/// definition blocks of well below a mebibyte; a length beyond this is a flipped
/// bit, and following it would read device memory.
pub const MAX_LEN: usize = 16 << 20;

/// The four characters that name a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Signature(pub [u8; 4]);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a table can't be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// The bytes can't be read.
    Unmapped {
        /// How many were asked for.
        len_bytes: usize,
    },
    /// Another table is where this one should be.
    Signature {
        /// Its name.
        found: Signature,
    },
    /// The declared length can't hold the fixed part.
    TooShort {
        /// Length in the header, in bytes.
        declared: usize,
        /// Least length, in bytes.
        least: usize,
    },
    /// The declared length exceeds the bytes there are, or [`MAX_LEN`].
    TooLong {
        /// Length in the header, in bytes.
        declared: usize,
        /// Most that can be read, in bytes.
        most: usize,
    },
    /// The bytes don't add up to zero.
    Checksum {
        /// What they add up to.
        sum: u8,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unmapped { len_bytes } => write!(f, "{len_bytes} bytes can't be read"),
            Self::Signature { found } => write!(f, "the signature is {found}"),
            Self::TooShort { declared, least } => {
                write!(f, "its length is {declared} bytes, at least {least} needed")
            }
            Self::TooLong { declared, most } => {
                write!(f, "its length is {declared} bytes, at most {most} possible")
            }
            Self::Checksum { sum } => write!(f, "its bytes add up to {sum:#04x} instead of 0"),
        }
    }
}

impl core::error::Error for TableError {}

/// A table whose signature, length and checksum are right.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    bytes: Bytes<'a>,
}

impl<'a> Table<'a> {
    /// Checks the table at the front of `bytes` and cuts it to its length.
    ///
    /// # Errors
    ///
    /// Returns what doesn't agree. `least_len` is the table's fixed part in
    /// bytes, header included.
    pub fn new(
        bytes: &'a [u8],
        signature: Signature,
        least_len: usize,
    ) -> Result<Self, TableError> {
        let bytes = Bytes::new(bytes);
        let declared = declared_len(bytes, signature)?;
        let least = least_len.max(HEADER_LEN);
        if declared < least {
            return Err(TableError::TooShort { declared, least });
        }
        let most = bytes.len().min(MAX_LEN);
        let bytes = bytes
            .first(declared)
            .filter(|_| declared <= most)
            .ok_or(TableError::TooLong { declared, most })?;
        match bytes.sum() {
            0 => Ok(Self { bytes }),
            sum => Err(TableError::Checksum { sum }),
        }
    }

    /// Reads the table that starts at `at`.
    ///
    /// # Errors
    ///
    /// As [`Table::new`], and [`TableError::Unmapped`].
    pub fn read(
        memory: &'a impl Physical,
        at: PhysAddr,
        signature: Signature,
        least_len: usize,
    ) -> Result<Self, TableError> {
        let read = |len_bytes| {
            memory
                .read(at, len_bytes)
                .ok_or(TableError::Unmapped { len_bytes })
        };
        let declared = declared_len(Bytes::new(read(HEADER_LEN)?), signature)?;
        if declared > MAX_LEN {
            let most = MAX_LEN;
            return Err(TableError::TooLong { declared, most });
        }
        Self::new(read(declared.max(HEADER_LEN))?, signature, least_len)
    }

    /// Returns the whole table, header included.
    pub const fn bytes(self) -> Bytes<'a> {
        self.bytes
    }

    /// Returns the revision of the table's layout.
    pub fn revision(self) -> u8 {
        self.bytes.u8(8).unwrap_or(0)
    }
}

/// Returns the signature at the front of a table.
pub fn signature(bytes: Bytes<'_>) -> Option<Signature> {
    bytes.array(0).map(Signature)
}

/// Returns the length in the header, if it is the header of this table.
fn declared_len(bytes: Bytes<'_>, expected: Signature) -> Result<usize, TableError> {
    let short = TableError::TooShort {
        declared: bytes.len(),
        least: HEADER_LEN,
    };
    let header = bytes.first(HEADER_LEN).ok_or(short)?;
    match signature(header).ok_or(short)? {
        found if found == expected => {
            let declared = header.u32(4).ok_or(short)?;
            Ok(usize::try_from(declared).unwrap_or(usize::MAX))
        }
        found => Err(TableError::Signature { found }),
    }
}

/// The list of addresses that is an RSDT or an XSDT.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    list: Bytes<'a>,
    width: usize,
}

impl<'a> Root<'a> {
    /// Signature of the list of 32-bit addresses.
    pub const RSDT: Signature = Signature(*b"RSDT");
    /// Signature of the list of 64-bit addresses.
    pub const XSDT: Signature = Signature(*b"XSDT");

    /// Takes the table as a list of 32-bit addresses.
    pub fn rsdt(table: Table<'a>) -> Self {
        let list = table.bytes.skip(HEADER_LEN);
        Self { list, width: 4 }
    }

    /// Takes the table as a list of 64-bit addresses.
    pub fn xsdt(table: Table<'a>) -> Self {
        let list = table.bytes.skip(HEADER_LEN);
        Self { list, width: 8 }
    }

    /// Calls `found` for every address that isn't null.
    ///
    /// Bytes at the end that don't make up an address are ignored.
    pub fn for_each(self, mut found: impl FnMut(PhysAddr)) {
        for entry in self.list.as_slice().chunks_exact(self.width) {
            let mut address = [0; 8];
            address[..self.width].copy_from_slice(entry);
            match u64::from_le_bytes(address) {
                0 => {}
                address => found(PhysAddr(address)),
            }
        }
    }
}
