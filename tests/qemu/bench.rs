//! What the kernel and userlib's per-CPU types cost in instructions: no more than promised, and no more than they did.

use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use run_qemu::{Results, Status, Transcript, say};
use selion_tests::measured::{self, Bench};
use selion_tests::{Baseline, Counts, first_chunk_build};

use crate::lab::{check, check_ending, prepared};

/// Of each possible CPU, when the first chunk is built.
const MOST_FOR_A_CPU: u64 = 600;
/// What is promised at 4 CPUs. The stubs are in these numbers, in seL4's they are not.
const AT_MOST: [(&str, u64); 13] = [
    ("syscall", 50),
    ("round-trip", 220),
    ("round-trip-fpu", 350),
    ("map", 60),
    ("call", 125),
    ("reply-receive", 125),
    ("cell-add", 1),
    ("cell-add-const", 1),
    ("cell-increment", 1),
    ("slab-pair", 40),
    ("box-pair", 236),
    ("round-trip-10", 600),
    ("fault-round-trip", 600),
];
/// Of a region, made and given back: for each page and CPU, with clean pages.
const MOST_FOR_A_PAGE: u64 = 150;
/// A region without frames costs the same whatever the number of CPUs, but for so much.
const MOST_FOR_MORE_CPUS: u64 = 50;
/// The same at 64 CPUs.
const AT_MOST_WITH_64: [(&str, u64); 3] = [("cell-add", 1), ("slab-pair", 40), ("box-pair", 500)];

type Run = (Transcript, Results);

pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, run: fn() -> Result<&'static Run, Failed>, check: fn(&Run) -> Result<(), Failed>| {
            Trial::test(format!("bench::{name}"), move || check(run()?))
        };
    vec![
        trial("counts_the_same_in_every_undisturbed_round", run, exact),
        trial("is_within_the_promised_bounds", run, |run| bounded(run, &AT_MOST)),
        trial("is_no_slower_than_the_baseline", run, |run| {
            no_slower(run, &measured::DEFAULT)
        }),
        trial(
            "counts_the_same_in_every_undisturbed_round_with_64_cpus",
            run_with_64,
            exact,
        ),
        trial("is_within_the_promised_bounds_with_64_cpus", run_with_64, |run| {
            bounded(run, &AT_MOST_WITH_64)
        }),
        trial(
            "is_no_slower_than_the_baseline_with_64_cpus",
            run_with_64,
            |run| no_slower(run, &measured::WITH_64_CPUS),
        ),
        Trial::test("bench::a_region_costs_little_for_each_page_and_cpu", regions),
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

/// The one run on the default machine.
pub fn run() -> Result<&'static Run, Failed> {
    static RUN: OnceLock<Result<Run, String>> = OnceLock::new();
    let prepared = prepared()?;
    RUN.get_or_init(|| measured::DEFAULT.run(prepared))
        .as_ref()
        .map_err(Failed::from)
}

fn run_with_64() -> Result<&'static Run, Failed> {
    static RUN: OnceLock<Result<Run, String>> = OnceLock::new();
    let prepared = prepared()?;
    RUN.get_or_init(|| measured::WITH_64_CPUS.run(prepared))
        .as_ref()
        .map_err(Failed::from)
}

/// The programs themselves check each measurement's spread.
fn exact((run, results): &Run) -> Result<(), Failed> {
    check_ending(Status::Ok, run)?;
    check(results.counted, "the counter counts instructions", run)
}

fn bounded((run, results): &Run, bounds: &[(&str, u64)]) -> Result<(), Failed> {
    for (name, most) in bounds {
        let median = results.measurements.get(*name).map(|measured| measured.median);
        let holds = median.is_some_and(|median| (1..=*most).contains(&median));
        check(
            holds,
            format!("{name}: 1 to {most} instructions, not {median:?}"),
            run,
        )?;
    }
    Ok(())
}

fn no_slower((run, results): &Run, bench: &Bench) -> Result<(), Failed> {
    let complaints = compared(&results.compiler, &bench.counts(results), |name| bench.owns(name))?;
    check(complaints.is_empty(), complaints.join("; "), run)
}

/// Regions of 1 and 8 pages at 4 and 64 CPUs: what another page costs, and what another CPU.
fn regions() -> Result<(), Failed> {
    let (few, many) = (run()?, run_with_64()?);
    let cost = |(run, results): &Run, name: &str, pages: u64| {
        let row = |what: &str| {
            let name = format!("{name}-{what}-{pages}-{}-cpus", results.cpus);
            let measured = results.measurements.get(&name);
            measured.map_or_else(
                || check(false, format!("a row {name}"), run).map(|()| 0),
                |row| Ok(row.median),
            )
        };
        Ok::<u64, Failed>(row("create")? + row("destroy")?)
    };
    for machine in [few, many] {
        let pages = 7 * u64::from(machine.1.cpus);
        let more = cost(machine, "region", 8)?.saturating_sub(cost(machine, "region", 1)?);
        let promise = format!("{more} instructions for {pages} pages, at most {MOST_FOR_A_PAGE} for each");
        check((1..=MOST_FOR_A_PAGE * pages).contains(&more), promise, &machine.0)?;
    }
    let cpus = u64::from(many.1.cpus - few.1.cpus);
    let more = cost(many, "region", 1)?.saturating_sub(cost(few, "region", 1)?);
    let promise = format!("{more} instructions for {cpus} CPUs, at most {MOST_FOR_A_PAGE} for each");
    check((1..=MOST_FOR_A_PAGE * cpus).contains(&more), promise, &many.0)?;
    let (none, same) = (cost(few, "region-none", 8)?, cost(many, "region-none", 8)?);
    let promise = format!("{same} instructions without frames, {none} with fewer CPUs");
    check(same.abs_diff(none) <= MOST_FOR_MORE_CPUS, promise, &many.0)
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

fn compared(compiler: &str, counts: &Counts, is_ours: impl Fn(&str) -> bool) -> Result<Vec<String>, Failed> {
    let baseline = Baseline::read()?;
    if !baseline.knows(compiler) {
        say(format!("no baseline for this compiler: {compiler}"));
    }
    for gain in baseline.gains(compiler, counts) {
        say(format!("better than the baseline: {gain}"));
    }
    Ok(baseline.complaints(compiler, is_ours, counts))
}
