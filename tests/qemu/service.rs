//! The percpu server: what it hands out and takes back, clients and servers that end at any moment, and hostile
//! clients. The programs check from inside; where pages lie is looked at from outside.

use std::time::{SystemTime, UNIX_EPOCH};

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Session, Status, Transcript, say};
use selion_tests::{Page, mapped, topology};

use crate::lab::{LONG_TIME_LIMIT, TIME_LIMIT, boot, check, check_ending, start};
use crate::moments::moment;
use crate::probes::{holds, holds_for_long};

const PAGE: u64 = 4096;
/// Rounds of `stress` that take a minute.
const MINUTE: u64 = 300;
/// Moments until the program should have been met.
const MOST_MOMENTS: usize = 400;

pub fn trials() -> Vec<Trial> {
    let others = [
        Trial::test("service::pages_lie_where_they_were_asked_for", || {
            outside(&[1, 2])
        }),
        Trial::test("service::million_on_8_on_4+4", million),
        Trial::test("service::stress_with_two_seeds", stress),
        Trial::test("service::stress_for_a_minute_with_a_new_seed", stress_for_long),
        Trial::test("service::percpu_stat_prints_linuxs_fields", percpu_stat),
        Trial::test("service::percpu_stat_prints_the_trace_with_names", trace),
    ];
    probes().into_iter().chain(others).collect()
}

fn probes() -> [Trial; 12] {
    let shaped = |nodes: &[u32]| Machine {
        nodes: nodes.to_vec(),
        ..Machine::default()
    };
    let small = Machine {
        memory: 64 << 20,
        ..Machine::default()
    };
    let counting = Machine {
        icount: true,
        ..Machine::default()
    };
    let small_node = Machine {
        node_memory: vec![None, Some(32 << 20)],
        ..Machine::default()
    };
    let probes = [
        ("probe-service", "drain-again", "4_on_2+2", shaped(&[2, 2])),
        ("probe-service", "drain-again", "one_cpu", shaped(&[1])),
        ("probe-service", "drain-again", "64M", small.clone()),
        ("probe-deaths", "all-is-back", "4_on_2+2", shaped(&[2, 2])),
        ("probe-deaths", "all-is-back", "one_cpu", shaped(&[1])),
        ("probe-restart", "all-is-back", "4_on_2+2", shaped(&[2, 2])),
        ("probe-restart", "all-is-back", "one_cpu", shaped(&[1])),
        ("probe-hostile", "all-is-back", "4_on_2+2", shaped(&[2, 2])),
        ("probe-hostile:2000", "all-is-back", "64M", small),
        (
            "probe-restart:6,200",
            "all-is-back",
            "4_on_2+2_200_times",
            shaped(&[2, 2]),
        ),
        (
            "probe-hostile:cost",
            "neighbours-pay-little",
            "4_that_counts",
            counting,
        ),
        (
            "probe-service:exhaust 1",
            "all-is-back",
            "a_small_node",
            small_node,
        ),
    ];
    probes.map(|(probe, last, shape, machine)| {
        let name = probe.split(':').next().unwrap_or(probe);
        let trial = format!("service::{name}_on_{shape}");
        Trial::test(trial, move || holds(&machine, probe, last))
    })
}

fn million() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![4, 4],
        ..Machine::default()
    };
    holds_for_long(&machine, "million", "everything-is-back")
}

fn stress() -> Result<(), Failed> {
    let run = boot(&Machine::default(), &["stress", "stress:77,12"], TIME_LIMIT)?;
    survived(&run, &["stress: seed 1, 24 rounds", "stress: seed 77, 12 rounds"])
}

/// On nodes of different sizes, with a kernel that looks at the order of its locks.
fn stress_for_long() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![3, 5],
        checked: true,
        ..Machine::default()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = now.as_secs();
    say(format!("stress: seed {seed}"));
    let program = format!("stress:{seed},{MINUTE}");
    let run = boot(&machine, &[&program], LONG_TIME_LIMIT)?;
    survived(&run, &[&format!("stress: seed {seed}, {MINUTE} rounds")])
}

fn survived(run: &Transcript, seeds: &[&str]) -> Result<(), Failed> {
    check_ending(Status::Ok, run)?;
    check(
        run.find("fault: ").is_none(),
        "who is ended by others has not faulted",
        run,
    )?;
    for seed in seeds {
        check(run.find(seed).is_some(), format!("`{seed}` is printed"), run)?;
    }
    let went = run.find("CPUs that went");
    let is_some = went.is_some_and(|line| !line.contains("survived 0 CPUs"));
    check(is_some, "CPUs went and came", run)?;
    let ends = run.find("ends of the percpu server");
    let is_some = ends.is_some_and(|line| !line.contains("survived 0 ends"));
    check(is_some, "the percpu server has ended and was started again", run)
}

