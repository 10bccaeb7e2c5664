//! The percpu server ends at each of its kernel calls, before it and after it, while a client works; then at each
//! call that it makes when it starts again; then at random instructions, while three clients keep it busy. After each end the map is what the client
//! holds, every counter has kept its count, and no page is lost. The client notices nothing.
//!
//! `probe-restart:SEED,ENDS` does only the ends at random, with this seed and so many.
#![no_std]
#![no_main]

mod random;
mod trace;

use userlib::abi::syscall::Moment;
use userlib::checks::Checks;
use userlib::percpu::{self, Error};
use userlib::workload::{Books, Workload};
use userlib::{entry, println, start, supervisor};

entry!(main);

/// Steps between two ends, at most: each makes a kernel call or two of the server's.
pub const STEPS: u64 = 12;
/// The last call of the server at which it ends.
const LAST_CALL: u64 = 24;
/// Calls of a server that starts again at which it ends.
const LAST_STARTING_CALL: u64 = 60;
/// Ends at random instructions, unless the argument says otherwise.
const RANDOM_ENDS: u64 = 40;

fn main() -> u64 {
    let argument = start::argument();
    if let Some(numbers) = argument.strip_prefix("launched ") {
        let seed = numbers.split(' ').next().and_then(|word| word.parse().ok());
        return random::client(seed.unwrap_or(0)).unwrap_or_else(|error| {
            println!("probe-restart: {error}");
            1
        });
    }
    let (seed, ends) = argument.split_once(',').unwrap_or((argument, ""));
    let (seed, ends) = (seed.parse().unwrap_or(5), ends.parse().unwrap_or(RANDOM_ENDS));
    check_all(seed, ends, !argument.is_empty())
}

/// Everything, or only the ends at random.
fn check_all(seed: u64, ends: u64, only_random: bool) -> u64 {
    let mut checks = Checks::new();
    let Some(before) = checks.success("before", Books::now()) else {
        return checks.code();
    };
    let mut work = Workload::new(11);
    if !only_random {
        trace::check(&mut checks);
        at_calls(&mut checks, &mut work);
    }
    checks.equal("at-random", random::ends(&mut work, seed, ends), Ok(0));
    checks.equal("end", work.end(), Ok(()));
    checks.equal("all-is-back", before.settled(), Ok(before));
    match supervisor::restarts() {
        Ok(restarts) => println!("probe-restart: {restarts} restarts"),
        Err(refusal) => checks.equal("restarts", Err(refusal), Ok(())),
    }
    checks.code()
}

fn at_calls(checks: &mut Checks, work: &mut Workload) {
    for (name, moment) in [
        ("before-each-call", Moment::Before),
        ("after-each-call", Moment::After),
    ] {
        checks.equal(name, at_each_call(work, moment), Ok(0));
    }
    for (name, moment) in [
        ("before-starting-calls", Moment::Before),
        ("after-starting-calls", Moment::After),
    ] {
        checks.equal(name, while_starting(work, moment), Ok(0));
    }
}

/// What is wrong with the client's view of things.
pub fn wrong(work: &Workload) -> Result<u64, Error> {
    let map = percpu::map(4)?;
    let is_told = work.is_in(&map);
    if !is_told {
        println!("probe-restart: the map is not what is held");
    }
    Ok(u64::from(!is_told) + work.wrong_words()?)
}

/// Works until the server has ended at this call and was started again. How many things were wrong.
fn work_until_restart(work: &mut Workload) -> Result<u64, Error> {
    let before = supervisor::restarts()?;
    for _ in 0..40 * STEPS {
        work.step()?;
        if supervisor::restarts()? > before {
            return wrong(work);
        }
    }
    println!("probe-restart: the server did not end");
    Ok(1)
}

fn at_each_call(work: &mut Workload, moment: Moment) -> Result<u64, Error> {
    let mut bad = 0;
    for calls in 1..=LAST_CALL {
        supervisor::arm_server(calls, moment)?;
        bad += work_until_restart(work)?;
        for _ in 0..STEPS {
            work.step()?;
        }
    }
    Ok(bad)
}

/// The server that follows ends, too, while it finds out who has what; and the one after that takes over.
fn while_starting(work: &mut Workload, moment: Moment) -> Result<u64, Error> {
    let mut bad = 0;
    for calls in 1..=LAST_STARTING_CALL {
        supervisor::arm_next_server(calls, moment)?;
        supervisor::end_server()?;
        for _ in 0..STEPS {
            work.step()?;
        }
        bad += wrong(work)?;
    }
    Ok(bad)
}
