//! From the RSDP to the tables: each damage of RSDP, RSDT and XSDT by its words, and what is found all the same.

use percpu_core::{Complaint, TableError};

mod common;

use common::root::{Memory, RSDP, RSDT, XSDT, list, repair_rsdp, rsdp};
use common::{Tables, repair};

fn sound(revision: u8) -> Memory {
    Memory::of(&Tables::of("memory-only-node"), revision)
}

/// The words of all complaints, and whether all three tables were found, byte for byte, or none.
fn told(memory: &Memory) -> (Vec<String>, Found) {
    let (tables, complaints) = memory.find();
    let all = Tables::of("memory-only-node");
    let found = match tables {
        Tables {
            madt: None,
            srat: None,
            slit: None,
        } => Found::Nothing,
        tables if [&tables.madt, &tables.srat, &tables.slit] == [&all.madt, &all.srat, &all.slit] => {
            Found::All
        }
        _ => Found::Some,
    };
    (complaints.iter().map(Complaint::to_string).collect(), found)
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    All,
    Some,
    Nothing,
}

#[track_caller]
fn check(memory: &Memory, words: &[&str], found: Found) {
    assert_eq!(
        told(memory),
        (words.iter().map(ToString::to_string).collect(), found)
    );
}

#[test]
fn sound_ones_lead_to_the_tables() {
    for revision in [0, 1, 2, 6] {
        check(&sound(revision), &[], Found::All);
    }
    // The first revisions have no XSDT, and the later ones need no RSDT.
    let mut memory = sound(0);
    memory.put(XSDT, Vec::new());
    check(&memory, &[], Found::All);
    let mut memory = sound(2);
    memory.put(RSDT, Vec::new());
    check(&memory, &[], Found::All);
    // What revision 1 has behind its 20 bytes is no extension.
    let mut memory = sound(1);
    memory.at(RSDP)[20..].fill(0xee);
    check(&memory, &[], Found::All);
}

#[test]
fn what_is_no_table_at_all_is_told_by_its_signature() {
    let mut memory = sound(0);
    memory.at(RSDT).fill(0xff);
    let words = "RSDT at 0x1ffe1000: wrong signature 0xffffffff: no firmware table is used";
    check(&memory, &[words], Found::Nothing);
}

#[test]
fn without_an_xsdt_the_rsdt_is_used() {
    let mut memory = sound(2);
    memory.at(RSDP)[24..32].fill(0);
    repair_rsdp(memory.at(RSDP));
    memory.put(XSDT, Vec::new());
    check(&memory, &[], Found::All);
}

#[test]
fn rsdp_unusable() {
    let mut memory = sound(0);
    memory.at(RSDP)[16] ^= 4;
    let words = "RSDP at 0xf5ad0: bad checksum: bytes add up to 0x04: no firmware table is used";
    check(&memory, &[words], Found::Nothing);

    for (at, found) in [(1, "0x52004420"), (5, "0x50005220")] {
        let mut memory = sound(2);
        memory.at(RSDP)[at] = 0;
        repair_rsdp(memory.at(RSDP));
        let words = format!("RSDP at 0xf5ad0: wrong signature {found}: no firmware table is used");
        check(&memory, &[&words], Found::Nothing);
    }

    let mut memory = sound(0);
    memory.at(RSDP).truncate(19);
    let words = "RSDP at 0xf5ad0: 20 bytes at 0xf5ad0 are out of reach: no firmware table is used";
    check(&memory, &[words], Found::Nothing);
}

#[test]
fn rsdp_extension_unusable() {
    let damaged = |change: fn(&mut Vec<u8>), words: &str| {
        let mut memory = sound(2);
        change(memory.at(RSDP));
        check(&memory, &[words], Found::All);
        // Then nothing else is left.
        memory.put(RSDT, Vec::new());
        assert_eq!(told(&memory).1, Found::Nothing);
    };
    damaged(
        |rsdp| rsdp[25] ^= 0x10,
        "RSDP: bad checksum: bytes add up to 0x10: the RSDT is used instead",
    );
    damaged(
        |rsdp| rsdp[20] = 35,
        "RSDP: 35 bytes where 36 are needed: the RSDT is used instead",
    );
    damaged(
        |rsdp| rsdp[20..24].fill(0xff),
        "RSDP: no table is 4294967295 bytes long: the RSDT is used instead",
    );
    damaged(
        |rsdp| rsdp.truncate(35),
        "RSDP: 36 bytes at 0xf5ad0 are out of reach: the RSDT is used instead",
    );
}

#[test]
fn xsdt_unusable() {
    for (change, error) in DAMAGES {
        let mut memory = sound(2);
        change(memory.at(XSDT));
        let words = format!("XSDT at 0x1ffe2000: {error}: the RSDT is used instead");
        check(&memory, &[&words.replace("LIST", "1ffe2000")], Found::All);
    }
    // An RSDT is no XSDT, sound as it may be.
    let mut memory = sound(2);
    let rsdt = memory.at(RSDT).clone();
    memory.put(XSDT, rsdt);
    let words = "XSDT at 0x1ffe2000: wrong signature 0x52534454: the RSDT is used instead";
    check(&memory, &[words], Found::All);
}

