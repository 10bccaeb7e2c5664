//! SLIT: how far apart the domains are.
//!
//! A square matrix of bytes. Row and column are proximity domains; the distance from one to the other
//! and back need not be equal. 10 is "here", 255 is "not reachable", 0 to 9 mean nothing.
//!
//! Source: ACPI 6.5, section 5.2.17.

use super::{TableError, array_at, proven};
use crate::ProximityDomain;

/// Header and the number of localities.
const FIXED_LENGTH: usize = 44;

/// A SLIT whose header, checksum and matrix size are proven.
#[derive(Clone, Copy, Debug)]
pub struct Slit<'a> {
    matrix: &'a [u8],
    localities: usize,
}

impl<'a> Slit<'a> {
    /// Proves the header, the length, the checksum and the size of the matrix of a whole table.
    ///
    /// # Errors
    ///
    /// [`TableError::TooShort`], [`TableError::WrongSignature`], [`TableError::BadChecksum`],
    /// [`TableError::TooManyLocalities`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, TableError> {
        let table = proven(bytes, b"SLIT", FIXED_LENGTH)?;
        let localities = array_at(table, 36).map_or(0, u64::from_le_bytes);
        let entries = usize::try_from(localities)
            .ok()
            .and_then(|n| Some((n, n.checked_mul(n)?)));
        entries
            .and_then(|(localities, entries)| {
                let matrix = table.get(FIXED_LENGTH..)?.get(..entries)?;
                Some(Self { matrix, localities })
            })
            .ok_or(TableError::TooManyLocalities { localities })
    }

    /// Number of rows and of columns.
    pub fn localities(&self) -> usize {
        self.localities
    }

    /// The distance from one domain to another; `None` if either is outside the matrix.
    pub fn distance(&self, from: ProximityDomain, to: ProximityDomain) -> Option<u8> {
        let (row, column) = (usize::try_from(from.get()).ok()?, usize::try_from(to.get()).ok()?);
        if row >= self.localities || column >= self.localities {
            return None;
        }
        self.matrix
            .get(row.checked_mul(self.localities)?.checked_add(column)?)
            .copied()
    }
}
