//! Sound tables that say what cannot be, or more than there is room for: what is left out, and what is said.

use percpu_core::{ApicId, ApicMode, Complaint, MAX_CPUS, MAX_MEMORY_RANGES, MAX_NODES, ProximityDomain};

mod common;

use common::{Table, Tables};

/// The lines of CPUs, memory and distances, and the complaints.
fn outcome(tables: &Tables) -> (String, Vec<Complaint>) {
    let (topology, complaints) = tables.read();
    (common::describe(&topology), complaints)
}

/// A sound machine with three nodes, and this SLIT.
fn with_slit(localities: u64, matrix: &[u8]) -> (String, Vec<Complaint>) {
    outcome(&Tables {
        slit: Table::slit(localities, matrix).done(),
        ..Tables::of("memory-only-node")
    })
}

#[test]
fn a_slit_that_makes_no_sense_is_left_out_as_a_whole() {
    let domain = ProximityDomain::new;
    let (text, complaints) = with_slit(2, &[10, 20, 20, 10]);
    let expected = Complaint::SlitIncomplete {
        from: domain(0),
        to: domain(2),
        localities: 2,
    };
    assert_eq!(complaints, [expected]);
    assert!(text.ends_with("distances 10,20,20 20,10,20 20,20,10"));

    let implausible = [
        ([10, 9, 30, 30, 10, 30, 30, 30, 10], (0, 1, 9)),
        ([10, 30, 30, 30, 11, 30, 30, 30, 10], (1, 1, 11)),
        ([10, 30, 30, 30, 10, 30, 30, 0, 10], (2, 1, 0)),
    ];
    for (matrix, (from, to, distance)) in implausible {
        let (text, complaints) = with_slit(3, &matrix);
        let expected = Complaint::SlitImplausible {
            from: domain(from),
            to: domain(to),
            distance,
        };
        assert_eq!(complaints, [expected]);
        assert!(text.ends_with("distances 10,20,20 20,10,20 20,20,10"));
    }
}

#[test]
fn two_nodes_as_near_as_one_are_told_and_stay() {
    let domain = ProximityDomain::new;
    let cases: [([u8; 9], (u32, u32), &str); 2] = [
        (
            [10, 10, 255, 10, 10, 255, 255, 255, 10],
            (0, 1),
            "10,10,255 10,10,255 255,255,10",
        ),
        (
            [10, 20, 30, 20, 10, 30, 20, 10, 10],
            (2, 1),
            "10,20,30 20,10,30 20,10,10",
        ),
    ];
    for (matrix, (from, to), distances) in cases {
        let (text, complaints) = with_slit(3, &matrix);
        let expected = Complaint::SlitRemoteAtTen {
            from: domain(from),
            to: domain(to),
        };
        assert_eq!(complaints, [expected]);
        assert!(text.ends_with(distances), "{text}");
    }
}

#[test]
fn unreachable_nodes_and_rows_for_more_are_no_reason_to_complain() {
    let unreachable = [10, 255, 255, 20, 255, 10, 255, 20, 255, 255, 10, 20, 0, 0, 0, 7];
    let (text, complaints) = with_slit(4, &unreachable);
    assert_eq!(complaints, []);
    assert!(text.ends_with("distances 10,255,255 255,10,255 255,255,10"));
}

#[test]
fn domains_that_no_one_is_in_are_named_once_each_and_become_no_node() {
    let srat = Table::srat(2)
        .cpu(9, 4, 1)
        .x2apic_cpu(500, 2, 1)
        .cpu(0, 7, 1)
        .memory(0, 0, 2, 1)
        .cpu(8, 3, 0)
        .memory(0x1000, 0x1000, 5, 0)
        .memory(0x2000, 0x1000, 7, 1)
        .done();
    let (text, complaints) = outcome(&Tables {
        srat,
        slit: None,
        ..Tables::of("one")
    });
    let unused = |domain| Complaint::UnusedDomain {
        domain: ProximityDomain::new(domain),
    };
    assert_eq!(complaints, [unused(4), unused(2)]);
    assert_eq!(text, "cpus 0/0\nmemory 0x2000+0x1000/0\ndistances 10");
}

/// As many of them as a table can hold are not told for ever.
#[test]
fn not_more_unused_domains_are_named_than_there_could_be_nodes() {
    let srat = (0..50_000).fold(Table::srat(2), |table, domain| table.cpu(9, domain, 1));
    let (_, complaints) = outcome(&Tables {
        srat: srat.done(),
        slit: None,
        ..Tables::of("one")
    });
    assert_eq!(complaints.len(), MAX_NODES);
}