#[test]
fn xsdt_at_an_address_that_cannot_be() {
    for address in [u64::MAX, u64::MAX - 35, 1 << 63, 1 << 32] {
        let mut memory = sound(2);
        memory.at(RSDP)[24..32].copy_from_slice(&address.to_le_bytes());
        repair_rsdp(memory.at(RSDP));
        let words = format!(
            "XSDT at {address:#x}: 36 bytes at {address:#x} are out of reach: the RSDT is used instead"
        );
        check(&memory, &[&words], Found::All);
    }
}

#[test]
fn rsdt_unusable() {
    for (change, error) in DAMAGES {
        let mut memory = sound(0);
        change(memory.at(RSDT));
        let words = format!("RSDT at 0x1ffe1000: {error}: no firmware table is used");
        check(&memory, &[&words.replace("LIST", "1ffe1000")], Found::Nothing);
    }
    let mut memory = sound(0);
    memory.at(RSDP)[16..20].fill(0);
    repair_rsdp(memory.at(RSDP));
    let words = "RSDT at 0x0: 36 bytes at 0x0 are out of reach: no firmware table is used";
    // Not even if something lies there.
    let rsdt = memory.at(RSDT).clone();
    memory.put(0, rsdt);
    check(&memory, &[words], Found::Nothing);
}

type Change = fn(&mut Vec<u8>);

/// What can be wrong with a list of tables, and how that is told.
const DAMAGES: [(Change, &str); 6] = [
    (|list| list[36] ^= 0x80, "bad checksum: bytes add up to 0x80"),
    (|list| list[0] = b'?', "wrong signature 0x3f534454"),
    (
        |list| list[4..8].copy_from_slice(&35u32.to_le_bytes()),
        "35 bytes where 36 are needed",
    ),
    (|list| list[4..8].fill(0xff), "no table is 4294967295 bytes long"),
    (
        |list| list[4..8].copy_from_slice(&4096u32.to_le_bytes()),
        "4096 bytes at 0xLIST are out of reach",
    ),
    (|list| list.truncate(35), "36 bytes at 0xLIST are out of reach"),
];

#[test]
fn root_damaged() {
    let mut memory = sound(2);
    let xsdt = memory.at(XSDT);
    xsdt.extend_from_slice(&[0xee; 7]);
    repair(xsdt);
    let words = "XSDT: entry of 8 bytes at byte 68 ends behind the table: not used";
    check(&memory, &[words], Found::All);
}

#[test]
fn entry_unusable() {
    for (size, kind, root, address) in [
        (4, b"RSDT", RSDT, 0xffff_fff0),
        (4, b"RSDT", RSDT, 0),
        (8, b"XSDT", XSDT, u64::MAX),
        (8, b"XSDT", XSDT, 0x0123_4567_89ab_cdef),
    ] {
        let mut memory = sound(if size == 4 { 0 } else { 2 });
        let mut addresses: Vec<u64> = memory.0.iter().map(|piece| piece.0).take(4).collect();
        addresses.insert(2, address);
        memory.put(root, list(kind, size, &addresses));
        let name = str::from_utf8(kind).expect("text");
        let words = format!(
            "{name}: entry 2, table at {address:#x}: 36 bytes at {address:#x} are out of reach: not used"
        );
        check(&memory, &[&words], Found::All);
    }
}

#[test]
fn entry_with_a_length_that_cannot_be() {
    for (length, error) in [
        (35, "35 bytes where 36 are needed"),
        (u32::MAX, "no table is 4294967295 bytes long"),
        (1 << 20, "1048576 bytes at 0x1ffe3000 are out of reach"),
    ] {
        let mut memory = sound(2);
        let madt = &mut memory.0[0].1;
        madt[4..8].copy_from_slice(&length.to_le_bytes());
        let words = format!("XSDT: entry 0, table at 0x1ffe3000: {error}: not used");
        check(&memory, &[&words], Found::Some);
        assert_eq!(memory.find().0.madt, None);
        assert_eq!(memory.find().0.srat, Tables::of("memory-only-node").srat);
    }
}

#[test]
fn second_table() {
    let mut memory = sound(0);
    let mut addresses: Vec<u64> = memory.0.iter().map(|piece| piece.0).take(4).collect();
    let mut other = Tables::of("one").madt.expect("a table");
    repair(&mut other);
    memory.put(0x2000_0000, other);
    addresses.push(0x2000_0000);
    memory.put(RSDT, list(b"RSDT", 4, &addresses));
    check(&memory, &["a second APIC: not used"], Found::All);
}

#[test]
fn more_entries() {
    let mut memory = sound(0);
    let mut addresses = vec![0xdead_0000; 250_000];
    addresses.extend(memory.0.iter().map(|piece| piece.0).take(4));
    memory.put(RSDT, list(b"RSDT", 4, &addresses));
    let (words, found) = told(&memory);
    assert_eq!((words.len(), found), (17, Found::All));
    assert_eq!(words[16], "RSDT: 249984 more entries are not used");
}

#[test]
fn a_list_that_is_cut_anywhere_is_refused_by_name() {
    let length = sound(2).at(XSDT).len();
    for cut in 0..length {
        let mut memory = sound(2);
        memory.at(XSDT).truncate(cut);
        let (tables, complaints) = memory.find();
        assert!(tables.madt.is_some(), "{cut}");
        let error = match complaints[..] {
            [Complaint::XsdtUnusable { address: XSDT, error }] => error,
            _ => panic!("{cut}: {complaints:?}"),
        };
        assert!(
            matches!(error, TableError::OutOfReach { address: XSDT, .. }),
            "{cut}"
        );
    }
    assert_eq!(rsdp(2).len(), 36);
}
