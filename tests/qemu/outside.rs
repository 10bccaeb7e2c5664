//! What the witness saw from outside: each count of `bench` once more, what the dear instructions in it are, and that CPUs
//! that do the same at once share nothing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use run_qemu::witness::{Lines, Row, Stretch, Windows};
use run_qemu::{Machine, Results, Seen, Status, Transcript};

use crate::bench;
use crate::lab::{TIME_LIMIT, check, check_ending, prepared, watched};

/// Numbers of CPUs that do the same at once.
const CPUS: [u32; 4] = [1, 2, 8, 64];
/// The row of that, and where it stands in the report: behind what belongs to no row, and behind that of nothing.
const FLAT: &str = "flat";
const FLAT_ROW: usize = 2;
/// Calls of each CPU.
const CALLS: u64 = 1000;

/// What a round trip is made of, beside plain instructions. No FS base is written, as nobody has one.
const ROUND_TRIP: [(&str, u64); 14] = [
    ("syscall", 2),
    ("sysret", 2),
    ("swapgs", 4),
    ("cr3-write", 2),
    ("gs-base-write", 2),
    ("cr0-read", 0),
    ("cr0-write", 0),
    ("rdmsr", 0),
    ("wrmsr", 0),
    ("gs-base-read", 0),
    ("fs-base-write", 0),
    ("locked", 0),
    ("cpu-number", 0),
    ("multiply", 0),
];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("outside::the_witness_counts_what_the_guest_counts", same_counts),
        Trial::test(
            "outside::a_round_trip_has_no_dear_instruction_that_it_could_do_without",
            round_trip,
        ),
        Trial::test("outside::calls_on_every_cpu_at_once_cost_the_same", flat_costs),
        Trial::test("outside::calls_on_every_cpu_at_once_share_no_line", flat_lines),
        Trial::test("outside::no_call_keeps_interrupts_off_for_long", bounded),
        Trial::test("outside::unmapping_interrupts_each_other_cpu_once", reaches),
        Trial::test(
            "outside::calls_on_cpus_that_really_run_at_once_share_no_line",
            racing,
        ),
    ]
}

fn seen<'a>(run: &Transcript, results: &'a Results, name: &str) -> Result<&'a Seen, Failed> {
    let measured = results.measurements.get(name);
    let seen = measured.and_then(|measured| measured.witness.as_ref());
    check(seen.is_some(), format!("the witness saw {name}"), run)?;
    Ok(seen.ok_or("checked above")?)
}

/// Rows whose rounds are one operation: the two stop-watches agree to the instruction.
fn same_counts() -> Result<(), Failed> {
    let (run, results) = bench::run()?;
    let single = results
        .measurements
        .iter()
        .filter(|(_, row)| row.parts == Some(1));
    // Interrupts have no window: they come when they come. Other CPUs spin while a page is taken from them.
    let single: Vec<_> = single
        .filter(|(name, _)| !name.starts_with("interrupt") && !name.starts_with("unmap-from"))
        .collect();
    check(single.len() > 8, "many rows have rounds of one operation", run)?;
    for (name, row) in single {
        let seen = seen(run, results, name)?;
        let told = format!("{name}: {} counted, {seen} seen", row.median);
        let others = seen.others.get("instructions").copied().unwrap_or(0);
        check(seen.instructions + others == row.median, &told, run)?;
        check(
            seen.windows == row.rounds,
            format!("{told}: a window for each round"),
            run,
        )?;
    }
    Ok(())
}

fn round_trip() -> Result<(), Failed> {
    let (run, results) = bench::run()?;
    let seen = seen(run, results, "round-trip")?;
    for (kind, expected) in ROUND_TRIP {
        let told = format!("{kind}: {expected} expected, {} seen", seen.count(kind));
        check(seen.count(kind) == expected, told, run)?;
    }
    let all_alike = seen.same == seen.windows - seen.disturbed;
    check(all_alike, "every undisturbed round is the same", run)
}

struct Flat {
    run: Transcript,
    results: Results,
    row: Row,
}

/// The load on so many CPUs, in turns.
fn flat(cpus: u32) -> Result<&'static Flat, Failed> {
    static RUNS: [OnceLock<Result<Flat, String>>; CPUS.len()] = [const { OnceLock::new() }; CPUS.len()];
    let index = CPUS.iter().position(|known| *known == cpus);
    let run = &RUNS[index.ok_or("no such machine")?];
    let loaded = run.get_or_init(|| {
        let machine = Machine {
            nodes: vec![cpus],
            icount: true,
            ..Machine::default()
        };
        load(&machine).map_err(|failed| failed.message().unwrap_or_default().to_string())
    });
    loaded.as_ref().map_err(Failed::from)
}

