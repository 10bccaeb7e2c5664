//! The CPUs of a machine: their numbers, their nodes, their APIC ids.

use std::ops::Range;

use super::Machine;

/// How CPUs are built into sockets. The ids of sockets, cores and threads are bit fields of the APIC id, so
/// that a number which is no power of two leaves gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTopology {
    /// Sockets of the machine.
    pub sockets: u32,
    /// Cores of a socket.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
}

impl CpuTopology {
    /// How many CPUs it has room for.
    pub fn cpus(&self) -> u32 {
        self.sockets
            .saturating_mul(self.cores)
            .saturating_mul(self.threads)
    }

    /// The APIC id of a CPU, as QEMU gives it.
    pub fn apic_id(&self, cpu: u32) -> u32 {
        let bits = |count: u32| count.next_power_of_two().trailing_zeros();
        let (thread, core) = (cpu % self.threads, cpu / self.threads % self.cores);
        let socket = cpu / self.threads / self.cores;
        (socket << (bits(self.cores) + bits(self.threads))) | (core << bits(self.threads)) | thread
    }
}

impl Machine {
    /// CPUs that are there.
    pub fn cpus(&self) -> u32 {
        self.nodes.iter().fold(0, |sum, cpus| sum.saturating_add(*cpus))
    }

    /// CPUs that are there, and behind them those that the machine has room for.
    pub fn possible_cpus(&self) -> u32 {
        self.cpus().saturating_add(self.absent)
    }

    /// The node of each possible CPU, by the launcher's CPU number.
    pub fn node_of_cpus(&self) -> Vec<u32> {
        let counts = self.nodes.iter().copied().zip(0u32..);
        let mut nodes = match self.interleave {
            true => self.dealt_in_turn(),
            false => counts
                .clone()
                .flat_map(|(cpus, node)| std::iter::repeat_n(node, cpus as usize))
                .collect(),
        };
        let last = counts.filter(|(cpus, _)| *cpus > 0).last();
        let last = last.map_or(0, |(_, node)| node);
        nodes.extend(std::iter::repeat_n(last, self.absent as usize));
        nodes
    }

    fn dealt_in_turn(&self) -> Vec<u32> {
        let rounds = 0..self.nodes.iter().copied().max().unwrap_or(0);
        rounds
            .flat_map(|round| {
                let counts = self.nodes.iter().zip(0u32..);
                counts
                    .filter(move |(cpus, _)| **cpus > round)
                    .map(|(_, node)| node)
            })
            .collect()
    }

    /// The APIC id of each possible CPU, by the launcher's CPU number.
    pub fn apic_ids(&self) -> Vec<u32> {
        let cpus = 0..self.possible_cpus();
        match &self.topology {
            Some(topology) => cpus.map(|cpu| topology.apic_id(cpu)).collect(),
            None => cpus.collect(),
        }
    }

    /// The node of the CPU with this APIC id.
    pub fn node_of_apic_id(&self, id: u32) -> Option<u32> {
        let cpu = self.apic_ids().iter().position(|apic| *apic == id)?;
        self.node_of_cpus().get(cpu).copied()
    }

    /// The CPU numbers of a node, as runs of neighbours.
    pub(super) fn cpu_runs(&self, node: usize) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for (of, cpu) in self.node_of_cpus().into_iter().zip(0..) {
            match runs.last_mut() {
                _ if of as usize != node => {}
                Some(run) if run.end == cpu => run.end += 1,
                _ => runs.push(cpu..cpu + 1),
            }
        }
        runs
    }
}
