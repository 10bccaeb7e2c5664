//! Interrupts that cannot be masked hit every CPU at any instruction, between the two GS bases, too, and leave
//! no trace.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Session, Status};

use crate::lab::{TIME_LIMIT, check, check_ending, start};

/// Each goes to every CPU.
const NMIS: u32 = 300;

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
    [("4_on_2+2", "max"), ("qemu64", "qemu64")].map(trial).into()
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