fn load(machine: &Machine) -> Result<Flat, Failed> {
    let (run, report) = watched(machine, &["bench:flat"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    let mut results = Results::read(prepared()?.compiler(), machine, &run);
    results.add(&report, None)?;
    let row = report.rows.get(FLAT_ROW).cloned();
    check(row.is_some(), "the witness saw the load", &run)?;
    check(run.find("check flat-sum ok").is_some(), "no answer is lost", &run)?;
    Ok(Flat {
        row: row.ok_or("checked above")?,
        run,
        results,
    })
}

/// With any number of CPUs, on each of them, in every call: the same instructions of every kind.
fn flat_costs() -> Result<(), Failed> {
    let mut medians = BTreeMap::new();
    for cpus in CPUS {
        let Flat { run, results, row } = flat(cpus)?;
        medians.insert(
            cpus,
            results.measurements.get(FLAT).map(|measured| measured.median),
        );
        check(row.cpus.len() == cpus as usize, "every CPU has windows", run)?;
        for windows in &row.cpus {
            check_calls(windows, &flat(1)?.row.cpus[0], run)?;
        }
    }
    let all_alike = medians
        .values()
        .all(|median| median.is_some() && *median == medians[&1]);
    match all_alike {
        true => Ok(()),
        false => Err(format!("instructions of a call by the number of CPUs: {medians:?}").into()),
    }
}

fn check_calls(windows: &Windows, expected: &Windows, run: &Transcript) -> Result<(), Failed> {
    let told = format!("{windows:?}");
    check(
        windows.windows == CALLS,
        format!("a window for each call: {told}"),
        run,
    )?;
    // A slice is longer than thousands of calls.
    check(
        windows.disturbed <= CALLS / 20,
        format!("few are disturbed: {told}"),
        run,
    )?;
    let all_alike = windows.same == windows.windows - windows.disturbed;
    check(all_alike, format!("all are the same: {told}"), run)?;
    let alike = windows.median == expected.median;
    check(alike, format!("{told}, not {:?}", expected.median), run)?;
    let locked = windows.median.get("locked").copied();
    check(locked == Some(0), format!("none is locked: {told}"), run)
}

fn flat_lines() -> Result<(), Failed> {
    CPUS.into_iter().try_for_each(|cpus| {
        let Flat { run, row, .. } = flat(cpus)?;
        unshared(row.lines.as_ref(), cpus, run)
    })
}

/// No line is written by two CPUs, and none that one writes is read by another.
fn unshared(lines: Option<&Lines>, cpus: u32, run: &Transcript) -> Result<(), Failed> {
    let lines = lines.ok_or("no line was traced")?;
    let told = format!("{cpus} CPUs: {lines:#x?}");
    // Two threads' frames, stacks and words of this CPU: a trace that has less has missed something.
    check(lines.written >= 8 * u64::from(cpus), &told, run)?;
    check(
        lines.written_by_two == 0 && lines.written_and_read == 0,
        &told,
        run,
    )
}

/// The same on CPUs that the emulator runs in threads of their own, where windows may really be disturbed.
fn racing() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![8],
        ..Machine::default()
    };
    let Flat { run, row, .. } = load(&machine)?;
    check(row.cpus.len() == 8, "every CPU has windows", &run)?;
    for windows in &row.cpus {
        let enough = windows.windows == CALLS && windows.disturbed <= CALLS / 4;
        check(enough, format!("most calls are undisturbed: {windows:?}"), &run)?;
        let locked = windows.median.get("locked").copied();
        check(locked == Some(0), format!("none is locked: {windows:?}"), &run)?;
    }
    unshared(row.lines.as_ref(), 8, &run)
}

/// Instructions with interrupts off, at most: `cpu::breath::MOST_INSTRUCTIONS` of the kernel.
const MOST_INSTRUCTIONS: u64 = 50_000;
/// Rows of the probe.
const BOUND_ROWS: usize = 27;

/// Whatever is asked for, and however much of it, interrupts come soon.
fn bounded() -> Result<(), Failed> {
    // A node that is soon exhausted, and more than a call can want on the other.
    let machine = Machine {
        nodes: vec![3, 1],
        node_memory: vec![Some(960 << 20), Some(64 << 20)],
        memory: 1 << 30,
        icount: true,
        ..Machine::default()
    };
    let (run, report) = watched(&machine, &["probe-bounds"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    let lines = run.lines.iter().filter_map(|line| line.strip_prefix("bound "));
    let names: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let rows = report.rows.get(1..).unwrap_or_default();
    check(
        names.len() == BOUND_ROWS && rows.len() == BOUND_ROWS,
        "a row for each call",
        &run,
    )?;
    let kernel = prepared()?.kernel_symbols();
    let all = ["everything else"].into_iter().chain(names).zip(&report.rows);
    for (name, row) in all {
        let Stretch { instructions, .. } = row.longest;
        let told = format!(
            "{name}: interrupts off for {instructions}, {}",
            row.longest.explain(kernel.as_ref())
        );
        check(
            instructions > 100 && instructions <= MOST_INSTRUCTIONS,
            told,
            &run,
        )?;
    }
    let (run, results) = bench::run()?;
    for (name, row) in &results.measurements {
        let off = row.witness.as_ref().map_or(0, |seen| seen.interrupts_off);
        check(off <= MOST_INSTRUCTIONS, format!("{name}: {off}"), run)?;
    }
    Ok(())
}

/// One page is taken from so many other CPUs, and each is interrupted once.
fn reaches() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![65],
        icount: true,
        ..Machine::default()
    };
    let (run, report) = watched(&machine, &["bench:shoot-down"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    let mut results = Results::read(prepared()?.compiler(), &machine, &run);
    results.add(&report, None)?;
    for (name, others) in [
        ("unmap-from-1-other", 1),
        ("unmap-from-8-others", 8),
        ("unmap-from-64-others", 64),
    ] {
        let seen = seen(&run, &results, name)?;
        let flushes = seen.others.get("cr3-write").copied();
        let returns = seen.others.get("iret").copied();
        let told = format!(
            "{name}: each of {others} interrupted once and flushed once: {:?}",
            seen.others
        );
        check(flushes == Some(others) && returns == Some(others), told, &run)?;
    }
    Ok(())
}
