//! Firmware tables as plain bytes: what MADT, SRAT and SLIT say, where they are, and by which name they are refused.
//!
//! The caller reaches physical memory; here bytes are only read. Bytes from firmware are an allegation: the
//! header, the checksum and every entry's length are proven before a field is looked at, every walk
//! moves forward by at least two bytes, and every damage has a name ([`TableError`]). Nothing here
//! panics, overflows or loops, whatever the bytes are.
//!
//! Source: ACPI 6.5, section 5.2.5.3, 5.2.6 (header and checksum), 5.2.7, 5.2.8, 5.2.12, 5.2.16, 5.2.17.

use core::fmt;

mod madt;
mod root;
mod slit;
mod srat;

pub use madt::{IoApicEntry, Line, Madt, MadtEntry, Processors};
pub use root::{Memory, RootKind, RootTable, Rsdp, signature, whole_table};
pub use slit::Slit;
pub use srat::{Affinities, Srat, SratEntry};

/// Bytes of the header that all tables share.
const HEADER_LENGTH: usize = 36;

/// Why a table, or the rest of it, cannot be believed. Offsets and lengths are bytes from the start of
/// the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// Fewer bytes than the table's fixed part, or than its header's length field promises.
    TooShort {
        /// Bytes that were there.
        given: usize,
        /// Bytes that there should have been.
        needed: usize,
    },
    /// Longer than any table can be that describes a machine of this size.
    TooLong {
        /// Bytes that it says it has.
        length: usize,
    },
    /// There is no memory that the caller could read.
    OutOfReach {
        /// Physical address of the first byte.
        address: u64,
        /// Bytes that were asked for.
        length: usize,
    },
    /// The first four bytes name another table. Of the RSDP's eight, the four that are wrong.
    WrongSignature {
        /// The four bytes that were found.
        found: [u8; 4],
    },
    /// The bytes do not add up to 0.
    BadChecksum {
        /// What they add up to, modulo 256.
        sum: u8,
    },
    /// An entry says that it is 0 bytes long: following it would never end.
    ZeroLengthEntry {
        /// Where the entry starts.
        offset: usize,
    },
    /// An entry ends behind the table.
    EntryPastEnd {
        /// Where the entry starts.
        offset: usize,
        /// How long it says it is; 1 when there is no room even for a length.
        length: usize,
    },
    /// An entry is shorter than its kind demands.
    EntryTooShort {
        /// Where the entry starts.
        offset: usize,
        /// Its kind, as the table numbers them.
        kind: u8,
        /// How long it says it is.
        length: usize,
    },
    /// The SLIT's number of localities does not fit into the table.
    TooManyLocalities {
        /// The number it claims.
        localities: u64,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { given, needed } => write!(f, "{given} bytes where {needed} are needed"),
            Self::TooLong { length } => write!(f, "no table is {length} bytes long"),
            Self::OutOfReach { address, length } => {
                write!(f, "{length} bytes at {address:#x} are out of reach")
            }
            Self::WrongSignature { found } => {
                write!(f, "wrong signature {:#010x}", u32::from_be_bytes(found))
            }
            Self::BadChecksum { sum } => write!(f, "bad checksum: bytes add up to {sum:#04x}"),
            Self::ZeroLengthEntry { offset } => write!(f, "entry of length 0 at byte {offset}"),
            Self::EntryPastEnd { offset, length } => {
                write!(
                    f,
                    "entry of {length} bytes at byte {offset} ends behind the table"
                )
            }
            Self::EntryTooShort { offset, kind, length } => {
                write!(f, "entry of kind {kind} at byte {offset} has only {length} bytes")
            }
            Self::TooManyLocalities { localities } => write!(f, "no room for {localities} localities"),
        }
    }
}

impl core::error::Error for TableError {}

/// Proves header, length and checksum of a table and returns exactly its bytes.
///
/// `bytes` may be longer than the table (a mapping is page-grained); what lies behind it is cut off.
fn proven<'a>(bytes: &'a [u8], signature: &[u8; 4], fixed_length: usize) -> Result<&'a [u8], TableError> {
    let needed = fixed_length.max(HEADER_LENGTH);
    let too_short = |needed| TableError::TooShort {
        given: bytes.len(),
        needed,
    };
    let found = array_at::<4>(bytes, 0).ok_or(too_short(needed))?;
    if found != *signature {
        return Err(TableError::WrongSignature { found });
    }
    let length = u32_at(bytes, 4).ok_or(too_short(needed))? as usize;
    if length < needed {
        return Err(TableError::TooShort {
            given: length,
            needed,
        });
    }
    add_up(bytes.get(..length).ok_or(too_short(length))?)
}

/// The bytes, if their sum is 0.
fn add_up(bytes: &[u8]) -> Result<&[u8], TableError> {
    match bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) {
        0 => Ok(bytes),
        sum => Err(TableError::BadChecksum { sum }),
    }
}

/// One entry of a table: a kind, and all its bytes from the kind on.
#[derive(Clone, Copy)]
struct RawEntry<'a> {
    offset: usize,
    kind: u8,
    bytes: &'a [u8],
}

impl<'a> RawEntry<'a> {
    /// The entry, if it has at least the bytes that its kind demands.
    fn at_least(self, needed: usize) -> Result<Self, TableError> {
        if self.bytes.len() >= needed {
            return Ok(self);
        }
        Err(TableError::EntryTooShort {
            offset: self.offset,
            kind: self.kind,
            length: self.bytes.len(),
        })
    }

    fn u8(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        u32_at(self.bytes, at).unwrap_or(0)
    }

    fn u64(&self, at: usize) -> u64 {
        array_at(self.bytes, at).map_or(0, u64::from_le_bytes)
    }
}

/// Walks entries of the form (kind, length, …). Ends after the first error: behind it nothing is certain.
///
/// Terminates: every step that goes on moves `offset` forward by a length of at least 2.
#[derive(Clone)]
struct Walk<'a> {
    table: &'a [u8],
    offset: usize,
}

impl<'a> Walk<'a> {
    /// Makes the next step the last one: for an entry whose inside is damaged.
    fn stop(&mut self) {
        self.offset = self.table.len();
    }

    fn step(&self, offset: usize) -> Result<RawEntry<'a>, TableError> {
        let rest = self.table.get(offset..).unwrap_or(&[]);
        let (Some(&kind), Some(&length)) = (rest.first(), rest.get(1)) else {
            return Err(TableError::EntryPastEnd { offset, length: 1 });
        };
        match usize::from(length) {
            0 => Err(TableError::ZeroLengthEntry { offset }),
            1 => Err(TableError::EntryTooShort {
                offset,
                kind,
                length: 1,
            }),
            length => match rest.get(..length) {
                Some(bytes) => Ok(RawEntry { offset, kind, bytes }),
                None => Err(TableError::EntryPastEnd { offset, length }),
            },
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<RawEntry<'a>, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.table.len() {
            return None;
        }
        let entry = self.step(self.offset);
        match &entry {
            Ok(entry) => self.offset = self.offset.saturating_add(entry.bytes.len()),
            Err(_) => self.stop(),
        }
        Some(entry)
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}
