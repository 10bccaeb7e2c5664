//! What the argument builder promises: the shape of the SRAT and the SLIT, the CPUs and their ids.

use super::*;

fn arguments(machine: &Machine) -> Vec<String> {
    let boot = BootFiles::Direct {
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

/// A machine of which only the nodes were said.
fn shaped(nodes: &str) -> Machine {
    let nodes = Some(nodes.to_string());
    let shape = Shape {
        nodes,
        ..Shape::default()
    };
    shape.machine().unwrap()
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
fn firmware_boots_from_a_disk_and_knows_no_command_line() {
    let boot = BootFiles::Uefi {
        ovmf: Ovmf {
            code: "C".into(),
            variables: "V".into(),
        },
        image: "I".into(),
    };
    let machine = Machine {
        append: "panic_test".into(),
        uefi: true,
        ..Machine::default()
    };
    let line = machine.arguments(&boot).unwrap();
    assert_eq!(
        values(&line, "-drive"),
        [
            "if=pflash,unit=0,readonly=on,format=raw,file=C",
            "if=pflash,unit=1,snapshot=on,format=raw,file=V",
            "if=none,id=disk,snapshot=on,format=raw,file=I"
        ]
    );
    assert_eq!(
        values(&line, "-device"),
        [
            "isa-debug-exit,iobase=0xf4,iosize=0x04",
            "qemu-xhci",
            "usb-storage,drive=disk"
        ]
    );
    for option in ["-kernel", "-initrd", "-append"] {
        assert!(values(&line, option).is_empty(), "{option}");
    }
}

#[test]
fn unequal_nodes_number_their_cpus_in_order() {
    let machine = shaped("3+5");
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
fn a_node_without_cpus_has_memory_only() {
    let machine = shaped("1+0");
    assert_eq!(
        values(&arguments(&machine), "-numa"),
        [
            "node,nodeid=0,cpus=0,memdev=memory0",
            "node,nodeid=1,memdev=memory1"
        ]
    );
    assert_eq!(machine.node_of_cpus(), [0]);
}

#[test]
fn a_node_without_memory_has_cpus_only() {
    let machine = shaped("2:0+2:128M");
    let line = arguments(&machine);
    assert_eq!(
        values(&line, "-numa"),
        ["node,nodeid=0,cpus=0-1", "node,nodeid=1,cpus=2-3,memdev=memory1"]
    );
    assert_eq!(
        values(&line, "-object"),
        ["memory-backend-ram,id=memory1,size=128M"]
    );
    assert_eq!(values(&line, "-m"), ["128M"]);
}

#[test]
fn interleaved_cpus_go_round_the_nodes() {
    let machine = Machine {
        interleave: true,
        ..shaped("1+0+3")
    };
    assert_eq!(machine.node_of_cpus(), [0, 2, 2, 2]);
    let machine = Machine {
        interleave: true,
        absent: 2,
        ..shaped("3+2")
    };
    assert_eq!(machine.node_of_cpus(), [0, 1, 0, 1, 0, 1, 1]);
    assert_eq!(
        values(&arguments(&machine), "-numa"),
        [
            "node,nodeid=0,cpus=0,cpus=2,cpus=4,memdev=memory0",
            "node,nodeid=1,cpus=1,cpus=3,cpus=5-6,memdev=memory1"
        ]
    );
}

#[test]
fn absent_cpus_belong_to_the_last_node_with_cpus() {
    let machine = Machine {
        absent: 3,
        ..shaped("1+1+0")
    };
    let line = arguments(&machine);
    assert_eq!(values(&line, "-smp"), ["2,maxcpus=5"]);
    assert_eq!(values(&line, "-numa")[1], "node,nodeid=1,cpus=1-4,memdev=memory1");
    assert_eq!(machine.node_of_cpus(), [0, 1, 1, 1, 1]);
    assert_eq!((machine.cpus(), machine.possible_cpus()), (2, 5));
}

#[test]
fn a_topology_leaves_gaps_in_the_apic_ids() {
    let topology = |sockets, cores, threads| CpuTopology {
        sockets,
        cores,
        threads,
    };
    let machine = Machine {
        topology: Some(topology(2, 3, 2)),
        ..shaped("6+6")
    };
    assert_eq!(
        values(&arguments(&machine), "-smp"),
        ["12,sockets=2,cores=3,threads=2"]
    );
    assert_eq!(machine.apic_ids(), [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]);
    assert_eq!(machine.node_of_apic_id(5), Some(0));
    assert_eq!(machine.node_of_apic_id(8), Some(1));
    assert_eq!(machine.node_of_apic_id(6), None);
    assert_eq!(topology(1, 1, 3).apic_id(2), 2);
    assert_eq!(topology(3, 1, 3).apic_id(8), 10);
    assert_eq!(Machine::default().apic_ids(), [0, 1, 2, 3]);
}

#[test]
fn every_distance_is_told_to_qemu() {
    let machine = Machine {
        distances: vec![vec![10, 20], vec![30, 10]],
        ..shaped("2+2")
    };
    assert_eq!(
        values(&arguments(&machine), "-numa")[2..],
        [
            "dist,src=0,dst=0,val=10",
            "dist,src=0,dst=1,val=20",
            "dist,src=1,dst=0,val=30",
            "dist,src=1,dst=1,val=10"
        ]
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