/// O1 (in KiB of all CPUs), O2 and O3 of Linux's `percpu_stats`, a name of 20 columns and a value of 12.
fn percpu_stat() -> Result<(), Failed> {
    let run = boot(&Machine::default(), &["percpu-stat"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    for (name, value) in [
        ("unit_size", Some(DEFAULT_STRIDE)),
        ("reserved_size", Some(131_072)),
        ("dyn_size", None),
        ("atom_size", Some(PAGE)),
        ("alloc_size", Some(4 * DEFAULT_STRIDE)),
        ("nr_alloc", Some(1)),
        ("nr_dealloc", Some(0)),
        ("nr_cur_alloc", Some(1)),
        ("nr_max_alloc", Some(1)),
        ("nr_chunks", Some(2)),
        ("nr_max_chunks", Some(2)),
        ("min_alloc_size", Some(2 * PAGE)),
        ("max_alloc_size", Some(2 * PAGE)),
        ("empty_pop_pages", None),
        ("reserved", Some(4 * 128)),
        ("dynamic", None),
        ("touched", Some(4)),
        ("promised", Some(4 * 2 * 4)),
        ("ledger", None),
    ] {
        let line = match value {
            Some(value) => format!("  {name:<20}: {value:>12}"),
            None => format!("  {name:<20}: "),
        };
        check(run.find(&line).is_some(), format!("`{line}` is printed"), &run)?;
    }
    // O4: a chunk's numbers, of the first chunk's parts and of the program's own window.
    for chunk in [
        "Reserved Chunk",
        "First Chunk",
        "Populated on touch",
        "Window of ",
    ] {
        let line = format!("Chunk: <- {chunk}");
        check(run.find(&line).is_some(), format!("`{line}` is printed"), &run)?;
    }
    let unit = format!("  {:<20}: {:>12}", "nr_pages", DEFAULT_STRIDE / PAGE);
    check(run.find(&unit).is_some(), format!("`{unit}` is printed"), &run)?;
    let is_row = |line: &String| line.contains(" on-touch ") && line.contains(" percpu-stat ");
    let row = run.lines.iter().any(is_row);
    check(row, "the map has the program's region with its name", &run)
}

/// O5 and O7: what programs before it have done, by their names; the counter's regions are two, and nobody's else.
fn trace() -> Result<(), Failed> {
    let run = boot(&Machine::default(), &["counter", "percpu-stat"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    for line in [
        "Owners:",
        "      2 counter ",
        "      3 percpu-stat ",
        "] percpu_client_start: client=2 name=counter reserved=0 pool=static size=4096 align=0 off=0x1000 bytes_alloc=4096",
        "] percpu_create_chunk: chunk=0x",
        "] percpu_alloc_percpu: client=3 name=percpu-stat reserved=0 pool=on-touch size=8192 align=0 region=512:1 off=0x1000 \
         bytes_alloc=8192",
    ] {
        check(run.find(line).is_some(), format!("`{line}` is printed"), &run)?;
    }
    let row = run
        .lines
        .iter()
        .find(|line| line.contains(" on-touch ") && line.contains(" percpu-stat "));
    let is_named = row.is_some_and(|line| line.matches("percpu-stat").count() == 2);
    check(
        is_named,
        "the region's row has its owner's name and its own",
        &run,
    )
}

/// A region that was populated in part, and one that was touched on one CPU, in the page tables.
fn outside(nodes: &[u32]) -> Result<(), Failed> {
    let machine = Machine {
        nodes: nodes.to_vec(),
        ..Machine::default()
    };
    let mut booted = start(&machine, &["probe-service:hold"], TIME_LIMIT)?;
    let seen = look(&mut booted.session, machine.cpus());
    let run = booted.session.quit();
    let pages = seen.map_err(|failed| format!("{}\n{run}", failed.message().unwrap_or_default()))?;
    judge(&machine, &pages, &run)
}

/// The window of the program that holds still.
fn look(session: &mut Session, cpus: u32) -> Result<Vec<Page>, Failed> {
    session.wait_for("hold some")?;
    let window = WINDOW_BASE..WINDOW_BASE + u64::from(cpus) * DEFAULT_STRIDE;
    for _ in 0..MOST_MOMENTS {
        let pages = moment(session, |session, cpus| {
            let program = cpus.iter().find(|cpu| cpu.privilege == 3);
            program
                .map(|cpu| {
                    mapped(cpu.cr3, window.clone(), |table| {
                        session.physical(table, PAGE as usize)
                    })
                })
                .transpose()
                .map_err(Failed::from)
        })?;
        if let Some(pages) = pages {
            return Ok(pages);
        }
    }
    Err("the program was never met".into())
}

fn judge(machine: &Machine, pages: &[Page], run: &Transcript) -> Result<(), Failed> {
    let line = run.find("hold some").ok_or("no line of the program")?;
    let hex = |keyword: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != keyword);
        let word = words
            .nth(1)
            .unwrap_or_default()
            .trim_start_matches("0x")
            .to_string();
        u64::from_str_radix(&word, 16).map_err(|error| format!("{keyword} in `{line}`: {error}"))
    };
    let (some, touched, last) = (hex("some")?, hex("touched")?, hex("cpu")?);
    check(line.contains("refused true"), "what cannot be was refused", run)?;
    let topology = topology(machine)?;
    let nodes = machine.node_of_cpus();
    for cpu in 0..u64::from(machine.cpus()) {
        let unit = WINDOW_BASE + cpu * DEFAULT_STRIDE;
        let there =
            |region: u64, page: u64| pages.iter().find(|at| at.address == unit + region + page * PAGE);
        let expected = [
            (some, [false, true, true, false]),
            (touched, [false, false, cpu == last, false]),
        ];
        for (region, is_there) in expected {
            for (page, is_there) in (0..).zip(is_there) {
                let found = there(region, page);
                let promise =
                    format!("CPU {cpu}'s page {page} at {region:#x} is there: {is_there}; {found:x?}");
                check(found.is_some() == is_there, promise, run)?;
                let Some(found) = found else { continue };
                let node = topology
                    .node_of_address(found.phys)
                    .map(|node| u32::from(node.get()));
                let is_near = node == nodes.get(cpu as usize).copied();
                check(
                    is_near,
                    format!("CPU {cpu}'s {found:x?} lies on node {node:?}"),
                    run,
                )?;
            }
        }
    }
    Ok(())
}
