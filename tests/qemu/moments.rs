//! A working machine, stopped at moments that it cannot foresee, and looked at from outside: whose unit does
//! each GS base name?

use std::time::Duration;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Session, Transcript};
use selion_tests::{FirstChunk, Registers, registers};

use crate::lab::{TIME_LIMIT, check, start};

/// Moments at which the machine is stopped.
const MOMENTS: usize = 40;
const BETWEEN: Duration = Duration::from_millis(15);

pub fn trials() -> Vec<Trial> {
    let shaped = |nodes: &[u32]| Machine {
        nodes: nodes.to_vec(),
        ..Machine::default()
    };
    let machines = [
        ("4_on_2+2", shaped(&[2, 2])),
        ("3_on_1+2", shaped(&[1, 2])),
        (
            "qemu64",
            Machine {
                cpu: "qemu64".into(),
                ..shaped(&[2, 2])
            },
        ),
    ];
    let trial = |(shape, machine): (&str, Machine)| {
        let name = format!("moments::{shape}_every_gs_base_is_its_cpus_own");
        Trial::test(name, move || observe(&machine))
    };
    machines.into_iter().map(trial).collect()
}

fn observe(machine: &Machine) -> Result<(), Failed> {
    let mut booted = start(machine, &["counter:adds=100000000"], TIME_LIMIT)?;
    let seen = look(&mut booted.session);
    let run = booted.session.quit();
    let seen = seen.map_err(|failed| format!("{}\n{run}", failed.message().unwrap_or_default()))?;
    gs_bases(&seen, &run)
}

fn look(session: &mut Session) -> Result<Vec<Vec<Registers>>, Failed> {
    // The counter prints its readings, then starts its threads.
    session.wait_for("reading add+nop")?;
    (0..MOMENTS)
        .map(|_| moment(session, |_, cpus| Ok(cpus.to_vec())))
        .collect()
}

/// Let the machine run a little, stop it, look at it, and let it go on.
pub fn moment<T>(
    session: &mut Session,
    look: impl FnOnce(&mut Session, &[Registers]) -> Result<T, Failed>,
) -> Result<T, Failed> {
    std::thread::sleep(BETWEEN);
    session.stop()?;
    let cpus = registers(&session.monitor("info registers -a")?)?;
    let seen = look(session, &cpus)?;
    session.go_on()?;
    Ok(seen)
}

fn gs_bases(moments: &[Vec<Registers>], run: &Transcript) -> Result<(), Failed> {
    let chunk = FirstChunk::read(&run.lines)?;
    let mut in_programs = vec![0; chunk.cpus.len()];
    for cpus in moments {
        for cpu in &chunk.cpus {
            let outside = cpus
                .get(cpu.apic as usize)
                .ok_or("an APIC id that QEMU does not have")?;
            let user = WINDOW_BASE + cpu.cpu * DEFAULT_STRIDE;
            let kernel = cpu.unit_base.wrapping_sub(chunk.place.template_start);
            let right = match outside.privilege {
                3 => outside.gs_base == user,
                // The first and the last instructions of the kernel still, or already, have the user's.
                _ => outside.gs_base == kernel || outside.gs_base == user && !outside.is_halted,
            };
            in_programs[cpu.cpu as usize] += u32::from(outside.privilege == 3);
            let promise = format!(
                "CPU {}: GS base {user:#x} or {kernel:#x}, not {outside:x?}",
                cpu.cpu
            );
            check(right, promise, run)?;
        }
    }
    let met = in_programs.iter().all(|times| *times > 0);
    check(
        met,
        format!("every CPU was met in a program: {in_programs:?} times"),
        run,
    )
}
