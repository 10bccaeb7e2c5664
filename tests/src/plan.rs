//! What the first chunk must look like on a machine: `percpu-core`, run on the host.
//!
//! The topology is made from what the launcher asked QEMU for, not from what the guest read: so a kernel
//! that misreads a firmware table, or feeds the algorithm something else, is found out.

use percpu_core::{AllocInfo, ApicId, ProximityDomain, Sizes, Topology};
use run_qemu::Machine;

use crate::first_chunk::SizeReport;

/// The memory requests of an embedded first chunk are as large as a large page.
const ATOM_SIZE: u64 = 2 << 20;
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
    Ok(topology)
}

fn around_hole(start: u64, end: u64) -> [std::ops::Range<u64>; 2] {
    match start == 0 {
        true => [0..HOLE.start, HOLE.end..end],
        false => [start..end, end..end],
    }
}

/// The shape that `percpu-core` gives for this machine and these sizes.
pub fn plan(machine: &Machine, sizes: &SizeReport) -> Result<AllocInfo, String> {
    let topology = topology(machine)?;
    let sizes = Sizes {
        static_size: sizes.static_size,
        reserved_size: sizes.reserved_size,
        dyn_size: sizes.dyn_size,
        atom_size: ATOM_SIZE,
    };
    let distance = |from, to| topology.cpu_distance(from, to);
    AllocInfo::build(&sizes, topology.cpus(), distance).map_err(|error| error.to_string())
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
        let sizes = SizeReport {
            static_size: 8192,
            reserved_size: 131072,
            dyn_size: 28672,
            unit_size: 0,
        };
        let info = plan(&machine, &sizes).unwrap();
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
