//! What the argument builder promises: the shape of the SRAT, the CPU count, and who gets which memory.

use super::*;

fn arguments(machine: &Machine) -> Vec<String> {
    let boot = BootFiles {
        kernel: "K".into(),
        module: "M".into(),
    };
    machine.arguments(&boot).unwrap()
}

/// The values of every `option` on the line, in order.
fn values<'a>(arguments: &'a [String], option: &str) -> Vec<&'a str> {
    let pairs = arguments.windows(2);
    pairs
        .filter(|pair| pair[0] == option)
        .map(|pair| pair[1].as_str())
        .collect()
}

#[test]
fn default_machine_is_four_cpus_on_two_nodes() {
    let line = arguments(&Machine::default());
    assert_eq!(values(&line, "-smp"), ["4"]);
    assert_eq!(values(&line, "-m"), ["512M"]);
    assert_eq!(values(&line, "-cpu"), ["max"]);
    assert_eq!(
        values(&line, "-numa"),
        [
            "node,nodeid=0,cpus=0-1,memdev=memory0",
            "node,nodeid=1,cpus=2-3,memdev=memory1"
        ]
    );
    assert_eq!(
        values(&line, "-object"),
        [
            "memory-backend-ram,id=memory0,size=256M",
            "memory-backend-ram,id=memory1,size=256M"
        ]
    );
    assert_eq!(values(&line, "-kernel"), ["K"]);
    assert_eq!(values(&line, "-initrd"), ["M"]);
    assert!(values(&line, "-append").is_empty());
    assert!(values(&line, "-icount").is_empty());
    assert!(line.contains(&"-no-reboot".to_string()));
}

#[test]
fn unequal_nodes_number_their_cpus_in_order() {
    let machine = Machine::shaped(Some(8), Some(parse_nodes("3+5").unwrap())).unwrap();
    let line = arguments(&machine);
    assert_eq!(values(&line, "-smp"), ["8"]);
    assert_eq!(
        values(&line, "-numa"),
        [
            "node,nodeid=0,cpus=0-2,memdev=memory0",
            "node,nodeid=1,cpus=3-7,memdev=memory1"
        ]
    );
    assert_eq!(machine.node_of_cpus(), [0, 0, 0, 1, 1, 1, 1, 1]);
}

#[test]
fn what_was_not_said_is_chosen() {
    let nodes = |cpus, nodes: Option<&str>| {
        let nodes = nodes.map(|text| parse_nodes(text).unwrap());
        Machine::shaped(cpus, nodes).unwrap().nodes
    };
    assert_eq!(nodes(None, None), [2, 2]);
    assert_eq!(nodes(Some(4), None), [2, 2]);
    assert_eq!(nodes(Some(1), None), [1]);
    assert_eq!(nodes(Some(6), None), [6]);
    assert_eq!(nodes(None, Some("1+2+3")), [1, 2, 3]);
    assert_eq!(nodes(None, Some("2+0")), [2, 0]);
}

#[test]
fn a_node_without_cpus_has_memory_only() {
    let line = arguments(&Machine::shaped(None, Some(vec![1, 0])).unwrap());
    assert_eq!(
        values(&line, "-numa"),
        [
            "node,nodeid=0,cpus=0,memdev=memory0",
            "node,nodeid=1,memdev=memory1"
        ]
    );
}

#[test]
fn impossible_machines_are_refused() {
    for (cpus, nodes) in [
        (Some(4), "3+5"),
        (Some(9), "3+5"),
        (None, "0+0"),
        (None, "200+200"),
        (Some(1), "4294967295+2"),
    ] {
        let refused = Machine::shaped(cpus, Some(parse_nodes(nodes).unwrap()));
        assert_eq!(refused.unwrap_err().status, crate::Status::Usage, "{nodes}");
    }
    assert!(Machine::shaped(Some(0), None).is_err());
    assert!(Machine::shaped(Some(256), None).is_err());
    assert!(Machine::shaped(Some(255), None).is_ok());
    for text in ["", "2+", "2+x", "-1"] {
        assert!(parse_nodes(text).is_err(), "{text}");
    }
    for text in ["", "0", "M", "12K", "1.5G", "99999999999999999999G"] {
        assert!(parse_memory(text).is_err(), "{text}");
    }
}

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
#[expect(
    clippy::single_range_in_vec_init,
    reason = "a node has a list of ranges, often of one"
)]
fn memory_above_the_hole_goes_on_at_four_gibibytes() {
    let ranges = |memory, nodes| {
        Machine {
            memory,
            nodes,
            ..Machine::default()
        }
        .physical_ranges()
        .unwrap()
    };
    assert_eq!(
        ranges(512 << 20, vec![2, 2]),
        [vec![0..256 << 20], vec![256 << 20..512 << 20]]
    );
    let gib = 1u64 << 30;
    assert_eq!(
        ranges(4 * gib, vec![2, 2]),
        [vec![0..2 * gib], vec![4 * gib..6 * gib]]
    );
    assert_eq!(
        ranges(6 * gib, vec![2, 2]),
        [vec![0..2 * gib, 4 * gib..5 * gib], vec![5 * gib..8 * gib]],
        "a node that straddles the hole has two ranges"
    );
}

#[test]
fn options_reach_qemu() {
    let machine = Machine {
        append: "panic_test quiet".into(),
        icount: true,
        gdb: true,
        cpu: "qemu64".into(),
        extra: vec!["-d".into(), "int".into()],
        ..Machine::default()
    };
    let line = arguments(&machine);
    assert_eq!(values(&line, "-append"), ["panic_test quiet"]);
    assert_eq!(values(&line, "-icount"), ["shift=0,sleep=off"]);
    assert_eq!(values(&line, "-cpu"), ["qemu64"]);
    assert!(line.ends_with(&["-d".into(), "int".into()]));
    assert!(line.contains(&"-s".into()) && line.contains(&"-S".into()));
}

#[test]
fn memory_is_read_with_its_unit() {
    assert_eq!(parse_memory("512M").unwrap(), 512 << 20);
    assert_eq!(parse_memory("2G").unwrap(), 2 << 30);
    assert_eq!(parse_memory("64").unwrap(), 64 << 20);
}
