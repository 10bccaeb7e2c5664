//! The programs that check promises from inside, on several machines: all their checks hold, and none is lost.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status, Transcript};

use crate::lab::{LONG_TIME_LIMIT, TIME_LIMIT, boot, check, check_ending};

/// Each probe, and a check that comes late in it: a probe that stops half-way is found out.
const PROBES: [(&str, &str); 5] = [
    ("probe-cells", "neighbours"),
    ("probe-ipc", "limit-of-others"),
    ("probe-regions", "holds-nothing"),
    ("probe-refusals", "statics-untouched"),
    ("probe-threads", "endpoint-drop"),
];

pub fn trials() -> Vec<Trial> {
    let machines = [
        ("4_on_2+2", Machine::default()),
        (
            "one_cpu",
            Machine {
                nodes: vec![1],
                ..Machine::default()
            },
        ),
        // So small that frames are used again, and remain only if all come back.
        (
            "64M",
            Machine {
                memory: 64 << 20,
                ..Machine::default()
            },
        ),
        (
            "qemu64",
            Machine {
                cpu: "qemu64".into(),
                ..Machine::default()
            },
        ),
    ];
    let trial = |(shape, machine): &(&str, Machine), (probe, last): (&'static str, &'static str)| {
        let machine = machine.clone();
        Trial::test(format!("probes::{probe}_on_{shape}"), move || {
            holds(&machine, probe, last)
        })
    };
    let each = machines
        .iter()
        .flat_map(|machine| PROBES.map(|probe| trial(machine, probe)));
    let chain = || holds(&Machine::default(), "probe-chain", "every-frame-is-back");
    let shaped = |nodes: &[u32]| Machine {
        nodes: nodes.to_vec(),
        ..Machine::default()
    };
    let (eight, one) = (shaped(&[4, 4]), shaped(&[1]));
    let capabilities = |machine: Machine| move || holds(&machine, "probe-capabilities", "holds-what-it-held");
    each.chain([
        Trial::test("probes::probe-capabilities_on_4+4", capabilities(eight)),
        Trial::test("probes::probe-capabilities_on_one_cpu", capabilities(one)),
        Trial::test("probes::a_hostile_program_harms_nobody", harmless),
        Trial::test("probes::all_at_once_beside_the_counter", all_at_once),
        Trial::test("probes::a_long_chain_of_processes_goes_at_once", chain),
    ])
    .collect()
}

/// They share CPUs, pools and the percpu server, and must not notice.
fn all_at_once() -> Result<(), Failed> {
    let programs: Vec<&str> = ["counter"]
        .into_iter()
        .chain(PROBES.map(|(probe, _)| probe))
        .collect();
    let run = boot(&Machine::default(), &programs, TIME_LIMIT)?;
    check_checks(&run)?;
    check_ending(Status::Ok, &run)
}

/// With a million random calls.
fn harmless() -> Result<(), Failed> {
    let run = boot(&Machine::default(), &["hostile:7"], LONG_TIME_LIMIT)?;
    check_checks(&run)?;
    for tried in [
        "hostile: seed 7, 1000000 random calls",
        "hostile: 256 interrupt vectors",
        "check frames-heap-and-objects-are-back ok",
    ] {
        check(run.find(tried).is_some(), format!("`{tried}` is said"), &run)?;
    }
    check_ending(Status::Ok, &run)
}

pub fn holds(machine: &Machine, probe: &str, last: &str) -> Result<(), Failed> {
    holds_within(TIME_LIMIT, machine, probe, last)
}

/// The same for what takes a minute or more.
pub fn holds_for_long(machine: &Machine, probe: &str, last: &str) -> Result<(), Failed> {
    holds_within(LONG_TIME_LIMIT, machine, probe, last)
}

fn holds_within(limit: Duration, machine: &Machine, probe: &str, last: &str) -> Result<(), Failed> {
    let run = boot(machine, &[probe], limit)?;
    check_checks(&run)?;
    let last = format!("check {last} ok");
    check(run.find(&last).is_some(), format!("`{last}` is among them"), &run)?;
    check_ending(Status::Ok, &run)
}

fn check_checks(run: &Transcript) -> Result<(), Failed> {
    let checks = run
        .lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.starts_with("check "));
    let failed: Vec<&str> = checks.filter(|line| !line.ends_with(" ok")).collect();
    check(
        failed.is_empty(),
        format!("all checks hold, but: {failed:#?}"),
        run,
    )
}
