//! What follows from what was said about a machine, and which contradictions are refused.

use super::*;
use crate::status::Status;

/// A shape from pairs of option and value.
fn shape(options: &[(&str, &str)]) -> Shape {
    let mut shape = Shape::default();
    for (option, value) in options {
        let text = || Some(value.to_string());
        match *option {
            "cpus" => shape.cpus = value.parse().ok(),
            "maxcpus" => shape.maxcpus = value.parse().ok(),
            "nodes" => shape.nodes = text(),
            "memory" => shape.memory = text(),
            "topology" => shape.topology = text(),
            "distances" => shape.distances = text(),
            _ => panic!("no option {option}"),
        }
    }
    shape
}

fn made(options: &[(&str, &str)]) -> Machine {
    shape(options).machine().unwrap()
}

#[test]
fn nothing_said_is_the_default_machine() {
    assert_eq!(made(&[]), Machine::default());
}

#[test]
fn nodes_follow_from_the_number_of_cpus() {
    assert_eq!(made(&[("cpus", "4")]).nodes, [2, 2]);
    assert_eq!(made(&[("cpus", "1")]).nodes, [1]);
    assert_eq!(made(&[("cpus", "6")]).nodes, [6]);
    assert_eq!(made(&[("nodes", "1+2+3")]).nodes, [1, 2, 3]);
    assert_eq!(made(&[("nodes", "2+0")]).nodes, [2, 0]);
    assert_eq!(made(&[("topology", "2x3x2")]).nodes, [12]);
    assert_eq!(made(&[("topology", "2x2x1")]).nodes, [2, 2]);
    assert_eq!(made(&[("cpus", "255")]).nodes, [255]);
    let ids = made(&[("topology", "64x3x1")]).apic_ids();
    assert_eq!(ids.last(), Some(&254), "the last id that there is");
}

#[test]
fn absent_cpus_are_what_the_present_ones_leave() {
    let machine = made(&[("maxcpus", "6")]);
    assert_eq!((machine.cpus(), machine.absent), (4, 2));
    let machine = made(&[("cpus", "2"), ("maxcpus", "2")]);
    assert_eq!((machine.cpus(), machine.absent), (2, 0));
    let machine = made(&[("nodes", "5+5"), ("maxcpus", "12"), ("topology", "2x3x2")]);
    assert_eq!((machine.cpus(), machine.absent), (10, 2));
    assert_eq!(machine.apic_ids().last(), Some(&13));
}

#[test]
fn memory_follows_from_nodes_that_all_say_theirs() {
    assert_eq!(made(&[("nodes", "2:128M+2:0")]).memory, 128 << 20);
    assert_eq!(made(&[("nodes", "2:128M+2")]).memory, 512 << 20);
    assert_eq!(
        made(&[("nodes", "2:1G+2:64"), ("memory", "1088M")]).memory,
        1088 << 20
    );
    for (text, bytes) in [("512M", 512 << 20), ("2G", 2 << 30), ("64", 64 << 20)] {
        assert_eq!(made(&[("memory", text)]).memory, bytes);
    }
}

#[test]
fn distances_are_rows_of_numbers() {
    let distances = |text| made(&[("distances", text)]).distances;
    assert_eq!(distances("10,20/30,10"), [[10, 20], [30, 10]]);
    assert_eq!(distances("10,10/255,10"), [[10, 10], [255, 10]]);
    assert_eq!(made(&[("cpus", "1"), ("distances", "10")]).distances, [[10]]);
}

/// What cannot be, and what means nothing.
const REFUSED: &[&[(&str, &str)]] = &[
    &[("cpus", "0")],
    &[("cpus", "256")],
    &[("cpus", "4"), ("nodes", "3+5")],
    &[("cpus", "9"), ("nodes", "3+5")],
    &[("nodes", "0+0")],
    &[("nodes", "200+200")],
    &[("cpus", "1"), ("nodes", "4294967295+2")],
    &[("nodes", "")],
    &[("nodes", "2+")],
    &[("nodes", "2+x")],
    &[("nodes", "-1")],
    &[("nodes", "++2")],
    &[("nodes", "2:")],
    &[("nodes", "2:1K+2")],
    &[("nodes", "2:1:1")],
    &[("nodes", "2:0")],
    &[("nodes", "2:3M+2")],
    &[("nodes", "2:3M+2:5M")],
    &[("nodes", "2:128M+2:128M"), ("memory", "512M")],
    &[("nodes", "2:128M+2"), ("memory", "64M")],
    &[("memory", "2M")],
    &[("memory", "511M")],
    &[("memory", "")],
    &[("memory", "0")],
    &[("memory", "M")],
    &[("memory", "12K")],
    &[("memory", "1.5G")],
    &[("memory", "99999999999999999999G")],
    &[("maxcpus", "3")],
    &[("maxcpus", "0")],
    &[("maxcpus", "256")],
    &[("topology", "2x3")],
    &[("topology", "2x3x2x1")],
    &[("topology", "0x3x2")],
    &[("topology", "2x-3x2")],
    &[("topology", "65536x65536x65536")],
    &[("topology", "2x3x2"), ("cpus", "10")],
    &[("topology", "2x3x2"), ("nodes", "5+5")],
    &[("topology", "2x3x2"), ("cpus", "12"), ("maxcpus", "13")],
    &[("topology", "65x3x1")],
    &[("distances", "")],
    &[("distances", "10,20")],
    &[("distances", "10,20/20")],
    &[("distances", "10,20,30/20,10,30")],
    &[("distances", "10,20/20,10/20,20")],
    &[("distances", "10,20/20,11")],
    &[("distances", "10,9/20,10")],
    &[("distances", "10,256/20,10")],
    &[("distances", "10,+20/20,10")],
];

#[test]
fn contradictions_and_nonsense_are_refused() {
    for options in REFUSED {
        let failure = shape(options).machine().expect_err(&format!("{options:?}"));
        assert_eq!(failure.status, Status::Usage, "{options:?}");
    }
    let many = vec!["0"; 64].join("+");
    let nodes = format!("1+{many}");
    let failure = shape(&[("nodes", &nodes), ("memory", "2G")])
        .machine()
        .unwrap_err();
    assert!(failure.message.contains("at most 64"), "{failure}");
}
