//! What the kernel costs in instructions: no more than promised, and no more than it did.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Results, Status, Transcript, say};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, prepared};

/// Instructions by name, for each compiler that somebody has measured with.
const BASELINE: &str = include_str!("../baseline.json");
/// A measurement may exceed its baseline by this many in a hundred, and by as many instructions.
const TOLERANCE: u64 = 2;
/// What is promised: no more than seL4 without its fast path.
const AT_MOST: [(&str, u64); 1] = [("round-trip", 1386)];

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
    let all: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_str(BASELINE)?;
    let Some(baseline) = all.get(&results.compiler) else {
        say(format!("no baseline for this compiler: {}", results.compiler));
        return Ok(());
    };
    for (name, expected) in baseline {
        let most = expected + expected * TOLERANCE / 100 + TOLERANCE;
        let median = results.measurements.get(name).map(|measured| measured.median);
        let holds = median.is_some_and(|median| median <= most);
        check(
            holds,
            format!("{name}: {expected} in the baseline, at most {most}"),
            run,
        )?;
    }
    Ok(())
}
