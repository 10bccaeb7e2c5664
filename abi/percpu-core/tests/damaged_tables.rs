//! Damaged tables: each kind of damage has its name, and the machine stays usable.

use percpu_core::{ApicId, ApicMode, Complaint, Madt, Slit, Srat, TableError};

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
