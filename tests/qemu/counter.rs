//! The main job: every count is found again, although the machine interleaves the threads that count.

use std::sync::OnceLock;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status, Transcript};

use crate::lab::{TIME_LIMIT, boot, check, check_ending};

/// Additions of one thread to one cell.
const ADDS: u64 = 1_000_000;
/// The same where the number of preemptions matters.
const LONG_ADDS: u64 = 4 * ADDS;
/// One thread on each CPU, and two for each CPU that may run anywhere.
const THREADS_PER_CPU: u64 = 3;
const CELLS: [&str; 3] = ["static", "reserved", "dynamic"];
/// Instructions between two readings of the time stamp counter.
const UNROLLED: u64 = 1000;

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, check: fn(&Transcript) -> Result<(), Failed>| {
        Trial::test(format!("counter::{name}"), move || check(default_run()?))
    };
    vec![
        trial("finds_every_count_again", exact_sums),
        trial("shows_each_cpus_share", table),
        Trial::test("counter::is_preempted_and_migrated_meanwhile", interleaved),
        Trial::test("counter::loses_counts_with_two_instructions", lossy),
        Trial::test("counter::adds_in_one_instruction_by_the_clock", readings),
    ]
}

fn default_run() -> Result<&'static Transcript, Failed> {
    static RUN: OnceLock<Result<Transcript, String>> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let transcript = boot(&Machine::default(), &["counter"], TIME_LIMIT);
        transcript.map_err(|failed| failed.message().unwrap_or_default().to_string())
    });
    run.as_ref().map_err(Failed::from)
}

/// `sum <name> <got> of <expected>`.
fn sum(transcript: &Transcript, name: &str) -> Option<[u64; 2]> {
    let line = transcript.find(&format!("sum {name} "))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != name);
    Some([words.nth(1)?.parse().ok()?, words.nth(1)?.parse().ok()?])
}

/// On four CPUs, whatever they booted through.
pub fn exact_sums(run: &Transcript) -> Result<(), Failed> {
    exact_sums_of(run, ADDS)
}

fn exact_sums_of(run: &Transcript, adds: u64) -> Result<(), Failed> {
    check_ending(Status::Ok, run)?;
    let expected = u64::from(Machine::default().cpus()) * THREADS_PER_CPU * adds;
    for cell in CELLS {
        let promise = format!("`sum {cell} {expected} of {expected}`");
        check(sum(run, cell) == Some([expected, expected]), promise, run)?;
    }
    Ok(())
}

/// The rows below `cpu node unit_base static reserved dynamic`.
fn rows(run: &Transcript) -> Vec<Vec<&str>> {
    let behind = run
        .lines
        .iter()
        .skip_while(|line| !line.contains("cpu node unit_base static reserved dynamic"));
    let rows = behind
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.take_while(|row| row.len() == 6).collect()
}

fn table(run: &Transcript) -> Result<(), Failed> {
    let nodes = Machine::default().node_of_cpus();
    let rows = rows(run);
    check(
        rows.len() == nodes.len(),
        format!("a table of {} CPUs", nodes.len()),
        run,
    )?;
    let mut sums = [0; CELLS.len()];
    for ((cpu, node), row) in (0u64..).zip(&nodes).zip(&rows) {
        let expected = [
            cpu.to_string(),
            node.to_string(),
            format!("{:#x}", WINDOW_BASE + cpu * DEFAULT_STRIDE),
        ];
        check(
            row[..3] == expected,
            format!("a row that begins with {expected:?}"),
            run,
        )?;
        for (sum, word) in sums.iter_mut().zip(&row[3..]) {
            let value: u64 = word.parse()?;
            check(
                value > 0,
                format!("CPU {cpu} counted something in every cell"),
                run,
            )?;
            *sum += value;
        }
    }
    for (cell, column) in CELLS.iter().zip(sums) {
        let said = sum(run, cell).map(|[got, _]| got);
        check(
            said == Some(column),
            format!("column {cell} adds up to its sum, {column}"),
            run,
        )?;
    }
    Ok(())
}

/// A busy host swallows timer ticks, so this run is longer than the default one.
fn interleaved() -> Result<(), Failed> {
    let program = format!("counter:adds={}", LONG_ADDS);
    let run = boot(&Machine::default(), &[program.as_str()], TIME_LIMIT)?;
    exact_sums_of(&run, LONG_ADDS)?;
    let line = run
        .find("preemptions ")
        .ok_or_else(|| format!("no line with preemptions\n{run}"))?;
    let words = line.split_whitespace();
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    let enough = numbers.len() == 2 && numbers.iter().all(|number| *number >= 100);
    check(enough, "at least 100 preemptions and 100 migrations", &run)
}

/// The same load with a load, an addition and a store: if nothing is lost, the exact sums prove nothing.
fn lossy() -> Result<(), Failed> {
    let run = boot(&Machine::default(), &["counter:lossy"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    let lost = sum(&run, "lossy").is_some_and(|[got, expected]| got < expected);
    check(lost, "two instructions lose counts", &run)
}

fn readings() -> Result<(), Failed> {
    let run = boot(
        &Machine {
            icount: true,
            ..Machine::default()
        },
        &["counter"],
        TIME_LIMIT,
    )?;
    check_ending(Status::Ok, &run)?;
    let reading = |name: &str| -> Result<u64, Failed> {
        let words = run
            .lines
            .iter()
            .filter_map(|line| line.trim().strip_prefix("reading ")?.split_once(' '));
        let mut found = words
            .filter(|(what, _)| *what == name)
            .filter_map(|(_, number)| number.parse().ok());
        found
            .next()
            .ok_or_else(|| format!("no reading of {name}\n{run}").into())
    };
    let empty = reading("empty")?;
    for (name, instructions) in [("add", 1), ("add+nop", 2)] {
        let expected = empty + instructions * UNROLLED;
        let promise = format!("`reading {name} {expected}`: {instructions} instruction(s) each");
        check(reading(name)? == expected, promise, &run)?;
    }
    Ok(())
}
