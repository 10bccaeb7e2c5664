//! Interrupts that cannot be masked hit every CPU at any instruction, between the two GS bases, too, and leave
//! no trace: while programs use their cells, and while they call each other.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Session, Status};

use crate::lab::{TIME_LIMIT, check, check_ending, start};

/// Each goes to every CPU.
const NMIS: u32 = 300;
/// Calls of each CPU in the storm: `bench` says how many.
const CALLS: u64 = 30_000;

pub fn trials() -> Vec<Trial> {
    let trial = |(shape, cpu): (&str, &str)| {
        let machine = Machine {
            cpu: cpu.into(),
            ..Machine::default()
        };
        Trial::test(format!("nmi::{shape}_counts_on_exactly"), move || {
            counts_on(&machine)
        })
    };
    let call = |(shape, cpu): (&str, &str)| {
        let machine = Machine {
            cpu: cpu.into(),
            ..Machine::default()
        };
        Trial::test(format!("nmi::{shape}_calls_exactly"), move || calls_on(&machine))
    };
    let shapes = [("4_on_2+2", "max"), ("qemu64", "qemu64")];
    shapes.map(trial).into_iter().chain(shapes.map(call)).collect()
}

/// Nearly all of it is the way into the kernel, through it and out again: without FSGSBASE the one in Rust.
fn calls_on(machine: &Machine) -> Result<(), Failed> {
    let mut booted = start(machine, &["bench:storm"], TIME_LIMIT)?;
    let begun = booted.session.wait_for("storm begins");
    let mut nmis = 0;
    while begun.is_ok() && booted.session.monitor("nmi").is_ok() {
        nmis += 1;
    }
    let run = booted.session.finish();
    check_ending(Status::Ok, &run)?;
    check(
        nmis >= NMIS,
        format!("{nmis} NMIs to each CPU, at least {NMIS}"),
        &run,
    )?;
    let calls = u64::from(machine.cpus()) * CALLS;
    for line in [
        format!("storm answers {calls} of {calls}"),
        format!("storm cells {calls} of {calls}"),
    ] {
        check(run.find(&line).is_some(), format!("`{line}`"), &run)?;
    }
    Ok(())
}

fn counts_on(machine: &Machine) -> Result<(), Failed> {
    let mut booted = start(machine, &["counter:adds=4000000"], TIME_LIMIT)?;
    let disturbed = disturb(&mut booted.session);
    let run = booted.session.finish();
    disturbed.map_err(|failed| format!("{}\n{run}", failed.message().unwrap_or_default()))?;
    check_ending(Status::Ok, &run)?;
    for cell in ["static", "reserved", "dynamic"] {
        let expected = u64::from(machine.cpus()) * 3 * 4_000_000;
        let line = format!("sum {cell} {expected} of {expected}");
        check(run.find(&line).is_some(), format!("`{line}`"), &run)?;
    }
    Ok(())
}

fn disturb(session: &mut Session) -> Result<(), Failed> {
    session.wait_for("reading add+nop")?;
    for _ in 0..NMIS {
        session.monitor("nmi")?;
    }
    Ok(())
}
