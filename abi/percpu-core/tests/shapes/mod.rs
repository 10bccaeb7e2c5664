//! Shapes that several tests begin with.

use percpu_core::{AllocInfo, CpuId, LOCAL_DISTANCE, REMOTE_DISTANCE, Sizes};

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
/// Linux's usual sizes.
pub const USUAL: Sizes = Sizes {
    static_size: 180_224,
    reserved_size: 8_192,
    dyn_size: 28_672,
    atom_size: 2 * MIB,
};

/// CPUs numbered through, so many on each node.
pub fn on_nodes(sizes: &Sizes, per_node: &[usize]) -> AllocInfo {
    let nodes: Vec<usize> = per_node
        .iter()
        .enumerate()
        .flat_map(|(node, cpus)| std::iter::repeat_n(node, *cpus))
        .collect();
    let distance = |a: CpuId, b: CpuId| {
        if nodes[a.index()] == nodes[b.index()] {
            LOCAL_DISTANCE
        } else {
            REMOTE_DISTANCE
        }
    };
    AllocInfo::build(sizes, (0..nodes.len() as u16).map(CpuId::new), distance).expect("a shape")
}
