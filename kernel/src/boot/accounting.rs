//! Where the frames of each node are, right after the first chunk was built: to the page.
//!
//! Nobody else has taken frames yet but the kernel's page table and its heap, so everything can be found by
//! looking: units by the first chunk's own map, tables by walking, free frames by counting bits. That all of
//! it together is what there was at boot proves that spare units and tails came back, once.

use percpu_core::{MAX_NODES, NodeId, PAGE_SIZE, Topology};

use super::first_chunk;
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::{heap, kernel_map};
use crate::sync::Once;

/// Frames of one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    /// What the node had when the kernel took over.
    pub at_boot: u64,
    /// Free.
    pub free: u64,
    /// In units of the first chunk.
    pub units: u64,
    /// In the kernel's page table.
    pub tables: u64,
    /// In the kernel's heap.
    pub heap: u64,
}

static FRAMES: Once<[Frames; MAX_NODES]> = Once::new();

/// Counts all nodes' frames, and stops the boot if one is missing or counted twice.
pub fn balance(topology: &Topology) {
    let frames = FRAMES.call_once(|| count(topology));
    for node in topology.nodes() {
        let Frames {
            at_boot,
            free,
            units,
            tables,
            heap,
        } = frames[node.index()];
        assert!(
            at_boot == free + units + tables + heap,
            "frames: node {node}: {at_boot} at boot, but {free} free, {units} in units, {tables} in tables, {heap} in the heap"
        );
    }
}

/// What was counted of a node.
pub fn of(node: NodeId) -> Frames {
    FRAMES
        .get()
        .map_or(Frames::default(), |frames| frames[node.index()])
}

fn count(topology: &Topology) -> [Frames; MAX_NODES] {
    let mut frames = [Frames::default(); MAX_NODES];
    for node in topology.nodes() {
        frames[node.index()].at_boot = frame::count_at_boot(node);
        frames[node.index()].free = frame::count_free(node);
    }
    let mut add = |frame: PhysicalFrame, slot: fn(&mut Frames) -> &mut u64| {
        *slot(&mut frames[frame::node_of(frame).index()]) += 1;
    };
    first_chunk::frames().for_each(|frame| add(frame, |frames| &mut frames.units));
    kernel_map::each_table(&mut |frame| add(frame, |frames| &mut frames.tables));
    for piece in heap::pieces() {
        let frames = piece.step_by(PAGE_SIZE as usize);
        frames.for_each(|at| add(PhysicalFrame::from_address(at), |frames| &mut frames.heap));
    }
    frames
}
