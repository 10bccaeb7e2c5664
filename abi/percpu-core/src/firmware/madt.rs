//! MADT: which CPUs the firmware says there are, and where the local APIC is.
//!
//! Local APIC entries (kind 0), local x2APIC entries (kind 9) and the address override (kind 5) are
//! read here, those about interrupts of devices in `lines.rs`; everything else is stepped over. The same CPU may appear under both kinds: dropping the second
//! is the topology's business, not the walk's.
//!
//! Source: ACPI 6.5, section 5.2.12, tables 5.19, 5.21, 5.34, 5.39.

mod lines;

pub use lines::{IoApicEntry, Line};

use super::{RawEntry, TableError, Walk, proven};
use crate::ApicId;

/// Header, local APIC address, flags.
const FIXED_LENGTH: usize = 44;
const LOCAL_APIC: u8 = 0;
const LOCAL_APIC_ADDRESS_OVERRIDE: u8 = 5;
const LOCAL_X2APIC: u8 = 9;

const FLAG_ENABLED: u32 = 1 << 0;
const FLAG_ONLINE_CAPABLE: u32 = 1 << 1;

/// A MADT whose header and checksum are proven.
#[derive(Clone, Copy, Debug)]
pub struct Madt<'a> {
    table: &'a [u8],
}

/// One CPU of the MADT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadtEntry {
    /// The APIC id, 8 bits wide in a local APIC entry, 32 bits in an x2APIC entry.
    pub apic_id: ApicId,
    /// ACPI's `_UID` of the processor object.
    pub processor_uid: u32,
    /// The CPU is there and ready.
    pub enabled: bool,
    /// The CPU is not there yet but may come while the system runs. Defined from revision 5 on.
    pub online_capable: bool,
    /// It is an x2APIC entry (kind 9).
    pub x2apic: bool,
}

impl<'a> Madt<'a> {
    /// Proves the header, the length and the checksum of a whole table.
    ///
    /// # Errors
    ///
    /// [`TableError::TooShort`], [`TableError::WrongSignature`], [`TableError::BadChecksum`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, TableError> {
        proven(bytes, b"APIC", FIXED_LENGTH).map(|table| Self { table })
    }

    /// The table's revision. Below 5 (ACPI 6.3) the online-capable flag does not exist.
    pub fn revision(&self) -> u8 {
        self.table.get(8).copied().unwrap_or(0)
    }

    /// Physical address of the local APIC's registers; the 64-bit override wins if there is one.
    ///
    /// # Errors
    ///
    /// Any entry error of [`TableError`], for an entry in front of the override.
    pub fn local_apic_address(&self) -> Result<u64, TableError> {
        let fixed = super::u32_at(self.table, 36).map_or(0, u64::from);
        for entry in self.walk() {
            let entry = entry?;
            if entry.kind == LOCAL_APIC_ADDRESS_OVERRIDE {
                return Ok(entry.at_least(12)?.u64(4));
            }
        }
        Ok(fixed)
    }

    /// The CPUs in table order. The first error is the last item.
    pub fn processors(&self) -> Processors<'a> {
        Processors { walk: self.walk() }
    }

    fn walk(&self) -> Walk<'a> {
        Walk {
            table: self.table,
            offset: FIXED_LENGTH,
        }
    }
}

/// Iterator over the CPUs of a [`Madt`].
#[derive(Clone)]
pub struct Processors<'a> {
    walk: Walk<'a>,
}

impl Iterator for Processors<'_> {
    type Item = Result<MadtEntry, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let read = match self.walk.next()? {
                Ok(entry) => processor(entry),
                Err(error) => Err(error),
            };
            match read {
                Ok(Some(processor)) => return Some(Ok(processor)),
                Ok(None) => continue,
                Err(error) => {
                    self.walk.stop();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The entry as a CPU; `None` for the kinds that are not CPUs.
fn processor(entry: RawEntry<'_>) -> Result<Option<MadtEntry>, TableError> {
    let (apic_id, processor_uid, flags, x2apic) = match entry.kind {
        LOCAL_APIC => {
            let entry = entry.at_least(8)?;
            (
                u32::from(entry.u8(3)),
                u32::from(entry.u8(2)),
                entry.u32(4),
                false,
            )
        }
        LOCAL_X2APIC => {
            let entry = entry.at_least(16)?;
            (entry.u32(4), entry.u32(12), entry.u32(8), true)
        }
        _ => return Ok(None),
    };
    Ok(Some(MadtEntry {
        apic_id: ApicId::new(apic_id),
        processor_uid,
        enabled: flags & FLAG_ENABLED != 0,
        online_capable: flags & FLAG_ONLINE_CAPABLE != 0,
        x2apic,
    }))
}
