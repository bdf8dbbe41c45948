//! How far nodes are from one another (ACPI 6.5, section 5.2.17).
//!
//! The unit is a tenth of the distance of a node from itself. A matrix that
//! claims another node to be as near as oneself is of no use for placement, and
//! firmware with such matrices exists; it is refused as a whole, as Linux does.

use core::fmt;

use crate::sdt::{Signature, Table};

/// The table's name.
pub const SIGNATURE: Signature = Signature(*b"SLIT");
/// Bytes before the matrix.
pub const FIXED_LEN: usize = 44;

/// Distance of a node from itself.
pub const LOCAL: u8 = 10;
/// Distance of other nodes, where the firmware doesn't say.
pub const REMOTE: u8 = 20;

/// Why a matrix can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlitError {
    /// The matrix has more elements than the table has bytes.
    TooShort {
        /// Rows, and columns, of the matrix.
        nodes: u64,
        /// Bytes that are there.
        given: usize,
    },
    /// A distance that can't be.
    Nonsense {
        /// Row.
        from: usize,
        /// Column.
        to: usize,
        /// Distance.
        distance: u8,
    },
}

impl fmt::Display for SlitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { nodes, given } => {
                write!(
                    f,
                    "{nodes} nodes need as many rows, but only {given} bytes follow"
                )
            }
            Self::Nonsense { from, to, distance } => {
                write!(
                    f,
                    "the distance from node {from} to node {to} is {distance}"
                )
            }
        }
    }
}

impl core::error::Error for SlitError {}

/// A checked matrix of distances.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    nodes: usize,
    rows: &'a [u8],
}

impl<'a> Matrix<'a> {
    /// Takes the matrix from the table.
    ///
    /// # Errors
    ///
    /// Returns why it can't be used.
    pub fn new(table: Table<'a>) -> Result<Self, SlitError> {
        let rows = table.bytes().skip(FIXED_LEN).as_slice();
        let nodes = table.bytes().u64(36).unwrap_or(0);
        let given = rows.len();
        let short = SlitError::TooShort { nodes, given };
        let nodes = usize::try_from(nodes).map_err(|_| short)?;
        let len = nodes.checked_mul(nodes).ok_or(short)?;
        let matrix = Self {
            nodes,
            rows: rows.get(..len).ok_or(short)?,
        };
        matrix.check()
    }

    /// Returns the number of rows and columns.
    pub const fn nodes(self) -> usize {
        self.nodes
    }

    /// Returns the distance from one node to another, if both are in the matrix.
    pub fn distance(self, from: usize, to: usize) -> Option<u8> {
        let inside = from < self.nodes && to < self.nodes;
        inside.then(|| self.rows[from * self.nodes + to])
    }

    fn check(self) -> Result<Self, SlitError> {
        for (at, &distance) in self.rows.iter().enumerate() {
            let (from, to) = (at / self.nodes, at % self.nodes);
            if (from == to) != (distance == LOCAL) || distance < LOCAL {
                return Err(SlitError::Nonsense { from, to, distance });
            }
        }
        Ok(self)
    }
}
