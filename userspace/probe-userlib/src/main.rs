//! The promises of userlib's per-CPU types under load: more threads than CPUs, preempted and moved all the time,
//! and exact results. `probe-userlib:objects` does only that part.
#![no_std]
#![no_main]

mod allocated;
mod cells;
mod counts;
mod objects;
mod slots;

use userlib::checks::Checks;
use userlib::{Refusal, entry, process, start};

entry!(main);

/// What must happen to the threads at least for a part to count.
const FEWEST_MIGRATIONS: u64 = 100;

type Part = (&'static str, fn(&mut Checks));

/// The parts, each of which drives a crowd from CPU to CPU.
const PARTS: [Part; 5] = [
    ("cells", cells::check),
    ("slots", slots::check),
    ("allocated", allocated::check),
    ("objects", objects::check),
    ("counts", counts::check),
];

fn main() -> Result<u64, Refusal> {
    let mut checks = Checks::new();
    let asked = start::argument();
    let is_asked = |(name, _): &Part| asked.is_empty() || asked.split_whitespace().any(|word| word == *name);
    for (name, part) in PARTS.into_iter().filter(is_asked) {
        let before = process::stats(process::own())?;
        part(&mut checks);
        let after = process::stats(process::own())?;
        let moved = after.migrations - before.migrations;
        let preempted = after.preemptions - before.preemptions;
        userlib::println!("{name}: preemptions {preempted} migrations {moved}");
        let is_moved = userlib::machine::online_cpus() == 1 || moved >= FEWEST_MIGRATIONS;
        checks.that("moved", is_moved, format_args!("only {moved} migrations"));
    }
    checks.that("all-parts", true, format_args!(""));
    Ok(checks.code())
}
