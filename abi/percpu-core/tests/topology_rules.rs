//! The rules that QEMU's tables do not reach: tables made by hand.

use percpu_core::{ApicId, ApicMode, Complaint, Madt, ProximityDomain, Srat, SratEntry};

mod common;

use common::{Table, Tables, describe};

const ENABLED: u8 = 1;
const ONLINE_CAPABLE: u8 = 2;

fn madt_of(apic_ids: impl IntoIterator<Item = u8>) -> Table {
    apic_ids.into_iter().fold(Table::madt(5), |table, apic_id| {
        table.local_apic(apic_id, ENABLED)
    })
}

/// The line of CPUs, and the complaints.
fn cpus(tables: &Tables, mode: ApicMode) -> (String, Vec<Complaint>) {
    let (topology, complaints) = tables.read_as(0, mode);
    (
        describe(&topology).lines().next().unwrap_or_default().to_string(),
        complaints,
    )
}

#[test]
fn a_cpu_listed_twice_is_one_cpu() {
    let twice = madt_of([0, 1])
        .x2apic(1, ENABLED)
        .x2apic(0, ENABLED)
        .x2apic(2, ENABLED)
        .done();
    let tables = Tables {
        madt: twice,
        ..Tables::default()
    };
    assert_eq!(
        cpus(&tables, ApicMode::X2Apic),
        ("cpus 0/0 1/0 2/0".into(), vec![])
    );
    let absent_then_present = Table::madt(3)
        .local_apic(0, ENABLED)
        .local_apic(1, 0)
        .x2apic(1, ENABLED);
    let tables = Tables {
        madt: absent_then_present.done(),
        ..Tables::default()
    };
    assert_eq!(cpus(&tables, ApicMode::X2Apic).0, "cpus 0/0 1/0");
}

#[test]
fn ids_that_the_apic_cannot_name_are_left_out() {
    let madt = madt_of([0, 254])
        .x2apic(255, ENABLED)
        .x2apic(300, ENABLED)
        .x2apic(u32::MAX, ENABLED);
    // Id 255 in an 8-bit entry of a CPU that is not enabled means nobody: no complaint.
    let tables = Tables {
        madt: madt.local_apic(255, 0).done(),
        ..Tables::default()
    };
    let unnameable = |apic_id| Complaint::NotAddressable {
        apic_id: ApicId::new(apic_id),
    };
    let by_8_bits = vec![unnameable(255), unnameable(300), unnameable(u32::MAX)];
    assert_eq!(
        cpus(&tables, ApicMode::XApic),
        ("cpus 0/0 254/0".into(), by_8_bits)
    );
    let by_32_bits = vec![unnameable(u32::MAX)];
    assert_eq!(
        cpus(&tables, ApicMode::X2Apic),
        ("cpus 0/0 254/0 255/0 300/0".into(), by_32_bits)
    );
}

#[test]
fn an_8_bit_255_is_everybody_in_every_mode() {
    let tables = Tables {
        madt: madt_of([0, 255]).done(),
        ..Tables::default()
    };
    let unnameable = Complaint::NotAddressable {
        apic_id: ApicId::new(255),
    };
    for mode in [ApicMode::XApic, ApicMode::X2Apic] {
        assert_eq!(cpus(&tables, mode), ("cpus 0/0".into(), vec![unnameable]));
    }
}

/// Nobody waits for a placeholder; a CPU that may come and could not be started is worth a word.
#[test]
fn an_online_capable_cpu_that_cannot_be_named_is_told() {
    let tables = Tables {
        madt: madt_of([0])
            .local_apic(255, ONLINE_CAPABLE)
            .x2apic(u32::MAX, ONLINE_CAPABLE)
            .x2apic(300, ONLINE_CAPABLE)
            .done(),
        ..Tables::default()
    };
    let unnameable = Complaint::NotAddressable {
        apic_id: ApicId::new(300),
    };
    assert_eq!(
        cpus(&tables, ApicMode::XApic),
        ("cpus 0/0".into(), vec![unnameable])
    );
    assert_eq!(
        cpus(&tables, ApicMode::X2Apic),
        ("cpus 0/0 300/0-".into(), vec![])
    );
}

#[test]
fn from_revision_5_on_a_disabled_cpu_needs_the_online_capable_flag() {
    let entries = |table: Table| {
        table
            .local_apic(0, ENABLED)
            .local_apic(1, ONLINE_CAPABLE)
            .local_apic(2, 0)
            .done()
    };
    let new = Tables {
        madt: entries(Table::madt(5)),
        ..Tables::default()
    };
    assert_eq!(cpus(&new, ApicMode::XApic).0, "cpus 0/0 1/0-");
    let old = Tables {
        madt: entries(Table::madt(4)),
        ..Tables::default()
    };
    assert_eq!(cpus(&old, ApicMode::XApic).0, "cpus 0/0 1/0- 2/0-");
}

