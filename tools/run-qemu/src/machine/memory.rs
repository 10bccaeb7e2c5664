//! The memory of a machine: how much each node has, and where in the physical address space.

use std::ops::Range;

use super::Machine;
use crate::status::{Failure, Result};

/// Memory is dealt to nodes in pieces of this size, so that no large page straddles two nodes.
pub const MEMORY_STEP: u64 = 2 << 20;

/// From this much RAM on, a q35 machine keeps only 2 GiB of it below 4 GiB.
const Q35_SPLIT_FROM: u64 = 0xb000_0000;
const Q35_LOW_WHEN_SPLIT: u64 = 0x8000_0000;
const FOUR_GIB: u64 = 1 << 32;

impl Machine {
    /// Bytes of each node: what was said, and equal shares in steps of 2 MiB of what is left. The last node
    /// with a share also takes the remainder.
    pub fn memory_of_nodes(&self) -> Result<Vec<u64>> {
        if self.memory == 0 {
            return Err(Failure::usage("a machine needs memory on at least one node"));
        }
        let mut nodes = self.node_memory.clone();
        nodes.resize(self.nodes.len(), None);
        let said = nodes
            .iter()
            .flatten()
            .fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
        let unsaid = nodes.iter().filter(|bytes| bytes.is_none()).count() as u64;
        let left = self
            .memory
            .checked_sub(said)
            .filter(|left| unsaid > 0 || *left == 0);
        let left = left.ok_or_else(|| self.disagreement(said))?;
        let share = left.checked_div(unsaid).unwrap_or(0) / MEMORY_STEP * MEMORY_STEP;
        let broken = nodes
            .iter()
            .position(|bytes| bytes.is_some_and(|bytes| !bytes.is_multiple_of(MEMORY_STEP)));
        if let Some(node) = broken {
            return Err(Failure::usage(format!(
                "node {node} has memory that is no multiple of 2 MiB: write whole steps, like 2:128M"
            )));
        }
        if !left.is_multiple_of(MEMORY_STEP) || unsaid > 0 && share == 0 {
            return Err(Self::indivisible(left, unsaid));
        }
        let last = nodes.iter().rposition(Option::is_none);
        let remainder = left - share * unsaid;
        let shares = nodes.iter().enumerate().map(|(node, said)| match said {
            Some(bytes) => *bytes,
            None if Some(node) == last => share + remainder,
            None => share,
        });
        Ok(shares.collect())
    }

    fn disagreement(&self, said: u64) -> Failure {
        Failure::usage(format!(
            "--nodes deals {} KiB of memory, the machine has {} KiB (--memory, or its default): make them agree",
            said >> 10,
            self.memory >> 10
        ))
    }

    fn indivisible(left: u64, nodes: u64) -> Failure {
        Failure::usage(format!(
            "{} KiB of memory cannot be dealt to {nodes} node(s) in steps of 2 MiB: \
             give --memory and the nodes multiples of 2M, and at least 2M to each node that is not given 0",
            left >> 10
        ))
    }

    /// Where each node's memory lies in the guest's physical address space, as q35 lays it out. A node
    /// without memory has no ranges.
    pub fn physical_ranges(&self) -> Result<Vec<Vec<Range<u64>>>> {
        let low_end = if self.memory >= Q35_SPLIT_FROM {
            Q35_LOW_WHEN_SPLIT
        } else {
            self.memory
        };
        let mut start = 0;
        let mut ranges = Vec::new();
        for bytes in self.memory_of_nodes()? {
            let end = start + bytes;
            let above = |at: u64| at.max(low_end) - low_end + FOUR_GIB;
            let parts = [start.min(low_end)..end.min(low_end), above(start)..above(end)];
            ranges.push(parts.into_iter().filter(|part| !part.is_empty()).collect());
            start = end;
        }
        Ok(ranges)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
