//! Topologies of machines whose firmware tables were dumped from QEMU (`tests/tables/README.md`).

use percpu_core::{CpuId, Madt, NodeId};

mod common;

use common::Tables;

#[test]
fn four_cpus_on_two_nodes() {
    let expected = "cpus 0/0 1/0 2/1 3/1\n\
                    memory 0x0+0xa0000/0 0x100000+0x7f00000/0 0x8000000+0x8000000/1\n\
                    distances 10,20 20,10";
    assert_eq!(Tables::of("four-2+2").described(), expected);
}

#[test]
fn eight_cpus_on_two_unequal_nodes() {
    let expected = "cpus 0/0 1/0 2/0 3/1 4/1 5/1 6/1 7/1\n\
                    memory 0x0+0xa0000/0 0x100000+0x7f00000/0 0x8000000+0x8000000/1\n\
                    distances 10,20 20,10";
    assert_eq!(Tables::of("eight-3+5").described(), expected);
}

#[test]
fn one_cpu_without_nodes() {
    let tables = Tables::of("one");
    assert_eq!(tables.described(), "cpus 0/0\nmemory\ndistances 10");
    let (topology, _) = tables.read();
    assert_eq!(topology.node_of_address(0xdead_beef_0000), Some(NodeId::FIRST));
    assert!(topology.has_memory(NodeId::FIRST));
    assert_eq!(topology.domain_of_node(NodeId::FIRST), None);
}

#[test]
fn sparse_apic_ids_get_dense_numbers() {
    let expected = "cpus 0/0 1/0 2/0 3/0 4/0 5/0 8/1 9/1 10/1 11/1 12/1 13/1\n\
                    memory 0x0+0xa0000/0 0x100000+0x7f00000/0 0x8000000+0x8000000/1\n\
                    distances 10,20 20,10";
    let tables = Tables::of("sparse-2x3x2");
    assert_eq!(tables.described(), expected);
    let (topology, _) = tables.read();
    let apic_id = topology.apic_id(CpuId::new(6)).expect("a possible CPU");
    assert_eq!(apic_id.get(), 8);
    assert_eq!(topology.cpu_of(apic_id), Some(CpuId::new(6)));
    assert_eq!(topology.cpu_of(percpu_core::ApicId::new(6)), None);
}

#[test]
fn cpus_that_are_not_there_yet_are_possible() {
    let tables = Tables::of("two-of-six");
    assert_eq!(
        tables.described(),
        "cpus 0/0 1/0 2/0- 3/0- 4/0- 5/0-\nmemory\ndistances 10"
    );
    let (topology, _) = tables.read();
    assert_eq!(topology.present_cpus().count(), 2);
}

#[test]
fn a_node_with_memory_and_no_cpu_and_uneven_distances() {
    let expected = "cpus 0/0 1/0 2/1 3/1\n\
                    memory 0x0+0xa0000/0 0x100000+0x7f00000/0 0x8000000+0x4000000/1 0xc000000+0x4000000/2\n\
                    distances 10,21,17 31,10,42 28,55,10";
    let tables = Tables::of("memory-only-node");
    assert_eq!(tables.described(), expected);
    let (topology, _) = tables.read();
    assert_eq!(topology.cpus_of_node(NodeId::new(2)).count(), 0);
    assert!(topology.has_memory(NodeId::new(2)));
    let (zero, two) = (CpuId::new(0), CpuId::new(2));
    assert_eq!(
        (topology.cpu_distance(zero, two), topology.cpu_distance(two, zero)),
        (20, 20)
    );
    let by_slit = (
        topology.cpu_distance_by_slit(zero, two),
        topology.cpu_distance_by_slit(two, zero),
    );
    assert_eq!(by_slit, (21, 31));
}

#[test]
fn a_node_with_cpus_and_no_memory() {
    let expected = "cpus 0/0 1/0 2/1 3/1\nmemory 0x0+0xa0000/0 0x100000+0xff00000/0\ndistances 10,20 20,10";
    let tables = Tables::of("cpu-only-node");
    assert_eq!(tables.described(), expected);
    let (topology, _) = tables.read();
    assert_eq!(
        topology.nodes().filter(|node| topology.has_memory(*node)).count(),
        1
    );
}

