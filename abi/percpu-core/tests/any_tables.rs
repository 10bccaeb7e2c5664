//! Whatever the bytes of the tables are, a read ends, does not panic, and leaves a usable machine.

use std::collections::BTreeSet;

use percpu_core::{ApicMode, CpuId, LOCAL_DISTANCE, Topology};
use proptest::prelude::*;

mod common;

use common::root::{Memory, RSDP, RSDT, XSDT, repair_rsdp};
use common::{Table, Tables, repair};

const MACHINES: [&str; 10] = [
    "one",
    "four-2+2",
    "eight-3+5",
    "sparse-2x3x2",
    "two-of-six",
    "memory-only-node",
    "cpu-only-node",
    "above-4g-2+2",
    "ovmf/interleaved-4-nodes",
    "ovmf/all-255",
];

/// What holds for every topology.
fn check(topology: &Topology, boot: u32) {
    assert_eq!(
        topology.apic_id(CpuId::BOOT).map(percpu_core::ApicId::get),
        Some(boot)
    );
    assert!(topology.is_present(CpuId::BOOT));
    let apic_ids: BTreeSet<_> = topology.cpus().map(|cpu| topology.apic_id(cpu)).collect();
    assert_eq!(apic_ids.len(), topology.cpu_count(), "no CPU twice");
    for cpu in topology.cpus() {
        let node = topology.node_of_cpu(cpu).expect("every possible CPU has a node");
        assert!(node.index() < topology.node_count());
        assert_eq!(
            topology.cpu_of(topology.apic_id(cpu).expect("possible")),
            Some(cpu)
        );
    }
    let ranges = topology.memory_ranges();
    assert!(ranges.windows(2).all(|pair| pair[0].end() <= pair[1].base));
    for range in ranges {
        assert!(range.length > 0 && range.node.index() < topology.node_count());
        assert_eq!(topology.node_of_address(range.base), Some(range.node));
        assert_eq!(topology.node_of_address(range.end() - 1), Some(range.node));
    }
    for node in topology.nodes() {
        assert_eq!(topology.distance(node, node), LOCAL_DISTANCE);
        assert!(
            topology
                .nodes()
                .all(|other| topology.distance(node, other) >= LOCAL_DISTANCE)
        );
    }
}

/// Cuts bytes off or appends some, overwrites others, then makes length and checksum true again if asked to:
/// without that, damage never gets past the checksum.
fn damage(table: &mut Option<Vec<u8>>, changes: &[(usize, u8)], length: Length, repaired: bool) {
    let Some(bytes) = table else { return };
    match length {
        Length::Same => {}
        Length::Less(cut) => bytes.truncate(bytes.len() - cut.min(bytes.len())),
        Length::More(count, seed) => bytes.extend(bytes_from(seed, count)),
    }
    for (at, value) in changes {
        if let Some(byte) = bytes
            .len()
            .checked_sub(1)
            .and_then(|last| bytes.get_mut(at % (last + 1)))
        {
            *byte = *value;
        }
    }
    if repaired {
        repair(bytes);
    }
}

/// What becomes of a table's length.
#[derive(Clone, Copy, Debug)]
enum Length {
    Same,
    /// So many bytes fewer.
    Less(usize),
    /// So many bytes more, made from a seed.
    More(usize, u64),
}

fn any_length() -> impl Strategy<Value = Length> {
    prop_oneof![
        2 => Just(Length::Same),
        1 => (0..60usize).prop_map(Length::Less),
        1 => (0..60usize, any::<u64>()).prop_map(|(count, seed)| Length::More(count, seed)),
    ]
}

/// Values that length fields like to be wrong by, and any other.
fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(2), Just(255), 0..48u8, any::<u8>()]
}

fn any_changes() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((any::<usize>(), any_byte()), 0..12)
}

/// An entry of the right form with any content. Small numbers are frequent, so that entries meet.
#[derive(Clone, Debug)]
struct Entry {
    kind: u8,
    length: u8,
    seed: u64,
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = bytes_from(self.seed, self.length.into());
        bytes[..2].copy_from_slice(&[self.kind, self.length]);
        bytes
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let length = prop_oneof![1 => 2..48u8, 5 => prop::sample::select(&[8u8, 16, 24, 40, 12][..])];
    (0..11u8, length, any::<u64>()).prop_map(|(kind, length, seed)| Entry { kind, length, seed })
}

