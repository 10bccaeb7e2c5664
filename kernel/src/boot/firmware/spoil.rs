//! Damages what leads to the firmware tables, for tests: an emulator's own tables are always sound.
//!
//! Tables are damaged where they lie. The RSDP may lie in memory that cannot be written: a copy takes its place.

use core::cell::Cell;
use core::sync::atomic::{AtomicU8, Ordering};

use percpu_core::FirmwareTables;

use super::memory;
use crate::log;
use crate::memory::{kernel_map, physical_pointer};

const RSDP_LENGTH: usize = 36;
const RSDP_CHECKSUM: usize = 8;
const LENGTH: u64 = 4;
const CHECKSUM: u64 = 9;
/// The first entry of a list of tables, and the APIC's address in a MADT.
const BEHIND_HEADER: u64 = 36;

/// Does what `root_test=` asks for and tells where the RSDP is then.
pub fn spoiled(rsdp: u64, what: &str) -> u64 {
    if what.is_empty() {
        return rsdp;
    }
    let Some([root, madt]) = places(rsdp) else {
        log!("root_test: nothing to damage");
        return rsdp;
    };
    match what {
        "checksum" => return copy_with_bad_checksum(rsdp),
        "signature" => write(root, b"OOPS"),
        "length" => write(root + LENGTH, &[0xff; 4]),
        "entry" => {
            // The last addresses there are: a header at them ends behind all memory.
            let wide = memory(root, 4) == Some(b"XSDT");
            let address = [0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
            write(root + BEHIND_HEADER, &address[..if wide { 8 } else { 4 }]);
            repair(root);
        }
        "table" => write(madt + LENGTH, &[0xff; 4]),
        "apic" => {
            write(madt + BEHIND_HEADER, &0xfee0_1000_u32.to_le_bytes());
            repair(madt);
        }
        _ => log!("root_test: {what} is nothing that can be damaged"),
    }
    rsdp
}

/// Addresses of the list of tables that counts, and of the MADT.
fn places(rsdp: u64) -> Option<[u64; 2]> {
    let [root, madt] = [const { Cell::new(None) }; 2];
    let watched = |address, length| {
        let bytes = memory(address, length)?;
        match bytes.first_chunk() {
            Some(b"RSDT" | b"XSDT") => root.set(Some(address)),
            Some(b"APIC") => madt.set(Some(address)),
            _ => {}
        }
        Some(bytes)
    };
    FirmwareTables::find(rsdp, watched, |_| ());
    Some([root.get()?, madt.get()?])
}

#[repr(align(64))]
struct InOnePage([AtomicU8; RSDP_LENGTH]);

static COPY: InOnePage = InOnePage([const { AtomicU8::new(0) }; RSDP_LENGTH]);

fn copy_with_bad_checksum(rsdp: u64) -> u64 {
    let bytes = memory(rsdp, RSDP_LENGTH).unwrap_or(&[]);
    for (slot, byte) in COPY.0.iter().zip(bytes) {
        slot.store(*byte, Ordering::Relaxed);
    }
    COPY.0[RSDP_CHECKSUM].fetch_xor(0x40, Ordering::Relaxed);
    kernel_map::physical_of(COPY.0.as_ptr() as u64)
}

fn write(address: u64, bytes: &[u8]) {
    // SAFETY: 1. a proven table lies there. 2. The page table of the boot door lets the kernel write
    // it. 3. Nobody holds what the search has read: only the addresses were kept.
    unsafe { physical_pointer(address).copy_from(bytes.as_ptr(), bytes.len()) }
}

/// Makes the bytes of a table add up to 0 again.
fn repair(table: u64) {
    let length = memory(table + LENGTH, 4).and_then(|bytes| bytes.first_chunk());
    let length = length.map_or(0, |length| u32::from_le_bytes(*length));
    let bytes = memory(table, length as usize).unwrap_or(&[]);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some([checksum]) = memory(table + CHECKSUM, 1) {
        write(table + CHECKSUM, &[checksum.wrapping_sub(sum)]);
    }
}
