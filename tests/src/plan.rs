//! What the first chunk must look like on a machine: `percpu-core`, run on the host.
//!
//! The topology is made from what the launcher asked QEMU for, not from what the guest read: so a kernel
//! that misreads a firmware table, or feeds the algorithm something else, is found out.

use percpu_core::{AllocInfo, ApicId, Group, LOCAL_DISTANCE, NodeId, ProximityDomain, Sizes, Slit, Topology};
use run_qemu::Machine;

use crate::asked::Asked;
use crate::first_chunk::FirstChunk;

const PAGE: u64 = 4096;
/// The memory requests of an embedded first chunk are as large as a large page.
const LARGE_PAGE: u64 = 2 << 20;
/// The hole for video memory and firmware, in node 0's range but in no memory map.
const HOLE: std::ops::Range<u64> = 0xa_0000..0x10_0000;

/// The machine as its firmware describes it, absent CPUs included.
pub fn topology(machine: &Machine) -> Result<Topology, String> {
    let wrong = |complaint| format!("the machine makes no topology: {complaint:?}");
    let mut topology = Topology::empty();
    topology.start(ApicId::new(0));
    let cpus = machine.node_of_cpus().into_iter().zip(machine.apic_ids());
    for ((node, apic), cpu) in cpus.zip(0..) {
        let present = cpu < machine.cpus();
        topology.add_cpu(ApicId::new(apic), present).map_err(wrong)?;
        topology
            .add_cpu_affinity(ApicId::new(apic), ProximityDomain::new(node))
            .map_err(wrong)?;
    }
    let ranges = machine.physical_ranges().map_err(|failure| failure.to_string())?;
    for (node, ranges) in (0..).zip(ranges) {
        for part in ranges
            .iter()
            .flat_map(|range| around_hole(range.start, range.end))
        {
            let domain = ProximityDomain::new(node);
            topology
                .add_memory(part.start, part.end - part.start, domain, false)
                .map_err(wrong)?;
        }
    }
    topology.finish();
    if !machine.distances.is_empty() {
        let table = slit(&machine.distances);
        let slit = Slit::new(&table).map_err(|error| format!("{error:?}"))?;
        topology.set_distances(&slit).map_err(wrong)?;
    }
    Ok(topology)
}

/// The table that firmware makes of these distances (ACPI 6.5 section 5.2.17).
fn slit(distances: &[Vec<u8>]) -> Vec<u8> {
    let mut table = vec![0; 36];
    table[..4].copy_from_slice(b"SLIT");
    table.extend((distances.len() as u64).to_le_bytes());
    table.extend(distances.iter().flatten());
    let length = (table.len() as u32).to_le_bytes();
    table[4..8].copy_from_slice(&length);
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    table[9] = sum.wrapping_neg();
    table
}

fn around_hole(start: u64, end: u64) -> [std::ops::Range<u64>; 2] {
    match start == 0 {
        true => [0..HOLE.start, HOLE.end..end],
        false => [start..end, end..end],
    }
}

/// The shape that `percpu-core` gives for this machine, by this builder.
pub fn shape(machine: &Machine, builder: &str, template: u64) -> Result<AllocInfo, String> {
    let topology = topology(machine)?;
    let asked = Asked::of(machine)?;
    let sizes = |atom_size, dyn_size| Sizes {
        static_size: template.max(asked.static_size),
        reserved_size: asked.reserved_size,
        dyn_size,
        atom_size,
    };
    let local = |_, _| LOCAL_DISTANCE;
    let by_node = |from, to| topology.cpu_distance(from, to);
    let by_slit = |from, to| topology.cpu_distance_by_slit(from, to);
    let cpus = topology.cpus();
    let info = match builder {
        "up" => AllocInfo::build_up(asked.dyn_size),
        "page" => AllocInfo::build(&sizes(PAGE, 0), cpus, local),
        _ if asked.is_generic => AllocInfo::build(&sizes(PAGE, asked.dyn_size), cpus, local),
        _ if asked.is_by_slit => AllocInfo::build(&sizes(LARGE_PAGE, asked.dyn_size), cpus, by_slit),
        _ => AllocInfo::build(&sizes(LARGE_PAGE, asked.dyn_size), cpus, by_node),
    };
    info.map_err(|error| error.to_string())
}

/// The same, placed where the kernel found memory for the groups.
pub fn plan(machine: &Machine, seen: &FirstChunk) -> Result<AllocInfo, String> {
    let template = seen.place.template_end - seen.place.template_start;
    let mut info = shape(machine, &seen.builder.name, template)?;
    let founder = |group: Group<'_>| {
        let founder = group.cpus().first()?.index();
        seen.cpus.get(founder).map(|cpu| cpu.unit_base)
    };
    let starts: Option<Vec<u64>> = info.groups().map(founder).collect();
    let starts = starts.ok_or("a group without a reported founder")?;
    info.place_groups(&starts).map_err(|error| error.to_string())?;
    Ok(info)
}

/// The node that memory for a node comes from: itself, or the nearest that has any.
pub fn serving_node(topology: &Topology, node: NodeId) -> Option<NodeId> {
    let key = |other: &NodeId| (*other != node, topology.distance(node, *other), *other);
    topology
        .nodes()
        .filter(|node| topology.has_memory(*node))
        .min_by_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percpu_core::CpuId;
    use run_qemu::Shape;

    #[test]
    fn nodes_become_groups() {
        let machine = Machine {
            nodes: vec![3, 5],
            ..Machine::default()
        };
        let info = shape(&machine, "embed", 8192).unwrap();
        let groups: Vec<usize> = info.groups().map(|group| group.cpus().len()).collect();
        assert_eq!(groups, [3, 5]);
        assert_eq!(info.group_of(CpuId::new(3)), Some(1));
        let topology = topology(&machine).unwrap();
        assert_eq!(topology.node_of_address(0xb_0000), None);
        assert_eq!(
            topology.node_of_address(300 << 20).map(|node| node.get()),
            Some(1)
        );
    }

    #[test]
    fn distances_make_groups_if_the_command_line_says_so() {
        let machine = |append: &str| Machine {
            nodes: vec![1, 1, 1],
            distances: vec![vec![10, 10, 10], vec![10, 10, 20], vec![20, 20, 10]],
            append: append.into(),
            ..Machine::default()
        };
        let groups = |append: &str| shape(&machine(append), "embed", 8192).unwrap().group_count();
        assert_eq!(groups(""), 3);
        assert_eq!(groups("percpu_distance=slit"), 2);
        assert_eq!(groups("percpu_setup=generic"), 1);
    }

    #[test]
    fn absent_cpus_and_sparse_apic_ids_are_part_of_the_topology() {
        let shape = Shape {
            nodes: Some("5+5:0".into()),
            maxcpus: Some(12),
            topology: Some("2x3x2".into()),
            ..Shape::default()
        };
        let topology = topology(&shape.machine().unwrap()).unwrap();
        assert_eq!(topology.cpus().len(), 12);
        assert_eq!(topology.cpu_of(ApicId::new(8)), Some(CpuId::new(6)));
        assert!(topology.is_present(CpuId::new(9)));
        assert!(!topology.is_present(CpuId::new(10)));
        assert_eq!(
            topology.node_of_cpu(CpuId::new(11)).map(|node| node.get()),
            Some(1)
        );
    }
}