/// Bytes that a seed stands for: half of them 0, most of the rest small.
fn bytes_from(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let byte = (state >> 56) as u8;
        match (state >> 48) & 7 {
            0..4 => 0,
            4..7 => byte & 3,
            _ => byte,
        }
    };
    (0..count).map(|_| next()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_tables_leave_a_usable_machine(
        machine in prop::sample::select(&MACHINES[..]),
        changes in prop::array::uniform3(any_changes()),
        lengths in prop::array::uniform3(any_length()),
        repaired in prop::array::uniform3(prop::bool::weighted(0.9)),
        x2apic in any::<bool>(),
    ) {
        let mut tables = Tables::of(machine);
        damage(&mut tables.madt, &changes[0], lengths[0], repaired[0]);
        damage(&mut tables.srat, &changes[1], lengths[1], repaired[1]);
        damage(&mut tables.slit, &changes[2], lengths[2], repaired[2]);
        let mode = if x2apic { ApicMode::X2Apic } else { ApicMode::XApic };
        let (topology, complaints) = tables.read_as(0, mode);
        check(&topology, 0);
        complaints.iter().for_each(|complaint| assert!(!complaint.to_string().is_empty()));
    }

    #[test]
    fn any_entries_leave_a_usable_machine(
        madt in prop::collection::vec(any_entry(), 0..30),
        srat in prop::collection::vec(any_entry(), 0..30),
        slit in (0..12u64, any::<u64>()),
        boot in any::<u32>(),
    ) {
        let entries = |table: Table, entries: &[Entry]| {
            entries.iter().fold(table, |table, entry| table.raw(&entry.bytes())).done()
        };
        let (localities, seed) = slit;
        let tables = Tables {
            madt: entries(Table::madt(3), &madt),
            srat: entries(Table::srat(2), &srat),
            slit: Table::slit(localities, &bytes_from(seed, (localities * localities) as usize)).done(),
        };
        let (topology, _) = tables.read_as(boot, ApicMode::X2Apic);
        check(&topology, boot);
    }

    #[test]
    fn damaged_roots_leave_a_usable_machine(
        machine in prop::sample::select(&MACHINES[..]),
        revision in 0..4u8,
        changes in prop::array::uniform3(any_changes()),
        lengths in prop::array::uniform3(any_length()),
        repaired in prop::array::uniform3(prop::bool::weighted(0.9)),
    ) {
        let mut memory = Memory::of(&Tables::of(machine), revision);
        for (which, address) in [RSDT, XSDT, RSDP].into_iter().enumerate() {
            let mut table = Some(memory.at(address).clone());
            // An RSDP's checksum is not where a table's is.
            let is_table = address != RSDP;
            damage(&mut table, &changes[which], lengths[which], repaired[which] && is_table);
            let mut table = table.expect("a table");
            if repaired[which] && !is_table {
                repair_rsdp(&mut table);
            }
            memory.put(address, table);
        }
        check_from(&memory);
    }

    #[test]
    fn any_bytes_leave_a_usable_machine(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Some(bytes);
        let tables = Tables { madt: bytes.clone(), srat: bytes.clone(), slit: bytes };
        check(&tables.read().0, 0);
    }
}

/// From the RSDP to the topology.
fn check_from(memory: &Memory) {
    let (tables, found) = memory.find();
    let (topology, read) = tables.read();
    check(&topology, 0);
    let mut complaints = found.iter().chain(&read);
    assert!(complaints.all(|complaint| !complaint.to_string().is_empty()));
}

/// The same for every byte of RSDP, RSDT and XSDT, both with sums that are true again and as they are.
#[test]
fn no_single_byte_of_a_root_does_harm() {
    let tables = Tables::of("four-2+2");
    for (revision, address) in [(0, RSDP), (2, RSDP), (0, RSDT), (2, RSDT), (2, XSDT)] {
        let sound = Memory::of(&tables, revision);
        for at in 0..sound.clone().at(address).len() {
            for value in [0, 1, 2, 7, 16, 0x24, 0x7f, 0x80, 0xff] {
                let mut memory = sound.clone();
                let bytes = memory.at(address);
                let changed = core::mem::replace(&mut bytes[at], value) != value;
                let (_, complaints) = memory.find();
                let used = revision == 0 || address != RSDT;
                assert_eq!(
                    !complaints.is_empty(),
                    changed && used,
                    "byte {at} of {address:#x}: {value}"
                );
                check_from(&memory);
                match address {
                    RSDP => repair_rsdp(memory.at(address)),
                    _ if at < 8 => {}
                    _ => repair(memory.at(address)),
                }
                check_from(&memory);
            }
        }
    }
}

/// Not by chance: every byte of every table, one after the other, with every value a length likes to have.
#[test]
fn no_single_byte_does_harm() {
    for machine in MACHINES {
        let sound = Tables::of(machine);
        for which in 0..3 {
            let mut tables = sound.clone();
            let Some(length) = pick(&mut tables, which).as_ref().map(Vec::len) else {
                continue;
            };
            // Of 255 entries one after the other, the first dozens and the last are as good as all.
            for at in (10..length).filter(|at| *at < 250 || *at + 50 > length) {
                for value in [0, 1, 2, 7, 0x7f, 0x80, 0xff] {
                    let mut tables = sound.clone();
                    damage(pick(&mut tables, which), &[(at, value)], Length::Same, true);
                    check(&tables.read().0, 0);
                }
            }
        }
    }
}

fn pick(tables: &mut Tables, which: usize) -> &mut Option<Vec<u8>> {
    match which {
        0 => &mut tables.madt,
        1 => &mut tables.srat,
        _ => &mut tables.slit,
    }
}
