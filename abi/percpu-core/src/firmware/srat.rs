//! SRAT: which CPUs and which memory are near each other.
//!
//! Processor affinity by local APIC (kind 0) and by x2APIC (kind 2), and memory affinity (kind 1).
//! In revision 1 a domain has only 8 bits and the bytes above them may hold anything, so they are
//! masked. Entry lengths are one byte; reading two is a known mistake that swallows the table.
//!
//! Source: ACPI 6.5, section 5.2.16, tables 5.56 to 5.59.

use super::{RawEntry, TableError, Walk, proven};
use crate::{ApicId, ProximityDomain};

/// Header and twelve reserved bytes.
const FIXED_LENGTH: usize = 48;
const PROCESSOR: u8 = 0;
const MEMORY: u8 = 1;
const X2APIC: u8 = 2;

const FLAG_ENABLED: u32 = 1 << 0;
const FLAG_HOT_PLUGGABLE: u32 = 1 << 1;

/// An SRAT whose header and checksum are proven.
#[derive(Clone, Copy, Debug)]
pub struct Srat<'a> {
    table: &'a [u8],
}

/// One statement of the SRAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SratEntry {
    /// A CPU belongs to a domain.
    Cpu {
        /// Which CPU.
        apic_id: ApicId,
        /// Which domain.
        domain: ProximityDomain,
        /// The entry counts. Firmware keeps spare ones.
        enabled: bool,
    },
    /// A range of physical memory belongs to a domain.
    Memory {
        /// Which domain.
        domain: ProximityDomain,
        /// Physical address of its first byte.
        base: u64,
        /// Bytes. Not checked against the base: the two may overflow together.
        length: u64,
        /// The entry counts.
        enabled: bool,
        /// Room for memory that may be plugged in later; none needs to be there now.
        hotplug: bool,
    },
}

impl<'a> Srat<'a> {
    /// Proves the header, the length and the checksum of a whole table.
    ///
    /// # Errors
    ///
    /// [`TableError::TooShort`], [`TableError::WrongSignature`], [`TableError::BadChecksum`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, TableError> {
        proven(bytes, b"SRAT", FIXED_LENGTH).map(|table| Self { table })
    }

    /// The table's revision. Below 2 a domain has 8 bits.
    pub fn revision(&self) -> u8 {
        self.table.get(8).copied().unwrap_or(0)
    }

    /// The statements in table order. The first error is the last item.
    pub fn entries(&self) -> Affinities<'a> {
        let domain_mask = if self.revision() < 2 { 0xff } else { u32::MAX };
        Affinities {
            walk: Walk {
                table: self.table,
                offset: FIXED_LENGTH,
            },
            domain_mask,
        }
    }
}

/// Iterator over the statements of an [`Srat`].
#[derive(Clone)]
pub struct Affinities<'a> {
    walk: Walk<'a>,
    domain_mask: u32,
}

impl Affinities<'_> {
    fn domain(&self, number: u32) -> ProximityDomain {
        ProximityDomain::new(number & self.domain_mask)
    }

    fn affinity(&self, entry: RawEntry<'_>) -> Result<Option<SratEntry>, TableError> {
        Ok(Some(match entry.kind {
            PROCESSOR => {
                let entry = entry.at_least(16)?;
                SratEntry::Cpu {
                    apic_id: ApicId::new(u32::from(entry.u8(3))),
                    // Bits 0 to 7 are byte 2, bits 8 to 31 are bytes 9 to 11.
                    domain: self.domain(u32::from(entry.u8(2)) | (entry.u32(8) & 0xffff_ff00)),
                    enabled: entry.u32(4) & FLAG_ENABLED != 0,
                }
            }
            MEMORY => {
                let entry = entry.at_least(40)?;
                SratEntry::Memory {
                    domain: self.domain(entry.u32(2)),
                    base: entry.u64(8),
                    length: entry.u64(16),
                    enabled: entry.u32(28) & FLAG_ENABLED != 0,
                    hotplug: entry.u32(28) & FLAG_HOT_PLUGGABLE != 0,
                }
            }
            X2APIC => {
                let entry = entry.at_least(24)?;
                SratEntry::Cpu {
                    apic_id: ApicId::new(entry.u32(8)),
                    domain: self.domain(entry.u32(4)),
                    enabled: entry.u32(12) & FLAG_ENABLED != 0,
                }
            }
            _ => return Ok(None),
        }))
    }
}

impl Iterator for Affinities<'_> {
    type Item = Result<SratEntry, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let read = match self.walk.next()? {
                Ok(entry) => self.affinity(entry),
                Err(error) => Err(error),
            };
            match read {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => continue,
                Err(error) => {
                    self.walk.stop();
                    return Some(Err(error));
                }
            }
        }
    }
}
