//! `Topology`: which CPUs and nodes there are, under dense numbers, and who is near whom.
//!
//! The only place that turns hardware numbers into ours. Filled in place (about 12 KiB: let it live in a
//! static, not on a boot stack), from firmware tables or from plain entries, and only read afterwards.
//! It must not know how tables are found, nor start CPUs.
//!
//! - CPU 0 is the one that runs now; the others follow in table order. A CPU listed twice (local APIC
//!   and x2APIC entry) is one CPU.
//! - *Possible* CPUs are all that get a number; *present* are those that can be started now.
//! - Nodes are the proximity domains that a possible CPU or memory belongs to, ascending.
//!
//! Sources: T1, T2, T8; ACPI 6.5 sections 5.2.12, 5.2.16, 5.2.17.

use crate::{ApicId, CpuId, LOCAL_DISTANCE, MAX_CPUS, MAX_NODES, NodeId, ProximityDomain, REMOTE_DISTANCE};

mod apic_mode;
mod build;
mod complaint;
mod distances;
mod find;
mod near;
mod tables;

pub use apic_mode::ApicMode;
pub use complaint::Complaint;
pub use tables::FirmwareTables;

/// The most ranges of memory that a [`Topology`] remembers.
pub const MAX_MEMORY_RANGES: usize = 128;

/// CPUs, nodes, memory by node and distances of one machine.
#[derive(Clone, Debug)]
pub struct Topology {
    cpus: [Cpu; MAX_CPUS],
    cpu_count: usize,
    /// Ascending.
    domains: [ProximityDomain; MAX_NODES],
    node_count: usize,
    /// Ascending by base, without overlap.
    memory: [MemoryRange; MAX_MEMORY_RANGES],
    memory_count: usize,
    /// Row `from`, column `to`; 0 where nothing was said.
    distances: [[u8; MAX_NODES]; MAX_NODES],
}

#[derive(Clone, Copy, Debug)]
struct Cpu {
    apic_id: ApicId,
    domain: Option<ProximityDomain>,
    node: NodeId,
    present: bool,
}

/// A range of physical memory and the node it is near to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Physical address of the first byte.
    pub base: u64,
    /// Bytes, at least 1. `base + length` does not overflow.
    pub length: u64,
    /// The node it belongs to.
    pub node: NodeId,
    /// Room for memory that may be plugged in later; none needs to be there now.
    pub hotplug: bool,
    domain: ProximityDomain,
}

impl MemoryRange {
    /// Physical address behind the last byte.
    pub fn end(&self) -> u64 {
        self.base + self.length
    }

    /// Whether the range holds this physical address.
    pub fn contains(&self, address: u64) -> bool {
        address
            .checked_sub(self.base)
            .is_some_and(|offset| offset < self.length)
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::empty()
    }
}

impl Topology {
    /// Number of possible CPUs.
    pub fn cpu_count(&self) -> usize {
        self.cpu_count
    }

    /// The possible CPUs, ascending.
    pub fn cpus(&self) -> impl ExactSizeIterator<Item = CpuId> + Clone + use<> {
        (0..self.cpu_count as u16).map(CpuId::new)
    }

