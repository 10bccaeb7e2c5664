//! Physical memory with an RSDP and lists of tables in it, made by hand.

#![allow(
    dead_code,
    reason = "every test program compiles this file and uses a part of it"
)]

use percpu_core::{Complaint, FirmwareTables};

use super::{Tables, repair};

pub const RSDP: u64 = 0xf_5ad0;
pub const RSDT: u64 = 0x1ffe_1000;
pub const XSDT: u64 = 0x1ffe_2000;
/// Every table has this much room; the first of them is one that nobody asked for.
const TABLES: u64 = 0x1ffe_3000;
const ROOM: u64 = 0x4000;

/// Pieces of memory; nothing else can be reached.
#[derive(Clone, Default)]
pub struct Memory(pub Vec<(u64, Vec<u8>)>);

impl Memory {
    /// The tables of a machine behind both lists, as firmware of this revision of ACPI would have them.
    pub fn of(tables: &Tables, revision: u8) -> Self {
        let mut memory = Self::default();
        let mut fadt = b"FACP".to_vec();
        fadt.resize(116, 0);
        repair(&mut fadt);
        let three = [&tables.madt, &tables.srat, &tables.slit];
        for table in three.into_iter().flatten().chain([&fadt]) {
            let address = TABLES + ROOM * memory.0.len() as u64;
            memory.0.push((address, table.clone()));
        }
        let addresses: Vec<u64> = memory.0.iter().map(|piece| piece.0).collect();
        memory.put(RSDT, list(b"RSDT", 4, &addresses));
        memory.put(XSDT, list(b"XSDT", 8, &addresses));
        memory.put(RSDP, rsdp(revision));
        memory
    }

    /// Replaces the piece at an address, or adds it.
    pub fn put(&mut self, address: u64, bytes: Vec<u8>) {
        self.0.retain(|piece| piece.0 != address);
        self.0.push((address, bytes));
    }

    pub fn at(&mut self, address: u64) -> &mut Vec<u8> {
        let piece = self.0.iter_mut().find(|piece| piece.0 == address);
        &mut piece.expect("there is such a piece").1
    }

    fn read(&self, address: u64, length: usize) -> Option<&[u8]> {
        self.0.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(at..at.checked_add(length)?)
        })
    }

    /// What is found from the RSDP on, and everything that was complained about.
    pub fn find(&self) -> (Tables, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let found = FirmwareTables::find(
            RSDP,
            |address, length| self.read(address, length),
            |complaint| complaints.push(complaint),
        );
        let owned = |table: Option<&[u8]>| table.map(<[u8]>::to_vec);
        let tables = Tables {
            madt: owned(found.madt),
            srat: owned(found.srat),
            slit: owned(found.slit),
        };
        (tables, complaints)
    }
}

/// A list of tables with entries of this size.
pub fn list(signature: &[u8; 4], size: usize, addresses: &[u64]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.resize(36, 1);
    for address in addresses {
        bytes.extend_from_slice(&address.to_le_bytes()[..size]);
    }
    repair(&mut bytes);
    bytes
}

/// Of revision 0 with 20 bytes, of any other with all 36.
pub fn rsdp(revision: u8) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0SELION".to_vec();
    bytes.push(revision);
    bytes.extend_from_slice(&(RSDT as u32).to_le_bytes());
    if revision > 0 {
        bytes.extend_from_slice(&36u32.to_le_bytes());
        bytes.extend_from_slice(&XSDT.to_le_bytes());
        bytes.resize(36, 0);
    }
    repair_rsdp(&mut bytes);
    bytes
}

/// Makes both checksums true.
pub fn repair_rsdp(bytes: &mut [u8]) {
    for (at, length) in [(8, 20), (32, 36)] {
        if bytes.len() >= length {
            let sum = bytes[..length]
                .iter()
                .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            bytes[at] = bytes[at].wrapping_sub(sum);
        }
    }
}
