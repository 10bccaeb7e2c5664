//! What the kernel costs in instructions: no more than promised, and no more than it did.

use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Results, Status, Transcript, say};
use selion_tests::{Baseline, Counts, first_chunk_build};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, prepared};

/// Of each possible CPU, when the first chunk is built.
const MOST_FOR_A_CPU: u64 = 600;
/// What is promised. The stubs are in these numbers, in seL4's they are not.
const AT_MOST: [(&str, u64); 6] = [
    ("syscall", 50),
    ("round-trip", 220),
    ("round-trip-fpu", 350),
    ("map", 60),
    ("call", 125),
    ("reply-receive", 125),
];

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, check: fn(&Transcript, &Results) -> Result<(), Failed>| {
        Trial::test(format!("bench::{name}"), move || {
            let (run, results) = run()?;
            check(run, results)
        })
    };
    vec![
        trial("counts_the_same_in_every_undisturbed_round", exact),
        trial("is_within_the_promised_bounds", bounded),
        trial("is_no_slower_than_the_baseline", no_slower),
        Trial::test(
            "bench::first_chunk_build_grows_with_the_cpus_and_no_faster",
            linear,
        ),
        Trial::test(
            "bench::first_chunk_build_is_no_slower_than_the_baseline",
            first_chunk,
        ),
    ]
}

fn run() -> Result<&'static (Transcript, Results), Failed> {
    static RUN: OnceLock<Result<(Transcript, Results), String>> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let machine = Machine {
            icount: true,
            ..Machine::default()
        };
        let words = |failed: Failed| failed.message().unwrap_or_default().to_string();
        let transcript = boot(&machine, &["bench"], TIME_LIMIT).map_err(words)?;
        let compiler = prepared().map_err(words)?.compiler();
        let results = Results::read(compiler, &machine, &transcript);
        Ok((transcript, results))
    });
    run.as_ref().map_err(Failed::from)
}

/// The program itself checks each measurement's spread.
fn exact(run: &Transcript, results: &Results) -> Result<(), Failed> {
    check_ending(Status::Ok, run)?;
    check(results.counted, "the counter counts instructions", run)?;
    let expected = ["syscall", "round-trip", "call", "reply-receive"];
    let is_there = |name: &&str| results.measurements.contains_key(*name);
    check(expected.iter().all(is_there), format!("rows {expected:?}"), run)
}

fn bounded(run: &Transcript, results: &Results) -> Result<(), Failed> {
    for (name, most) in AT_MOST {
        let median = results.measurements.get(name).map(|measured| measured.median);
        let holds = median.is_some_and(|median| median <= most);
        check(holds, format!("{name}: at most {most} instructions"), run)?;
    }
    Ok(())
}

fn no_slower(run: &Transcript, results: &Results) -> Result<(), Failed> {
    let medians = results.measurements.iter();
    let counts = medians
        .map(|(name, measured)| (name.clone(), measured.median))
        .collect();
    let complaints = compared(&results.compiler, &counts, |name| {
        !name.starts_with(first_chunk_build::PREFIX)
    })?;
    check(complaints.is_empty(), complaints.join("; "), run)
}

fn built() -> Result<&'static Counts, Failed> {
    static BUILT: OnceLock<Result<Counts, String>> = OnceLock::new();
    let prepared = prepared()?;
    BUILT
        .get_or_init(|| first_chunk_build::measure(prepared))
        .as_ref()
        .map_err(Failed::from)
}

/// The last CPUs cost as much as the first ones, and none costs much.
fn linear() -> Result<(), Failed> {
    let (counts, slopes) = (built()?, first_chunk_build::per_cpu(built()?));
    let (least, most) = (slopes.iter().min().copied(), slopes.iter().max().copied());
    let (least, most) = least.zip(most).ok_or("nothing measured")?;
    match slopes.len() == 2 && most <= MOST_FOR_A_CPU && most * 4 <= least * 5 {
        true => Ok(()),
        false => Err(format!("instructions for each further CPU: {slopes:?}, of {counts:?}").into()),
    }
}

fn first_chunk() -> Result<(), Failed> {
    let compiler = prepared()?.compiler();
    let complaints = compared(compiler, built()?, |name| {
        name.starts_with(first_chunk_build::PREFIX)
    })?;
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(complaints.join("; ").into()),
    }
}

fn compared(compiler: &str, counts: &Counts, is_ours: fn(&str) -> bool) -> Result<Vec<String>, Failed> {
    let baseline = Baseline::read()?;
    if !baseline.knows(compiler) {
        say(format!("no baseline for this compiler: {compiler}"));
    }
    Ok(baseline.complaints(compiler, is_ours, counts))
}
