//! From what was said about CPUs, nodes and memory to a machine: what follows, and what contradicts.

use super::notation::{self, Node};
use super::{CpuTopology, Machine};
use crate::status::{Failure, Result};

/// QEMU's software emulation refuses more: it has neither x2APIC nor a kernel irqchip.
pub const MOST_CPUS: u32 = 255;
/// The highest id of an APIC that is not in x2APIC mode; the one above is everybody.
const MOST_APIC_ID: u32 = 254;
/// The kernel's limit (`percpu_core::MAX_NODES`); QEMU's own is 128.
const MOST_NODES: usize = 64;

/// What was said about a machine, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// CPUs that are there.
    pub cpus: Option<u32>,
    /// CPUs that are there or could be.
    pub maxcpus: Option<u32>,
    /// `2:128M+2:0`.
    pub nodes: Option<String>,
    /// `512M`.
    pub memory: Option<String>,
    /// `2x3x2`.
    pub topology: Option<String>,
    /// `10,20/30,10`.
    pub distances: Option<String>,
    /// CPU numbers go round the nodes.
    pub interleave: bool,
}

impl Shape {
    /// The default machine with this shape.
    pub fn machine(&self) -> Result<Machine> {
        let default = Machine::default();
        let topology = self.topology.as_deref().map(notation::topology).transpose()?;
        let nodes = self.nodes.as_deref().map(notation::nodes).transpose()?;
        let nodes = self.whole_nodes(nodes, topology.as_ref(), &default)?;
        let distances = match self.distances.as_deref() {
            Some(text) => notation::distances(text, nodes.len())?,
            None => Vec::new(),
        };
        let (nodes, mut node_memory): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        // "Not said" is the end of the list, too, so that equal machines are equal values.
        while node_memory.last() == Some(&None) {
            node_memory.pop();
        }
        let machine = Machine {
            memory: self.whole_memory(&node_memory, nodes.len(), default.memory)?,
            nodes,
            node_memory,
            interleave: self.interleave,
            topology,
            distances,
            ..default
        };
        let machine = Machine {
            absent: self.absent(&machine)?,
            ..machine
        };
        check(&machine)?;
        Ok(machine)
    }

    /// Where nothing else is said, four CPUs are dealt to two nodes, and any other number is one node.
    fn whole_nodes(
        &self,
        nodes: Option<Vec<Node>>,
        topology: Option<&CpuTopology>,
        default: &Machine,
    ) -> Result<Vec<Node>> {
        let room = topology.filter(|_| self.maxcpus.is_none()).map(CpuTopology::cpus);
        let cpus = self.cpus.or(room);
        let dealt = |nodes: &[u32]| nodes.iter().map(|cpus| (*cpus, None)).collect();
        let Some(nodes) = nodes else {
            return Ok(match cpus {
                Some(cpus) if cpus != default.cpus() => dealt(&[cpus]),
                _ => dealt(&default.nodes),
            });
        };
        let sum = nodes
            .iter()
            .fold(0u32, |sum, (cpus, _)| sum.saturating_add(*cpus));
        match self.cpus {
            Some(cpus) if cpus != sum => Err(Failure::usage(format!(
                "--nodes adds up to {sum} CPUs, --cpus says {cpus}: drop one of the two or make them agree"
            ))),
            _ => Ok(nodes),
        }
    }

    /// Nodes that all say their memory make --memory superfluous.
    fn whole_memory(&self, said: &[Option<u64>], nodes: usize, default: u64) -> Result<u64> {
        let said: Vec<u64> = said.iter().copied().flatten().collect();
        match self.memory.as_deref() {
            Some(text) => notation::memory(text),
            None if said.len() == nodes => {
                Ok(said.iter().fold(0u64, |sum, bytes| sum.saturating_add(*bytes)))
            }
            None => Ok(default),
        }
    }

    fn absent(&self, machine: &Machine) -> Result<u32> {
        let cpus = machine.cpus();
        let possible = self.maxcpus.unwrap_or(cpus);
        possible.checked_sub(cpus).ok_or_else(|| {
            Failure::usage(format!(
                "--maxcpus {possible}: the machine already has {cpus} CPUs; give at least as many"
            ))
        })
    }
}

/// What no machine can be, whatever was said.
fn check(machine: &Machine) -> Result<()> {
    let possible = machine.possible_cpus();
    if machine.cpus() == 0 {
        let words = "a machine needs at least one CPU: raise --cpus or --nodes";
        return Err(Failure::usage(words));
    }
    if possible > MOST_CPUS {
        return Err(Failure::usage(format!(
            "{possible} CPUs asked for, but QEMU's software emulation has at most {MOST_CPUS}"
        )));
    }
    if machine.nodes.len() > MOST_NODES {
        return Err(Failure::usage(format!(
            "{} nodes asked for, but the kernel knows at most {MOST_NODES}",
            machine.nodes.len()
        )));
    }
    if let Some(topology) = &machine.topology {
        check_topology(topology, possible)?;
    }
    machine.memory_of_nodes().map(drop)
}

fn check_topology(topology: &CpuTopology, possible: u32) -> Result<()> {
    let room = topology.cpus();
    if room != possible {
        return Err(Failure::usage(format!(
            "--topology has room for {room} CPUs, the machine has {possible} (with --maxcpus): \
             make them agree"
        )));
    }
    let highest = topology.apic_id(possible - 1);
    if highest > MOST_APIC_ID {
        return Err(Failure::usage(format!(
            "--topology: the last CPU would have APIC id {highest}, but QEMU's software emulation ends at \
             {MOST_APIC_ID}: take numbers of cores and threads nearer below a power of two"
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
