//! Damaged tables: each kind of damage has its name, and the machine stays usable.

use percpu_core::{
    ApicId, ApicMode, Complaint, MAX_CPUS, MAX_MEMORY_RANGES, MAX_NODES, Madt, ProximityDomain, Slit, Srat,
    TableError,
};

mod common;

use common::{Table, Tables, repair};

/// The lines of CPUs, memory and distances, and the complaints.
fn outcome(tables: &Tables) -> (String, Vec<Complaint>) {
    let (topology, complaints) = tables.read();
    (common::describe(&topology), complaints)
}

/// A sound machine with three nodes and a SLIT.
fn sound() -> Tables {
    Tables::of("memory-only-node")
}

const ONE_NODE: &str = "cpus 0/0 1/0 2/0 3/0\nmemory\ndistances 10";

#[test]
fn a_bad_checksum_costs_the_whole_table() {
    let mut tables = sound();
    tables.madt.as_mut().expect("a table")[43] ^= 0x40;
    assert_eq!(
        outcome(&tables).1,
        [Complaint::MadtUnusable(TableError::BadChecksum { sum: 0x40 })]
    );
    assert!(outcome(&tables).0.starts_with("cpus 0/0\n"));

    let mut tables = sound();
    tables.srat.as_mut().expect("a table")[60] ^= 1;
    let (text, complaints) = outcome(&tables);
    assert!(matches!(
        complaints[0],
        Complaint::SratUnusable(TableError::BadChecksum { .. })
    ));
    assert_eq!(
        text.lines().take(2).collect::<Vec<_>>(),
        ["cpus 0/0 1/0 2/0 3/0", "memory"]
    );

    let mut tables = sound();
    tables.slit.as_mut().expect("a table")[50] += 1;
    let (text, complaints) = outcome(&tables);
    assert_eq!(
        complaints,
        [Complaint::SlitUnusable(TableError::BadChecksum { sum: 1 })]
    );
    assert!(text.ends_with("distances 10,20,20 20,10,20 20,20,10"));
}

#[test]
fn another_table_is_not_taken_for_this_one() {
    let tables = Tables {
        madt: sound().srat,
        ..Tables::default()
    };
    let wrong = TableError::WrongSignature { found: *b"SRAT" };
    assert_eq!(outcome(&tables).1, [Complaint::MadtUnusable(wrong)]);
}

#[test]
fn no_madt_leaves_the_boot_cpu() {
    let expected = (
        "cpus 0/0\nmemory\ndistances 10".to_string(),
        vec![Complaint::NoMadt],
    );
    assert_eq!(outcome(&Tables::default()), expected);
}

#[test]
fn an_unlisted_boot_cpu_is_cpu_0_all_the_same() {
    let (topology, complaints) = sound().read_as(200, ApicMode::XApic);
    assert_eq!(
        complaints,
        [Complaint::BootCpuNotListed {
            apic_id: ApicId::new(200)
        }]
    );
    assert!(common::describe(&topology).starts_with("cpus 200/0 0/0 1/0 2/1 3/1\n"));
}

#[test]
fn an_entry_of_length_0_ends_the_walk() {
    let madt = Table::madt(3)
        .local_apic(0, 1)
        .raw(&[0, 0, 9, 9])
        .local_apic(1, 1)
        .done();
    let tables = Tables {
        madt,
        ..Tables::default()
    };
    let complaint = Complaint::MadtDamaged(TableError::ZeroLengthEntry { offset: 52 });
    assert_eq!(
        outcome(&tables),
        ("cpus 0/0\nmemory\ndistances 10".into(), vec![complaint])
    );

    let srat = Table::srat(2)
        .cpu(0, 1, 1)
        .raw(&[1, 0])
        .memory(0, 4096, 2, 1)
        .done();
    let tables = Tables {
        srat,
        slit: None,
        ..sound()
    };
    let complaint = Complaint::SratUnusable(TableError::ZeroLengthEntry { offset: 64 });
    assert_eq!(outcome(&tables), (ONE_NODE.into(), vec![complaint]));
}

#[test]
fn an_entry_longer_than_the_table_is_refused() {
    let madt = Table::madt(3)
        .local_apic(0, 1)
        .local_apic(1, 1)
        .raw(&[0, 9, 2, 2, 1, 0, 0, 0])
        .done();
    let tables = Tables {
        madt,
        ..Tables::default()
    };
    let complaint = Complaint::MadtDamaged(TableError::EntryPastEnd {
        offset: 60,
        length: 9,
    });
    assert_eq!(
        outcome(&tables),
        ("cpus 0/0 1/0\nmemory\ndistances 10".into(), vec![complaint])
    );
    // One byte is not even an entry's head.
    let madt = Table::madt(3).local_apic(0, 1).raw(&[0]).done();
    let tables = Tables {
        madt,
        ..Tables::default()
    };
    let complaint = Complaint::MadtDamaged(TableError::EntryPastEnd {
        offset: 52,
        length: 1,
    });
    assert_eq!(outcome(&tables).1, [complaint]);
}

