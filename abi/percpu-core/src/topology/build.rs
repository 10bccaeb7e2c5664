//! Filling a topology with plain entries, one at a time, in place.
//!
//! The order is fixed and each step relies on the one before: [`start`](Topology::start) with the boot
//! CPU, then CPUs, then affinities (a CPU that nobody knows makes no node), then
//! [`finish`](Topology::finish), then distances (`distances.rs`; they need node numbers). What does not fit or does not
//! make sense is left out and reported by its [`Complaint`]; the rest stays usable at every step.
//!
//! Sources: T1, T8.

use super::{Complaint, Cpu, MAX_MEMORY_RANGES, MemoryRange, Topology};
use crate::{ApicId, MAX_CPUS, MAX_NODES, NodeId, ProximityDomain};

impl Topology {
    /// A topology of nothing, for a static. Call [`start`](Self::start) before anything else.
    pub const fn empty() -> Self {
        const NO_DOMAIN: ProximityDomain = ProximityDomain::new(0);
        const NO_CPU: Cpu = Cpu {
            apic_id: ApicId::new(0),
            domain: None,
            node: NodeId::FIRST,
            present: false,
        };
        const NO_MEMORY: MemoryRange = MemoryRange {
            base: 0,
            length: 0,
            node: NodeId::FIRST,
            hotplug: false,
            domain: NO_DOMAIN,
        };
        Self {
            cpus: [NO_CPU; MAX_CPUS],
            cpu_count: 0,
            domains: [NO_DOMAIN; MAX_NODES],
            node_count: 0,
            memory: [NO_MEMORY; MAX_MEMORY_RANGES],
            memory_count: 0,
            distances: [[0; MAX_NODES]; MAX_NODES],
        }
    }

    /// Forgets everything and makes the CPU that runs now CPU 0, present, whatever the tables will say.
    pub fn start(&mut self, boot: ApicId) {
        self.cpu_count = 0;
        self.node_count = 0;
        self.memory_count = 0;
        self.distances = [[0; MAX_NODES]; MAX_NODES];
        if let Some(first) = self.cpus.first_mut() {
            *first = Cpu {
                apic_id: boot,
                domain: None,
                node: NodeId::FIRST,
                present: true,
            };
            self.cpu_count = 1;
        }
    }

    /// Adds a possible CPU. One that is known already stays one CPU, present if either entry says so.
    ///
    /// # Errors
    ///
    /// [`Complaint::TooManyCpus`]: all [`MAX_CPUS`] numbers are taken.
    pub fn add_cpu(&mut self, apic_id: ApicId, present: bool) -> Result<(), Complaint> {
        if let Some(known) = self.cpu_mut(apic_id) {
            known.present |= present;
            return Ok(());
        }
        let free = self
            .cpus
            .get_mut(self.cpu_count)
            .ok_or(Complaint::TooManyCpus { apic_id })?;
        *free = Cpu {
            apic_id,
            domain: None,
            node: NodeId::FIRST,
            present,
        };
        self.cpu_count += 1;
        Ok(())
    }

    /// Says which domain a CPU belongs to. A CPU that is not possible is ignored: its domain, if nobody
    /// else is in it, becomes no node.
    ///
    /// # Errors
    ///
    /// [`Complaint::TooManyNodes`]; [`Complaint::CpuInTwoDomains`]: the first statement stays.
    pub fn add_cpu_affinity(&mut self, apic_id: ApicId, domain: ProximityDomain) -> Result<(), Complaint> {
        let Some(known) = self.cpu_mut(apic_id) else {
            return Ok(());
        };
        match known.domain {
            Some(first) if first == domain => return Ok(()),
            Some(first) => {
                return Err(Complaint::CpuInTwoDomains {
                    apic_id,
                    kept: first,
                    dropped: domain,
                });
            }
            None => {}
        }
        self.add_domain(domain)?;
        if let Some(known) = self.cpu_mut(apic_id) {
            known.domain = Some(domain);
        }
        Ok(())
    }

