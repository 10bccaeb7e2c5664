//! Each complaint, caused by tables that deserve it: the words that the boot log shows, and what is left.

use percpu_core::{ApicMode, MAX_CPUS, MAX_MEMORY_RANGES, MAX_NODES};

mod common;

use common::{Table, Tables, describe};

/// Three nodes and a SLIT, sound.
fn sound() -> Tables {
    Tables::of("memory-only-node")
}

fn one_cpu(srat: Table) -> Tables {
    Tables {
        srat: srat.done(),
        slit: None,
        ..Tables::of("one")
    }
}

/// The only complaint, and how many CPUs and nodes are left.
fn told(tables: &Tables) -> (String, [usize; 2]) {
    told_as(tables, 0, ApicMode::XApic)
}

fn told_as(tables: &Tables, boot: u32, mode: ApicMode) -> (String, [usize; 2]) {
    let (topology, complaints) = tables.read_as(boot, mode);
    assert_eq!(complaints.len(), 1, "{complaints:?}\n{}", describe(&topology));
    (
        complaints[0].to_string(),
        [topology.cpu_count(), topology.node_count()],
    )
}

#[track_caller]
fn check(found: (String, [usize; 2]), words: &str, left: [usize; 2]) {
    assert_eq!(found, (words.to_string(), left));
}

#[test]
fn no_madt() {
    let words = "no MADT: only the boot CPU is used";
    check(told(&Tables::default()), words, [1, 1]);
}

#[test]
fn madt_unusable() {
    let mut tables = sound();
    tables.madt.as_mut().expect("a table")[20] ^= 8;
    let words = "MADT: bad checksum: bytes add up to 0x08: only the boot CPU is used";
    // Of the CPUs only one is left, but the nodes of the memory are.
    check(told(&tables), words, [1, 3]);
}

#[test]
fn madt_damaged() {
    let madt = Table::madt(5)
        .local_apic(0, 1)
        .local_apic(1, 1)
        .raw(&[0, 0])
        .done();
    let tables = Tables { madt, ..sound() };
    let words = "MADT: entry of length 0 at byte 60: the CPUs behind it are not used";
    check(told(&tables), words, [2, 3]);
}

#[test]
fn srat_unusable() {
    let srat = Table::srat(3).cpu(0, 1, 1).raw(&[0, 200, 1, 1]).done();
    let tables = Tables {
        srat,
        slit: None,
        ..sound()
    };
    let words = "SRAT: entry of 200 bytes at byte 64 ends behind the table: one node is assumed";
    check(told(&tables), words, [4, 1]);
}

#[test]
fn slit_unusable() {
    let slit = Table::slit(4, &[10; 15]).done();
    let words = "SLIT: no room for 4 localities: distances 10 and 20 are assumed";
    check(told(&Tables { slit, ..sound() }), words, [4, 3]);
}

#[test]
fn slit_incomplete() {
    let slit = Table::slit(2, &[10, 20, 20, 10]).done();
    let words = "SLIT: nothing on 0 to 2 in 2 localities: distances 10 and 20 are assumed";
    check(told(&Tables { slit, ..sound() }), words, [4, 3]);
}

#[test]
fn slit_implausible() {
    let slit = Table::slit(3, &[10, 20, 20, 20, 30, 20, 20, 20, 10]).done();
    let words = "SLIT: 30 from 1 to 1: distances 10 and 20 are assumed";
    check(told(&Tables { slit, ..sound() }), words, [4, 3]);
}

#[test]
fn slit_remote_at_ten() {
    let slit = Table::slit(3, &[10, 20, 20, 20, 10, 10, 20, 20, 10]).done();
    let words = "SLIT: 1 to 2 is as near as 1 to itself: so be it";
    check(told(&Tables { slit, ..sound() }), words, [4, 3]);
}

#[test]
fn boot_cpu_not_listed() {
    let words = "MADT: boot CPU (APIC id 0x4d) is not listed";
    check(told_as(&sound(), 77, ApicMode::XApic), words, [5, 3]);
}

#[test]
fn too_many_cpus() {
    let madt = (0..=MAX_CPUS as u32).fold(Table::madt(5), |table, apic_id| table.x2apic(apic_id, 1));
    let tables = Tables {
        madt: madt.done(),
        ..Tables::default()
    };
    let words = "MADT: no number left for APIC id 0x100: not used";
    check(told_as(&tables, 0, ApicMode::X2Apic), words, [MAX_CPUS, 1]);
}

#[test]
fn not_addressable() {
    let madt = Table::madt(5).local_apic(0, 1).x2apic(256, 1).local_apic(1, 1);
    let tables = Tables {
        madt: madt.done(),
        ..Tables::default()
    };
    let words = "MADT: APIC id 0x100 is not addressable: not used";
    check(told(&tables), words, [2, 1]);
}

#[test]
fn cpu_in_two_domains() {
    let srat = Table::srat(2)
        .cpu(0, 3, 1)
        .x2apic_cpu(0, 4, 1)
        .memory(0, 4096, 4, 1);
    let words = "SRAT: APIC id 0x0 in domain 3 and in 4: the first counts";
    check(told(&one_cpu(srat)), words, [1, 2]);
}

#[test]
fn too_many_nodes() {
    let srat = (0..=MAX_NODES as u32).fold(Table::srat(2), |table, domain| {
        table.memory(u64::from(domain) << 12, 4096, domain, 1)
    });
    let words = "SRAT: no node left for domain 64: its CPUs go to others in turn, its memory to none";
    check(told(&one_cpu(srat)), words, [1, MAX_NODES]);
}

#[test]
fn unused_domain() {
    let srat = Table::srat(2).cpu(0, 3, 1).cpu(44, 8, 1);
    let words = "SRAT: nothing usable in domain 8: no node";
    check(told(&one_cpu(srat)), words, [1, 1]);
}

#[test]
fn too_many_ranges() {
    let srat = (0..=MAX_MEMORY_RANGES as u64).fold(Table::srat(2), |table, range| {
        table.memory(range << 13, 4096, 0, 1)
    });
    let words = "SRAT: memory 0x100000+0x1000 left out: one range too many";
    check(told(&one_cpu(srat)), words, [1, 1]);
}

#[test]
fn range_past_end() {
    let srat = Table::srat(2)
        .cpu(0, 0, 1)
        .memory(0xffff_ffff_ffff_f000, 0x1000, 0, 1);
    let words = "SRAT: memory 0xfffffffffffff000+0x1000 left out: behind the address space";
    check(told(&one_cpu(srat)), words, [1, 1]);
}

#[test]
fn ranges_overlap() {
    let srat = Table::srat(2)
        .cpu(0, 0, 1)
        .memory(0, 0x2000, 0, 1)
        .memory(0x1000, 0x2000, 0, 1);
    let words = "SRAT: memory 0x1000+0x2000 left out: overlaps other memory";
    check(told(&one_cpu(srat)), words, [1, 1]);
}