#[test]
fn memory_above_four_gib_and_room_for_more() {
    let expected = "cpus 0/0 1/0 2/1 3/1 4/0- 5/1-\n\
                    memory 0x0+0xa0000/0 0x100000+0x7ff00000/0 0x100000000+0x40000000/0 \
                    0x140000000+0x40000000/1 0x180000000+0x180000000/1?\n\
                    distances 10,20 20,10";
    let tables = Tables::of("above-4g-2+2");
    assert_eq!(tables.described(), expected);
    let (topology, _) = tables.read();
    let node = |address| topology.node_of_address(address).map(NodeId::get);
    let holes = [
        0xa_0000,
        0xf_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x3_0000_0000,
        u64::MAX,
    ];
    assert_eq!(holes.map(node), [None; 6]);
    assert_eq!(
        [0, 0x9_ffff, 0x10_0000, 0x7fff_ffff, 0x1_3fff_ffff].map(node),
        [Some(0); 5]
    );
    assert_eq!(
        [0x1_4000_0000, 0x1_7fff_ffff, 0x1_8000_0000, 0x2_ffff_ffff].map(node),
        [Some(1); 4]
    );
}

/// The tables are QEMU's own, and each firmware hands them on in its way.
#[test]
fn ovmf_tells_the_same_machines_as_seabios() {
    for machine in [
        "one",
        "four-2+2",
        "sparse-2x3x2",
        "two-of-six",
        "memory-only-node",
        "cpu-only-node",
        "above-4g-2+2",
    ] {
        let by_ovmf = Tables::of(&format!("ovmf/{machine}")).described();
        assert_eq!(by_ovmf, Tables::of(machine).described(), "{machine}");
    }
}

#[test]
fn nodes_interleaved_over_sparse_ids_and_uneven_distances() {
    let expected = "cpus 0/0 1/1 2/2 3/3 4/0 5/1 8/2 9/3 10/0- 11/1- 12/2- 13/3-\n\
                    memory 0x0+0xa0000/0 0x100000+0x7f00000/0 0x8000000+0x8000000/1 0x10000000+0x8000000/2 \
                    0x18000000+0x8000000/3\n\
                    distances 10,11,31,51 21,10,15,35 41,25,10,19 61,45,254,10";
    let tables = Tables::of("ovmf/interleaved-4-nodes");
    assert_eq!(tables.described(), expected);
    let (topology, _) = tables.read();
    let [cpu_2, cpu_3] = [2, 3].map(CpuId::new);
    assert_eq!(topology.cpu_distance_by_slit(cpu_2, cpu_3), 19);
    assert_eq!(topology.cpu_distance_by_slit(cpu_3, cpu_2), 254);
}

#[test]
fn as_many_cpus_as_8_bit_ids_can_name() {
    let tables = Tables::of("ovmf/all-255");
    let (topology, complaints) = tables.read();
    assert_eq!(complaints, []);
    assert_eq!(
        (topology.cpu_count(), topology.present_cpus().count()),
        (255, 255)
    );
    for cpu in topology.cpus() {
        let apic_id = topology.apic_id(cpu).expect("a possible CPU");
        assert_eq!(apic_id.get(), u32::from(cpu.get()));
        let node = u16::from(cpu.get() >= 100);
        assert_eq!(topology.node_of_cpu(cpu), Some(NodeId::new(node)), "CPU {cpu}");
    }
}

#[test]
fn the_boot_cpu_is_number_0_wherever_it_is_listed() {
    let (topology, complaints) = Tables::of("four-2+2").read_as(2, percpu_core::ApicMode::XApic);
    assert_eq!(complaints, []);
    let expected = "cpus 2/1 0/0 1/0 3/1\n\
                    memory 0x0+0xa0000/0 0x100000+0x7f00000/0 0x8000000+0x8000000/1\n\
                    distances 10,20 20,10";
    assert_eq!(common::describe(&topology), expected);
}

#[test]
fn the_local_apic_is_where_the_pc_has_it() {
    for machine in ["one", "four-2+2", "sparse-2x3x2"] {
        let bytes = Tables::of(machine).madt.expect("a MADT");
        let madt = Madt::new(&bytes).expect("a sound MADT");
        assert_eq!(madt.local_apic_address(), Ok(0xfee0_0000));
        assert_eq!(madt.processors().count(), madt.processors().flatten().count());
    }
}

#[test]
fn a_second_read_forgets_the_first() {
    let (mut topology, _) = Tables::of("memory-only-node").read();
    let tables = Tables::of("two-of-six");
    let firmware = percpu_core::FirmwareTables {
        madt: tables.madt.as_deref(),
        ..Default::default()
    };
    topology.read(
        percpu_core::ApicId::new(0),
        percpu_core::ApicMode::XApic,
        &firmware,
        |complaint| panic!("{complaint}"),
    );
    assert_eq!(common::describe(&topology), tables.described());
}
