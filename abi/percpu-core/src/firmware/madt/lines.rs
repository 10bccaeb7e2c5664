//! MADT: where interrupts of devices arrive.
//!
//! I/O APICs (kind 1), whose inputs, *lines* here, are numbered through all of them, and interrupt source
//! overrides (kind 2), which say on which line an ISA interrupt arrives when it is not the one of its number.
//!
//! Source: ACPI 6.5, section 5.2.12, tables 5.23, 5.24, 5.25.

use super::Madt;
use crate::firmware::{RawEntry, TableError};

const IO_APIC: u8 = 1;
const SOURCE_OVERRIDE: u8 = 2;
/// ISA interrupts; lines behind them are other devices'.
const ISA_INTERRUPTS: u32 = 16;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApicEntry {
    /// Physical address of its two registers.
    pub address: u64,
    /// The number of its first line.
    pub first_line: u32,
}

/// A line, and how a device signals on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number among those of all I/O APICs.
    pub number: u32,
    /// The signal is a low level, or a falling edge.
    pub is_low: bool,
    /// The interrupt lasts until the device takes it back; otherwise the edge is the interrupt.
    pub is_level: bool,
}

impl<'a> Madt<'a> {
    /// The I/O APICs in table order. The first error is the last item.
    pub fn io_apics(&self) -> impl Iterator<Item = Result<IoApicEntry, TableError>> + use<'a> {
        self.entries_of(IO_APIC, 12, |entry| IoApicEntry {
            address: entry.u32(4).into(),
            first_line: entry.u32(8),
        })
    }

    /// The line of an interrupt: ISA ones (below 16) by the overrides, or else the line of the same number, active high
    /// and by edge; others are PCI's, active low and by level.
    ///
    /// # Errors
    ///
    /// Any entry error of [`TableError`], for an entry in front of the override.
    pub fn line_of(&self, interrupt: u32) -> Result<Line, TableError> {
        let is_isa = interrupt < ISA_INTERRUPTS;
        let plain = Line {
            number: interrupt,
            is_low: !is_isa,
            is_level: !is_isa,
        };
        let mut overrides = self.entries_of(SOURCE_OVERRIDE, 10, |entry| {
            let flags = entry.u8(8);
            let line = Line {
                number: entry.u32(4),
                is_low: flags & 3 == 3,
                is_level: flags >> 2 & 3 == 3,
            };
            (u32::from(entry.u8(3)), line)
        });
        let found = overrides.find_map(|told| match told {
            Ok((source, line)) => (source == interrupt).then_some(Ok(line)),
            Err(error) => Some(Err(error)),
        });
        found.unwrap_or(Ok(plain))
    }

    fn entries_of<T>(
        &self,
        kind: u8,
        bytes: usize,
        read: fn(RawEntry<'a>) -> T,
    ) -> impl Iterator<Item = Result<T, TableError>> + use<'a, T> {
        let mut walk = self.walk();
        core::iter::from_fn(move || {
            loop {
                let entry = match walk.next()? {
                    Ok(entry) if entry.kind != kind => continue,
                    Ok(entry) => entry.at_least(bytes),
                    Err(error) => Err(error),
                };
                if entry.is_err() {
                    walk.stop();
                }
                return Some(entry.map(read));
            }
        })
    }
}
