//! What a frame allocator asks: whose memory is where, and who helps out a node that has none left.

use core::array;
use core::ops::Range;

use super::Topology;
use crate::{MAX_NODES, NodeId, PAGE_SIZE};

impl Topology {
    /// All nodes, `node` first, then by distance from it.
    pub fn nearest_first(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let mut nodes: [NodeId; MAX_NODES] = array::from_fn(|index| NodeId::new(index as u16));
        let known = nodes.get_mut(..self.node_count()).unwrap_or_default();
        known.sort_unstable_by_key(|other| (*other != node, self.distance(node, *other), *other));
        nodes.into_iter().take(self.node_count())
    }

    /// Splits a range of whole pages at the borders of nodes. A page that is on two nodes is the first one's, and what no
    /// node claims is node 0's.
    pub fn split_by_node(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, NodeId)> + '_ {
        let mut start = range.start;
        core::iter::from_fn(move || {
            if start >= range.end {
                return None;
            }
            let ranges = self.memory_ranges().iter();
            let borders = ranges.flat_map(|range| [range.base, range.end()]);
            let borders = borders.filter_map(|border| border.checked_next_multiple_of(PAGE_SIZE));
            let end = borders.filter(|border| *border > start).fold(range.end, u64::min);
            let node = self.node_of_address(start).unwrap_or(NodeId::FIRST);
            let piece = start..end;
            start = end;
            Some((piece, node))
        })
    }
}
