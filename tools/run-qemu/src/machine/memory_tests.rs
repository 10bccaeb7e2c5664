//! Who gets which memory, and where it lies.

use std::ops::Range;

use super::*;

#[test]
fn memory_is_dealt_in_steps_of_two_mebibytes() {
    let shares = |mebibytes: u64, nodes: Vec<u32>| {
        let machine = Machine {
            memory: mebibytes << 20,
            nodes,
            ..Machine::default()
        };
        machine
            .memory_of_nodes()
            .map(|shares| shares.iter().map(|share| share >> 20).collect::<Vec<_>>())
    };
    assert_eq!(shares(512, vec![2, 2]).unwrap(), [256, 256]);
    assert_eq!(shares(512, vec![1, 1, 1]).unwrap(), [170, 170, 172]);
    assert_eq!(shares(4, vec![1, 1]).unwrap(), [2, 2]);
    assert!(shares(2, vec![1, 1]).is_err());
    assert!(shares(511, vec![1]).is_err());
}

#[test]
fn memory_that_was_said_is_taken_before_the_rest_is_dealt() {
    let memory = |mebibytes: u64, nodes: &[Option<u64>]| {
        let machine = Machine {
            memory: mebibytes << 20,
            nodes: vec![1, 1, 1],
            node_memory: nodes.iter().map(|said| said.map(|said| said << 20)).collect(),
            ..Machine::default()
        };
        let shares = machine.memory_of_nodes();
        shares.map(|shares| shares.iter().map(|share| share >> 20).collect::<Vec<_>>())
    };
    assert_eq!(memory(512, &[Some(12)]).unwrap(), [12, 250, 250]);
    assert_eq!(memory(512, &[None, Some(0)]).unwrap(), [256, 0, 256]);
    assert_eq!(memory(512, &[None, None, Some(6)]).unwrap(), [252, 254, 6]);
    assert_eq!(memory(6, &[Some(4), Some(0), Some(2)]).unwrap(), [4, 0, 2]);
    assert!(
        memory(8, &[Some(4), Some(0), Some(2)]).is_err(),
        "2 MiB are nobody's"
    );
    assert!(memory(4, &[Some(4), Some(0), Some(2)]).is_err(), "2 MiB too many");
    assert!(memory(4, &[Some(4), Some(0)]).is_err(), "nothing left for node 2");
    assert!(memory(512, &[Some(3)]).is_err(), "no whole step");
    assert!(
        memory(0, &[Some(0), Some(0), Some(0)]).is_err(),
        "no memory at all"
    );
}

/// Ranges of each node, from mebibytes.
fn ranges(nodes: &[&[(u64, u64)]]) -> Vec<Vec<Range<u64>>> {
    let bytes = |(start, end): &(u64, u64)| start << 20..end << 20;
    nodes
        .iter()
        .map(|node| node.iter().map(bytes).collect())
        .collect()
}

#[test]
fn memory_above_the_hole_goes_on_at_four_gibibytes() {
    let machine = |gibibytes: u64, node_memory: &[Option<u64>]| Machine {
        memory: gibibytes << 30,
        node_memory: node_memory.to_vec(),
        ..Machine::default()
    };
    let lies =
        |gibibytes, node_memory: &[Option<u64>]| machine(gibibytes, node_memory).physical_ranges().unwrap();
    assert_eq!(lies(1, &[]), ranges(&[&[(0, 512)], &[(512, 1024)]]));
    assert_eq!(lies(4, &[]), ranges(&[&[(0, 2048)], &[(4096, 6144)]]));
    assert_eq!(
        lies(6, &[]),
        ranges(&[&[(0, 2048), (4096, 5120)], &[(5120, 8192)]]),
        "a node that straddles the hole has two ranges"
    );
    assert_eq!(lies(1, &[None, Some(0)]), ranges(&[&[(0, 1024)], &[]]));
    assert_eq!(lies(4, &[Some(0)]), ranges(&[&[], &[(0, 2048), (4096, 6144)]]));
}
