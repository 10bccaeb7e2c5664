//! A working machine, stopped at moments that it cannot foresee, and looked at from outside: whose unit does
//! each GS base name, and on which node do a program's pages lie?

use std::time::Duration;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Session, Transcript};
use selion_tests::{FirstChunk, Page, Registers, mapped, registers, topology};

use crate::lab::{TIME_LIMIT, check, start};

/// Moments at which the machine is stopped.
const MOMENTS: usize = 40;
const BETWEEN: Duration = Duration::from_millis(15);
const PAGE: u64 = 4096;
/// A unit of the counter: header, static part, a reserved and a dynamic region.
const PAGES_OF_A_UNIT: usize = 4;

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
        let name = format!("moments::{shape}_gs_bases_and_pages_are_each_cpus_own");
        Trial::test(name, move || observe(&machine))
    };
    machines.into_iter().map(trial).collect()
}

/// What was seen while the counter ran.
#[derive(Default)]
struct Seen {
    moments: Vec<Vec<Registers>>,
    /// The pages of the counter's window, at one of the moments.
    pages: Vec<Page>,
}

fn observe(machine: &Machine) -> Result<(), Failed> {
    let mut booted = start(machine, &["counter:adds=100000000"], TIME_LIMIT)?;
    let seen = look(&mut booted.session, machine);
    let run = booted.session.quit();
    let seen = seen.map_err(|failed| format!("{}\n{run}", failed.message().unwrap_or_default()))?;
    gs_bases(&seen, &run)?;
    placement(machine, &seen.pages, &run)
}

fn look(session: &mut Session, machine: &Machine) -> Result<Seen, Failed> {
    // The counter prints its readings, then starts its threads.
    session.wait_for("reading add+nop")?;
    let mut seen = Seen::default();
    while seen.moments.len() < MOMENTS {
        std::thread::sleep(BETWEEN);
        session.stop()?;
        let cpus = registers(&session.monitor("info registers -a")?)?;
        if seen.pages.is_empty() {
            seen.pages = counters_pages(session, &cpus, machine)?;
        }
        session.go_on()?;
        seen.moments.push(cpus);
    }
    Ok(seen)
}

/// The window's pages in the address space of a CPU that runs a program with a whole window, or nothing.
fn counters_pages(session: &mut Session, cpus: &[Registers], machine: &Machine) -> Result<Vec<Page>, Failed> {
    let units = u64::from(machine.cpus());
    let window = WINDOW_BASE..WINDOW_BASE + units * DEFAULT_STRIDE;
    for cpu in cpus.iter().filter(|cpu| cpu.privilege == 3) {
        let pages = mapped(cpu.cr3, window.clone(), |table| {
            session.physical(table, PAGE as usize)
        })?;
        if pages.len() >= PAGES_OF_A_UNIT * units as usize {
            return Ok(pages);
        }
    }
    Ok(Vec::new())
}

fn gs_bases(seen: &Seen, run: &Transcript) -> Result<(), Failed> {
    let chunk = FirstChunk::read(&run.lines)?;
    let mut in_programs = vec![0; chunk.cpus.len()];
    for cpus in &seen.moments {
        for cpu in &chunk.cpus {
            let outside = cpus
                .get(cpu.apic as usize)
                .ok_or("an APIC id that QEMU does not have")?;
            let user = WINDOW_BASE + cpu.cpu * DEFAULT_STRIDE;
            let kernel = cpu.unit_base.wrapping_sub(chunk.template.start);
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

fn placement(machine: &Machine, pages: &[Page], run: &Transcript) -> Result<(), Failed> {
    check(
        !pages.is_empty(),
        "the counter was met with all the pages of its window",
        run,
    )?;
    let (topology, nodes) = (topology(machine)?, machine.node_of_cpus());
    for page in pages {
        let cpu = (page.address - WINDOW_BASE) / DEFAULT_STRIDE;
        let is_header = (page.address - WINDOW_BASE).is_multiple_of(DEFAULT_STRIDE);
        let promise =
            format!("programs read the header and write the rest, and never by large pages: {page:x?}");
        let allowed = page.is_user && page.is_writable != is_header && page.bytes == PAGE;
        check(allowed, promise, run)?;
        let node = topology
            .node_of_address(page.phys)
            .map(|node| u32::from(node.get()));
        let promise = format!("CPU {cpu}'s {page:x?} lies on node {node:?}");
        check(
            is_header || node == nodes.get(cpu as usize).copied(),
            promise,
            run,
        )?;
    }
    let mut frames: Vec<u64> = pages.iter().map(|page| page.phys).collect();
    frames.sort_unstable();
    frames.dedup();
    check(
        frames.len() == pages.len(),
        "no frame is mapped twice in one window",
        run,
    )
}
