//! The machines on which every promise about the first chunk is checked, each booted once.

use std::sync::OnceLock;

use libtest_mimic::Failed;
use run_qemu::{CpuTopology, Machine};

use crate::lab::with_append;
use crate::witness::{Witness, observe};

const MIB: u64 = 1 << 20;

/// One machine, and who must build its first chunk.
pub struct Case {
    /// In the names of trials.
    pub name: &'static str,
    /// What the launcher is asked for.
    pub machine: Machine,
    /// The builder's name.
    pub builder: &'static str,
    /// The reason that the kernel gives.
    pub why: &'static str,
    seen: OnceLock<Result<Witness, String>>,
}

const DEFAULT: &str = "nothing else was asked for";

impl Case {
    /// What was seen of it, by whoever asks first.
    pub fn witness(&self) -> Result<&Witness, Failed> {
        let look = || observe(&self.machine).map_err(|failed| failed.message().unwrap_or_default().into());
        self.seen.get_or_init(look).as_ref().map_err(Failed::from)
    }

    fn new(name: &'static str, machine: Machine) -> Case {
        Case {
            name,
            machine,
            builder: "embed",
            why: DEFAULT,
            seen: OnceLock::new(),
        }
    }

    fn built_by(self, builder: &'static str, why: &'static str) -> Case {
        Case { builder, why, ..self }
    }
}

/// The machine that others share.
pub fn case(name: &str) -> &'static Case {
    let found = all().iter().find(|case| case.name == name);
    found.expect("tests name machines of the list")
}

/// All of them.
pub fn all() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut cases = counts();
        cases.extend(nodes());
        cases.extend(set_ups());
        cases
    })
}

fn on(nodes: &[u32]) -> Machine {
    Machine {
        nodes: nodes.to_vec(),
        ..Machine::default()
    }
}

fn on_with(nodes: &[u32], append: &str) -> Machine {
    Machine {
        nodes: nodes.to_vec(),
        ..with_append(append)
    }
}

/// Numbers of CPUs.
fn counts() -> Vec<Case> {
    let threads = CpuTopology {
        sockets: 2,
        cores: 3,
        threads: 2,
    };
    vec![
        Case::new("one", on(&[1])).built_by("up", "one possible CPU"),
        Case::new("two", on(&[2])),
        Case::new("six_with_fillers", on(&[6])),
        Case::new(
            "2x3x2_with_sparse_ids",
            Machine {
                topology: Some(threads),
                ..on(&[6, 6])
            },
        ),
        Case::new(
            "two_of_six",
            Machine {
                absent: 4,
                ..on(&[1, 1])
            },
        ),
        Case::new("64", on(&[16, 16, 16, 16])),
        Case::new("255", on(&[255])),
    ]
}

/// Nodes and distances.
fn nodes() -> Vec<Case> {
    let distances = |rows: [[u8; 3]; 3]| rows.map(Vec::from).to_vec();
    let one_way = distances([[10, 10, 10], [10, 10, 20], [20, 20, 10]]);
    vec![
        Case::new("4_on_2+2", on(&[2, 2])),
        Case::new("8_on_3+5", on(&[3, 5])),
        Case::new("8_on_1+7", on(&[1, 7])),
        Case::new(
            "interleaved",
            Machine {
                interleave: true,
                ..on(&[4, 4])
            },
        ),
        Case::new("a_node_without_cpus", on(&[3, 0])),
        // Node 0's nearest node is not the next one.
        Case::new(
            "a_node_without_memory",
            Machine {
                node_memory: vec![Some(0)],
                distances: distances([[10, 30, 15], [21, 10, 40], [25, 35, 10]]),
                ..on(&[2, 1, 1])
            },
        ),
        // Nodes 0 and 1 are near each other both ways, 0 and 2 one way only.
        Case::new(
            "groups_by_slit",
            Machine {
                distances: one_way.clone(),
                ..on_with(&[2, 2, 2], "percpu_distance=slit")
            },
        ),
        Case::new(
            "asymmetric_distances",
            Machine {
                distances: one_way,
                ..on(&[2, 2, 2])
            },
        ),
    ]
}

/// Builders, set-ups, sizes.
fn set_ups() -> Vec<Case> {
    let low = |nodes: &[u32]| Machine {
        memory: 96 * MIB,
        ..on(nodes)
    };
    let refused = "embedding was refused (-22)";
    vec![
        Case::new("96_mb", low(&[2, 2])),
        Case::new("page", on_with(&[3, 5], "percpu_alloc=page")).built_by("page", "asked for"),
        Case::new(
            "page_without_memory_on_a_node",
            Machine {
                node_memory: vec![None, Some(0)],
                ..on_with(&[1, 2], "percpu_alloc=page")
            },
        )
        .built_by("page", "asked for"),
        // The smallest unit has a page more than is used.
        Case::new(
            "page_with_a_tail",
            with_append("percpu_alloc=page percpu_reserve=0"),
        )
        .built_by("page", "asked for"),
        Case::new("a_static_part_over_2_mb", with_append("percpu_static=3M")),
        Case::new("too_far_apart", with_append("percpu_span_limit=64M")).built_by("page", refused),
        // The first node has memory and no CPU: only here all units lie there.
        Case::new("generic", on_with(&[0, 3, 5], "percpu_setup=generic")),
        Case::new(
            "qemu64",
            Machine {
                cpu: "qemu64".into(),
                ..on(&[2, 2])
            },
        ),
        Case::new(
            "uefi",
            Machine {
                uefi: true,
                ..on(&[2, 2])
            },
        ),
    ]
}
