//! Where interrupts of devices arrive, by tables dumped from QEMU and by tables made here.

use percpu_core::{IoApicEntry, Line, Madt, TableError};

fn dumped() -> Vec<u8> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tables/four-2+2/madt.bin");
    std::fs::read(file).expect("the table lies in the repository")
}

/// A MADT with these entries.
fn made(entries: &[&[u8]]) -> Vec<u8> {
    let mut table = vec![0; 44];
    table[..4].copy_from_slice(b"APIC");
    table.extend(entries.concat());
    let length = table.len() as u32;
    table[4..8].copy_from_slice(&length.to_le_bytes());
    table[9] = table.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte));
    table
}

fn line(number: u32, is_low: bool, is_level: bool) -> Line {
    Line {
        number,
        is_low,
        is_level,
    }
}

#[test]
fn a_pc_has_one_io_apic_and_its_timer_on_line_2() {
    let bytes = dumped();
    let madt = Madt::new(&bytes).unwrap();
    let expected = IoApicEntry {
        address: 0xfec0_0000,
        first_line: 0,
    };
    assert_eq!(madt.io_apics().collect::<Vec<_>>(), [Ok(expected)]);
    assert_eq!(madt.line_of(0), Ok(line(2, false, false)));
    assert_eq!(madt.line_of(4), Ok(line(4, false, false)));
    assert_eq!(madt.line_of(9), Ok(line(9, false, true)));
    assert_eq!(madt.line_of(20), Ok(line(20, true, true)));
}

#[test]
fn overrides_tell_line_polarity_and_trigger() {
    let bytes = made(&[
        &[2, 10, 0, 7, 19, 0, 0, 0, 0x0f, 0],
        &[1, 12, 3, 0, 0, 0, 0xc1, 0xfe, 24, 0, 0, 0],
        &[2, 10, 0, 8, 8, 0, 0, 0, 0x07, 0],
    ]);
    let madt = Madt::new(&bytes).unwrap();
    assert_eq!(madt.line_of(7), Ok(line(19, true, true)));
    assert_eq!(madt.line_of(8), Ok(line(8, true, false)));
    let second = IoApicEntry {
        address: 0xfec1_0000,
        first_line: 24,
    };
    assert_eq!(madt.io_apics().next(), Some(Ok(second)));
}

#[test]
fn entries_that_are_too_short_are_told_and_end_the_walk() {
    let bytes = made(&[&[2, 8, 0, 7, 19, 0, 0, 0], &[1, 8, 3, 0, 0, 0, 0xc1, 0xfe]]);
    let madt = Madt::new(&bytes).unwrap();
    let short = |offset, kind| TableError::EntryTooShort {
        offset,
        kind,
        length: 8,
    };
    assert_eq!(madt.line_of(7), Err(short(44, 2)));
    assert_eq!(madt.io_apics().collect::<Vec<_>>(), [Err(short(52, 1))]);
}