#[test]
fn cpus_without_a_domain_take_turns_on_nodes_with_memory() {
    let srat = Table::srat(2).cpu(0, 8, ENABLED).cpu(1, 3, ENABLED).cpu(2, 3, 0);
    let srat = srat
        .memory(0x1000, 0x1000, 8, ENABLED)
        .memory(0x9000, 0x1000, 5, ENABLED);
    // Domain 3 has no memory, domain 9 only room for some: neither takes a CPU that has no domain.
    let srat = srat
        .memory(0x4_0000, 0x1000, 9, ENABLED | 2)
        .memory(0x5_0000, 0x1000, 77, 0);
    let tables = Tables {
        madt: madt_of(0..6).done(),
        srat: srat.done(),
        slit: None,
    };
    let (topology, complaints) = tables.read();
    assert_eq!(complaints, []);
    let expected = "cpus 0/2 1/0 2/1 3/2 4/1 5/2\n\
                    memory 0x1000+0x1000/2 0x9000+0x1000/1 0x40000+0x1000/3?";
    assert!(
        describe(&topology).starts_with(expected),
        "{}",
        describe(&topology)
    );
    let domains: Vec<_> = topology
        .nodes()
        .filter_map(|node| topology.domain_of_node(node))
        .collect();
    assert_eq!(domains, [3, 5, 8, 9].map(ProximityDomain::new));
}

#[test]
fn without_any_memory_they_take_turns_on_all_nodes() {
    let srat = Table::srat(2).cpu(0, 1, ENABLED).cpu(1, 4, ENABLED).done();
    let tables = Tables {
        madt: madt_of(0..5).done(),
        srat,
        slit: None,
    };
    assert_eq!(cpus(&tables, ApicMode::XApic).0, "cpus 0/0 1/1 2/0 3/1 4/0");
    let hotplug_only = Table::srat(2)
        .cpu(0, 1, ENABLED)
        .cpu(1, 4, ENABLED)
        .memory(0, 4096, 1, 3)
        .done();
    let tables = Tables {
        madt: madt_of(0..5).done(),
        srat: hotplug_only,
        slit: None,
    };
    assert_eq!(cpus(&tables, ApicMode::XApic).0, "cpus 0/0 1/1 2/0 3/1 4/0");
}

#[test]
fn domains_are_8_bits_wide_in_revision_1_and_32_bits_later() {
    let entries = |table: Table| {
        let table = table
            .cpu(1, 0xabcd_ef02, ENABLED)
            .x2apic_cpu(2, 0x0102_0304, ENABLED);
        table.memory(0x1000, 0x2000, 0x1234_5678, ENABLED).done()
    };
    let domains = |bytes: Option<Vec<u8>>| -> Vec<u32> {
        let bytes = bytes.expect("a table");
        let srat = Srat::new(&bytes).expect("a sound table");
        let domain = |entry| match entry {
            SratEntry::Cpu { domain, .. } | SratEntry::Memory { domain, .. } => domain.get(),
        };
        srat.entries().flatten().map(domain).collect()
    };
    assert_eq!(domains(entries(Table::srat(1))), [2, 4, 0x78]);
    assert_eq!(
        domains(entries(Table::srat(2))),
        [0xabcd_ef02, 0x0102_0304, 0x1234_5678]
    );
}

#[test]
fn the_64_bit_address_of_the_local_apic_wins() {
    let bytes = madt_of([0])
        .apic_address(0x1_2345_6000)
        .local_apic(1, ENABLED)
        .done()
        .expect("a table");
    assert_eq!(
        Madt::new(&bytes).expect("sound").local_apic_address(),
        Ok(0x1_2345_6000)
    );
}

#[test]
fn entries_carry_what_the_table_says() {
    let bytes = madt_of([7])
        .x2apic(0x1_0001, ONLINE_CAPABLE)
        .done()
        .expect("a table");
    let entries = Madt::new(&bytes).expect("sound").processors().flatten();
    let plain: Vec<_> = entries
        .map(|e| {
            (
                e.apic_id.get(),
                e.processor_uid,
                e.enabled,
                e.online_capable,
                e.x2apic,
            )
        })
        .collect();
    assert_eq!(
        plain,
        [
            (7, 7, true, false, false),
            (0x1_0001, 0x1_0001, false, true, true)
        ]
    );
}