    /// The CPUs that can be started now, ascending. The boot CPU is always one of them.
    pub fn present_cpus(&self) -> impl Iterator<Item = CpuId> + Clone + '_ {
        self.cpus().filter(|cpu| self.is_present(*cpu))
    }

    /// Whether the CPU can be started now; a possible CPU that is not may still be plugged in.
    pub fn is_present(&self, cpu: CpuId) -> bool {
        self.known_cpus().get(cpu.index()).is_some_and(|cpu| cpu.present)
    }

    /// The hardware's number of a CPU; `None` if the CPU is not possible.
    pub fn apic_id(&self, cpu: CpuId) -> Option<ApicId> {
        self.known_cpus().get(cpu.index()).map(|cpu| cpu.apic_id)
    }

    /// Our number of the CPU with this APIC id; `None` if it is not possible.
    pub fn cpu_of(&self, apic_id: ApicId) -> Option<CpuId> {
        let index = self.known_cpus().iter().position(|cpu| cpu.apic_id == apic_id)?;
        Some(CpuId::new(index as u16))
    }

    /// The node that a CPU belongs to; `None` if the CPU is not possible. Every possible CPU has one:
    /// those that firmware gave none share the nodes with memory in turn (T8).
    pub fn node_of_cpu(&self, cpu: CpuId) -> Option<NodeId> {
        self.known_cpus().get(cpu.index()).map(|cpu| cpu.node)
    }

    /// Number of nodes; at least 1.
    pub fn node_count(&self) -> usize {
        self.node_count.max(1)
    }

    /// The nodes, ascending.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + Clone + use<> {
        (0..self.node_count() as u16).map(NodeId::new)
    }

    /// The possible CPUs of a node, ascending. May be empty.
    pub fn cpus_of_node(&self, node: NodeId) -> impl Iterator<Item = CpuId> + Clone + '_ {
        self.cpus()
            .filter(move |cpu| self.node_of_cpu(*cpu) == Some(node))
    }

    /// The firmware's number of a node; `None` on a machine whose firmware names no domains.
    pub fn domain_of_node(&self, node: NodeId) -> Option<ProximityDomain> {
        self.known_domains().get(node.index()).copied()
    }

    /// The ranges of memory that firmware gave to nodes, ascending by address, without overlap. Empty
    /// without an SRAT. They say what is *near*; what is usable RAM the boot loader's map says.
    pub fn memory_ranges(&self) -> &[MemoryRange] {
        self.memory.get(..self.memory_count).unwrap_or(&[])
    }

    /// Whether the node has memory now. If firmware gave no memory to any node, a node that is the only
    /// one has it all, and of several none is known to have any.
    pub fn has_memory(&self, node: NodeId) -> bool {
        match self.memory_ranges() {
            [] => self.node_count() == 1 && node == NodeId::FIRST,
            ranges => ranges.iter().any(|range| range.node == node && !range.hotplug),
        }
    }

    /// The node that a physical address is near to. With one node it is that one, always; with more,
    /// `None` for an address that no range holds.
    pub fn node_of_address(&self, address: u64) -> Option<NodeId> {
        if self.node_count() == 1 {
            return Some(NodeId::FIRST);
        }
        let ranges = self.memory_ranges();
        let behind = ranges.partition_point(|range| range.base <= address);
        let range = ranges.get(behind.checked_sub(1)?)?;
        range.contains(address).then_some(range.node)
    }

    /// Distance from one node to another: the SLIT's number, or 10 within a node and 20 otherwise (T2).
    pub fn distance(&self, from: NodeId, to: NodeId) -> u32 {
        let told = self
            .distances
            .get(from.index())
            .and_then(|row| row.get(to.index()));
        match told {
            Some(&told) if told != 0 => u32::from(told),
            _ if from == to => LOCAL_DISTANCE,
            _ => REMOTE_DISTANCE,
        }
    }

    /// Distance between two CPUs by node alone: 10 or 20. What Linux groups by on x86 (T2).
    pub fn cpu_distance(&self, from: CpuId, to: CpuId) -> u32 {
        match (self.node_of_cpu(from), self.node_of_cpu(to)) {
            (Some(from), Some(to)) if from == to => LOCAL_DISTANCE,
            _ => REMOTE_DISTANCE,
        }
    }

    /// Distance between two CPUs by the SLIT's numbers.
    pub fn cpu_distance_by_slit(&self, from: CpuId, to: CpuId) -> u32 {
        match (self.node_of_cpu(from), self.node_of_cpu(to)) {
            (Some(from), Some(to)) => self.distance(from, to),
            _ => REMOTE_DISTANCE,
        }
    }

    fn known_cpus(&self) -> &[Cpu] {
        self.cpus.get(..self.cpu_count).unwrap_or(&[])
    }

    fn known_domains(&self) -> &[ProximityDomain] {
        self.domains.get(..self.node_count).unwrap_or(&[])
    }
}

// A boot stack has no room for more, and a static should not need more either.
const _: () = assert!(size_of::<Topology>() < 16 << 10);
