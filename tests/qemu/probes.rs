//! The programs that check promises from inside, on several machines: all their checks hold, and none is lost.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};

use crate::lab::{TIME_LIMIT, boot, check, check_ending};

/// Each probe, and a check that comes late in it: a probe that stops half-way is found out.
const PROBES: [(&str, &str); 2] = [
    ("probe-threads", "endpoint-drop"),
    ("probe-refusals", "statics-untouched"),
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
    machines
        .iter()
        .flat_map(|machine| PROBES.map(|probe| trial(machine, probe)))
        .collect()
}

fn holds(machine: &Machine, probe: &str, last: &str) -> Result<(), Failed> {
    let run = boot(machine, &[probe], TIME_LIMIT)?;
    let checks: Vec<&str> = run
        .lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("check "))
        .collect();
    let failed: Vec<&&str> = checks.iter().filter(|check| !check.ends_with(" ok")).collect();
    check(
        failed.is_empty(),
        format!("all checks hold, but: {failed:#?}"),
        &run,
    )?;
    let last = format!("{last} ok");
    check(
        checks.contains(&last.as_str()),
        format!("`check {last}` is among them"),
        &run,
    )?;
    check_ending(Status::Ok, &run)
}
