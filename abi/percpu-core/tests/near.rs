//! What frame allocators ask a topology.

use percpu_core::NodeId;

mod common;

use common::Tables;

/// The ranges, as `from-to/node`.
fn pieces(machine: &str, range: std::ops::Range<u64>) -> String {
    let (topology, _) = Tables::of(machine).read();
    let pieces = topology.split_by_node(range);
    let words = pieces.map(|(range, node)| format!("{:#x}-{:#x}/{node}", range.start, range.end));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn ranges_are_split_where_nodes_begin_and_end() {
    let split = |range| pieces("four-2+2", range);
    assert_eq!(split(0x1000..0x9000), "0x1000-0x9000/0");
    assert_eq!(
        split(0x7fff000..0x8001000),
        "0x7fff000-0x8000000/0 0x8000000-0x8001000/1"
    );
    // No node claims what lies between, nor what lies behind.
    assert_eq!(
        split(0x9f000..0x101000),
        "0x9f000-0xa0000/0 0xa0000-0x100000/0 0x100000-0x101000/0"
    );
    assert_eq!(
        split(0xffff000..0x10001000),
        "0xffff000-0x10000000/1 0x10000000-0x10001000/0"
    );
    assert_eq!(split(0x5000..0x5000), "");
}

#[test]
fn with_one_node_there_is_nothing_to_split() {
    assert_eq!(pieces("one", 0..u64::MAX), "0x0-0xffffffffffffffff/0");
}

#[test]
fn the_nearest_node_comes_first() {
    let order = |machine, from| {
        let (topology, _) = Tables::of(machine).read();
        let nodes = topology.nearest_first(NodeId::new(from));
        nodes.map(|node| node.get()).collect::<Vec<_>>()
    };
    // The rows of the distances are 10,21,17 and 31,10,42 and 28,55,10.
    assert_eq!(order("memory-only-node", 0), [0, 2, 1]);
    assert_eq!(order("memory-only-node", 1), [1, 0, 2]);
    // From node 3 they are 61,45,254,10, and to it 51,35,19.
    assert_eq!(order("ovmf/interleaved-4-nodes", 3), [3, 1, 0, 2]);
}
