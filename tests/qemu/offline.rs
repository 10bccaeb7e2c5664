//! CPUs that go and come. The program checks from inside; what a parked CPU does is looked at from outside.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};
use selion_tests::Registers;

use crate::lab::{TIME_LIMIT, boot, check, check_ending, start};
use crate::probes::holds;
use crate::witness::idle_registers;

/// The last check of the program.
const LAST: &str = "and-all-work";
/// The CPU that `probe-offline:leave` leaves off.
const PARKED: usize = 1;

pub fn trials() -> Vec<Trial> {
    let on = |nodes: &[u32], append: &str| Machine {
        nodes: nodes.to_vec(),
        append: append.into(),
        ..Machine::default()
    };
    // A CPU that does not report, and two that are only announced.
    let with_gaps = Machine {
        cpu: "qemu64".into(),
        absent: 2,
        ..on(&[2, 1], "silent_cpu=2 cpu_patience=500")
    };
    let shapes = [
        ("4_on_2+2", on(&[2, 2], ""), "probe-offline"),
        (
            "8_on_3+5_page",
            on(&[3, 5], "percpu_alloc=page"),
            "probe-offline:8",
        ),
        ("qemu64_with_gaps", with_gaps, "probe-offline:64"),
    ];
    let inside = shapes.map(|(shape, machine, program)| {
        Trial::test(format!("offline::all_holds_on_{shape}"), move || {
            holds(&machine, program, LAST)
        })
    });
    let others = [
        Trial::test("offline::a_parked_cpu_halts_on_the_kernels_page_table", parked),
        Trial::test("offline::percpu_stat_shows_who_is_off", shown),
    ];
    inside.into_iter().chain(others).collect()
}

/// Looked at while all other CPUs idle.
fn parked() -> Result<(), Failed> {
    let machine = Machine {
        append: "hold".into(),
        ..Machine::default()
    };
    let mut booted = start(&machine, &["probe-offline:leave"], TIME_LIMIT)?;
    let seen = idle_registers(&mut booted.session);
    let run = booted.session.quit();
    let cpus = seen.map_err(|failed| format!("{}\n{run}", failed.message().unwrap_or_default()))?;
    let line = format!("cpu {PARKED} offline");
    check(run.find(&line).is_some(), format!("`{line}`"), &run)?;
    let is_parked = |cpu: &Registers| cpu.is_halted && !cpu.takes_interrupts && cpu.privilege == 0;
    let which: Vec<usize> = (0..cpus.len()).filter(|cpu| is_parked(&cpus[*cpu])).collect();
    check(
        which == [PARKED],
        format!("{which:?} are parked, of {cpus:#x?}"),
        &run,
    )?;
    // Those that idle are on it, too.
    let is_kernels = cpus[PARKED].cr3 == cpus[0].cr3;
    check(is_kernels, format!("one page table in {cpus:#x?}"), &run)
}

/// One program after the other would be better, but all run at once: so this one waits until it is so.
fn shown() -> Result<(), Failed> {
    let run = boot(
        &Machine::default(),
        &["probe-offline:leave", "percpu-stat:off"],
        TIME_LIMIT,
    )?;
    check_ending(Status::Ok, &run)?;
    let online = format!("  {:<20}: {:>12}", "online", 3);
    let off = format!("  cpu {PARKED} is off");
    for line in [online, off] {
        check(run.find(&line).is_some(), format!("`{line}` is printed"), &run)?;
    }
    Ok(())
}