#[test]
fn an_entry_shorter_than_its_kind_is_refused() {
    let short = |kind, length: u8| {
        let mut entry = vec![0; length.into()];
        entry[..2].copy_from_slice(&[kind, length]);
        entry
    };
    for (kind, length) in [(0, 7), (9, 15), (0, 2)] {
        let bytes = Table::madt(3)
            .raw(&short(kind, length))
            .local_apic(1, 1)
            .done()
            .expect("a table");
        let items: Vec<_> = Madt::new(&bytes).expect("a sound head").processors().collect();
        let error = TableError::EntryTooShort {
            offset: 44,
            kind,
            length: length.into(),
        };
        assert_eq!(items, [Err(error)], "kind {kind}");
    }
    for (kind, length) in [(0, 15), (1, 39), (2, 23)] {
        let bytes = Table::srat(3)
            .raw(&short(kind, length))
            .cpu(0, 0, 1)
            .done()
            .expect("a table");
        let items: Vec<_> = Srat::new(&bytes).expect("a sound head").entries().collect();
        let error = TableError::EntryTooShort {
            offset: 48,
            kind,
            length: length.into(),
        };
        assert_eq!(items, [Err(error)], "kind {kind}");
    }
    let bytes = Table::madt(3).raw(&short(5, 11)).done().expect("a table");
    let error = TableError::EntryTooShort {
        offset: 44,
        kind: 5,
        length: 11,
    };
    assert_eq!(
        Madt::new(&bytes).expect("a sound head").local_apic_address(),
        Err(error)
    );
    let bytes = Table::madt(3).raw(&[5, 1]).done().expect("a table");
    let error = TableError::EntryTooShort {
        offset: 44,
        kind: 5,
        length: 1,
    };
    assert_eq!(
        Madt::new(&bytes).expect("a sound head").local_apic_address(),
        Err(error)
    );
}

#[test]
fn a_table_cut_anywhere_is_too_short() {
    let tables = sound();
    let [madt, srat, slit] = [tables.madt, tables.srat, tables.slit].map(|table| table.expect("a table"));
    let too_short = |error| matches!(error, Some(TableError::TooShort { .. }));
    for length in 0..madt.len() {
        assert!(too_short(Madt::new(&madt[..length]).err()), "{length}");
    }
    for length in 0..srat.len() {
        assert!(too_short(Srat::new(&srat[..length]).err()), "{length}");
    }
    for length in 0..slit.len() {
        assert!(too_short(Slit::new(&slit[..length]).err()), "{length}");
    }
}

#[test]
fn a_slit_without_room_for_its_matrix_is_refused() {
    for localities in [4, 1 << 16, 1 << 32, u64::MAX] {
        let slit = Table::slit(localities, &[10, 20, 20, 20, 10, 20, 20, 20, 10, 0]).done();
        let complaint = Complaint::SlitUnusable(TableError::TooManyLocalities { localities });
        assert_eq!(outcome(&Tables { slit, ..sound() }).1, [complaint]);
    }
    let mut short = sound().slit.expect("a table");
    short.truncate(52);
    repair(&mut short);
    let complaint = Complaint::SlitUnusable(TableError::TooManyLocalities { localities: 3 });
    assert_eq!(
        outcome(&Tables {
            slit: Some(short),
            ..sound()
        })
        .1,
        [complaint]
    );
}

#[test]
fn a_slit_that_makes_no_sense_is_left_out_as_a_whole() {
    let domain = ProximityDomain::new;
    let incomplete = Table::slit(2, &[10, 20, 20, 10]).done();
    let (text, complaints) = outcome(&Tables {
        slit: incomplete,
        ..sound()
    });
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
        let (text, complaints) = outcome(&Tables {
            slit: Table::slit(3, &matrix).done(),
            ..sound()
        });
        let expected = Complaint::SlitImplausible {
            from: domain(from),
            to: domain(to),
            distance,
        };
        assert_eq!(complaints, [expected]);
        assert!(text.ends_with("distances 10,20,20 20,10,20 20,20,10"));
    }
    // Two nodes as near as one, and an unreachable one: allowed.
    let allowed = Table::slit(3, &[10, 10, 255, 10, 10, 255, 255, 255, 10]).done();
    let (text, complaints) = outcome(&Tables {
        slit: allowed,
        ..sound()
    });
    assert_eq!(complaints, []);
    assert!(text.ends_with("distances 10,10,255 10,10,255 255,255,10"));
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
    let expected = [
        overlap(0x3000, 1),
        overlap(0x1000, 0x1001),
        overlap(0x1000, 0x8000),
        overlap(0x2000, 0x10),
        Complaint::RangePastEnd {
            base: u64::MAX,
            length: 1,
        },
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