    /// Says which domain a range of physical memory belongs to. An empty range is ignored.
    ///
    /// # Errors
    ///
    /// [`Complaint::TooManyNodes`], [`Complaint::TooManyRanges`], [`Complaint::RangePastEnd`],
    /// [`Complaint::RangesOverlap`]: the range is left out.
    pub fn add_memory(
        &mut self,
        base: u64,
        length: u64,
        domain: ProximityDomain,
        hotplug: bool,
    ) -> Result<(), Complaint> {
        if length == 0 {
            return Ok(());
        }
        let end = base
            .checked_add(length)
            .ok_or(Complaint::RangePastEnd { base, length })?;
        let ranges = self.memory_ranges();
        let at = ranges.partition_point(|range| range.base < base);
        let meets = |range: Option<&MemoryRange>| range.is_some_and(|r| r.base < end && base < r.end());
        if meets(ranges.get(at)) || meets(at.checked_sub(1).and_then(|before| ranges.get(before))) {
            return Err(Complaint::RangesOverlap { base, length });
        }
        if self.memory_count == MAX_MEMORY_RANGES {
            return Err(Complaint::TooManyRanges { base, length });
        }
        self.add_domain(domain)?;
        let range = MemoryRange {
            base,
            length,
            node: NodeId::FIRST,
            hotplug,
            domain,
        };
        insert(&mut self.memory, &mut self.memory_count, at, range);
        Ok(())
    }

    /// Numbers the nodes and gives every CPU one: CPUs without a domain share the nodes with memory in
    /// turn, or all nodes if none has memory (T8).
    pub fn finish(&mut self) {
        let domains = self.domains;
        let used = self.node_count;
        let node_of = |domain| node_of_domain(&domains, used, domain);
        for range in self.memory.iter_mut().take(self.memory_count) {
            range.node = node_of(range.domain);
        }
        let mut homes = [NodeId::FIRST; MAX_NODES];
        let home_count = self.list_homes(&mut homes);
        let mut turns = homes.iter().take(home_count).cycle();
        for cpu in self.cpus.iter_mut().take(self.cpu_count) {
            cpu.node = match cpu.domain {
                Some(domain) => node_of(domain),
                None => turns.next().copied().unwrap_or(NodeId::FIRST),
            };
        }
    }

    /// Lists the nodes that take CPUs without a domain and says how many they are: those with memory,
    /// or all if none has any.
    fn list_homes(&self, homes: &mut [NodeId; MAX_NODES]) -> usize {
        let none_has_memory = !self.nodes().any(|node| self.has_memory(node));
        let willing = self
            .nodes()
            .filter(|node| none_has_memory || self.has_memory(*node));
        homes
            .iter_mut()
            .zip(willing)
            .map(|(home, node)| *home = node)
            .count()
    }

    fn add_domain(&mut self, domain: ProximityDomain) -> Result<(), Complaint> {
        let Err(at) = self.known_domains().binary_search(&domain) else {
            return Ok(());
        };
        if self.node_count == MAX_NODES {
            return Err(Complaint::TooManyNodes { domain });
        }
        insert(&mut self.domains, &mut self.node_count, at, domain);
        Ok(())
    }

    fn cpu_mut(&mut self, apic_id: ApicId) -> Option<&mut Cpu> {
        self.cpus
            .get_mut(..self.cpu_count)?
            .iter_mut()
            .find(|cpu| cpu.apic_id == apic_id)
    }
}

/// The rank of a domain among those in use.
fn node_of_domain(domains: &[ProximityDomain], used: usize, domain: ProximityDomain) -> NodeId {
    let rank = domains
        .get(..used)
        .and_then(|domains| domains.binary_search(&domain).ok());
    NodeId::new(rank.unwrap_or(0) as u16)
}

/// Puts an item at an index of the used part of an array and moves the rest up. The caller has checked
/// that there is room.
fn insert<T: Copy>(array: &mut [T], count: &mut usize, at: usize, item: T) {
    let Some(used) = array.get_mut(at..=*count) else {
        return;
    };
    used.rotate_right(1);
    if let Some(first) = used.first_mut() {
        *first = item;
    }
    *count += 1;
}