#[test]
fn a_cpu_in_two_domains_stays_in_the_first() {
    let srat = Table::srat(2)
        .cpu(1, 6, 1)
        .cpu(1, 6, 1)
        .x2apic_cpu(1, 5, 1)
        .cpu(0, 5, 1)
        .done();
    let (text, complaints) = outcome(&Tables {
        srat,
        slit: None,
        ..Tables::of("four-2+2")
    });
    let [kept, dropped] = [6, 5].map(ProximityDomain::new);
    assert_eq!(
        complaints,
        [Complaint::CpuInTwoDomains {
            apic_id: ApicId::new(1),
            kept,
            dropped
        }]
    );
    assert!(text.starts_with("cpus 0/0 1/1 2/0 3/1\n"), "{text}");
}

#[test]
fn memory_that_overlaps_or_never_ends_is_left_out() {
    let srat = Table::srat(2)
        .memory(0x2000, 0x2000, 1, 1)
        .memory(0x3000, 1, 2, 1)
        .memory(0x1000, 0x1001, 2, 1);
    let srat = srat
        .memory(0x1000, 0x8000, 2, 1)
        .memory(0x2000, 0x10, 1, 1)
        .memory(u64::MAX, 1, 2, 1);
    let srat = srat
        .memory(0x4000, 0x1000, 0, 1)
        .memory(0x1000, 0x1000, 0, 1)
        .memory(7, 0, 9, 1)
        .done();
    let (text, complaints) = outcome(&Tables {
        srat,
        slit: None,
        ..Tables::of("one")
    });
    let overlap = |base, length| Complaint::RangesOverlap { base, length };
    let unused = |domain| Complaint::UnusedDomain {
        domain: ProximityDomain::new(domain),
    };
    let expected = [
        overlap(0x3000, 1),
        overlap(0x1000, 0x1001),
        overlap(0x1000, 0x8000),
        overlap(0x2000, 0x10),
        Complaint::RangePastEnd {
            base: u64::MAX,
            length: 1,
        },
        // Nothing is left of these.
        unused(2),
        unused(9),
    ];
    assert_eq!(complaints, expected);
    assert_eq!(
        text.lines().nth(1),
        Some("memory 0x1000+0x1000/0 0x2000+0x2000/1 0x4000+0x1000/0")
    );
}

#[test]
fn what_does_not_fit_is_left_out() {
    let madt = (0..MAX_CPUS as u32 + 2).fold(Table::madt(5), |table, apic_id| table.x2apic(apic_id, 1));
    let (topology, complaints) = Tables {
        madt: madt.done(),
        ..Tables::default()
    }
    .read_as(300, ApicMode::X2Apic);
    let left_out = |apic_id| Complaint::TooManyCpus {
        apic_id: ApicId::new(apic_id),
    };
    let not_listed = Complaint::BootCpuNotListed {
        apic_id: ApicId::new(300),
    };
    assert_eq!(
        complaints,
        [left_out(255), left_out(256), left_out(257), not_listed]
    );
    assert_eq!(topology.cpu_count(), MAX_CPUS);

    let nodes = (0..MAX_NODES as u32 + 1).fold(Table::srat(2), |table, domain| {
        table.memory(u64::from(domain) << 20, 1 << 20, domain, 1)
    });
    let (topology, complaints) = Tables {
        srat: nodes.done(),
        slit: None,
        ..Tables::of("one")
    }
    .read();
    assert_eq!(
        complaints,
        [Complaint::TooManyNodes {
            domain: ProximityDomain::new(64)
        }]
    );
    assert_eq!(
        (topology.node_count(), topology.memory_ranges().len()),
        (MAX_NODES, MAX_NODES)
    );

    let ranges = (0..MAX_MEMORY_RANGES as u64 + 1).fold(Table::srat(2), |table, range| {
        table.memory(range << 20, 1 << 20, 0, 1)
    });
    let (topology, complaints) = Tables {
        srat: ranges.done(),
        slit: None,
        ..Tables::of("one")
    }
    .read();
    assert_eq!(
        complaints,
        [Complaint::TooManyRanges {
            base: 128 << 20,
            length: 1 << 20
        }]
    );
    assert_eq!(topology.memory_ranges().len(), MAX_MEMORY_RANGES);
}
