//! The percpu server ends at each of its kernel calls, before it and after it, while a client works; then at each
//! call that it makes when it starts again; then at random instructions. After each end the map is what the client
//! holds, every counter has kept its count, and no page is lost. The client notices nothing.
#![no_std]
#![no_main]

use userlib::abi::syscall::Moment;
use userlib::checks::Checks;
use userlib::percpu::{self, Error};
use userlib::random::Random;
use userlib::workload::{Books, Workload};
use userlib::{entry, println, supervisor, thread};

entry!(main);

/// Steps between two ends, at most: each makes a kernel call or two of the server's.
const STEPS: u64 = 12;
/// The last call of the server at which it ends.
const LAST_CALL: u64 = 24;
/// Calls of a server that starts again at which it ends.
const LAST_STARTING_CALL: u64 = 60;
/// Ends at random.
const RANDOM_ENDS: u64 = 20;

fn main() -> u64 {
    let mut checks = Checks::new();
    let Some(before) = checks.success("before", Books::now()) else {
        return checks.code();
    };
    let mut work = Workload::new(11);
    for (name, moment) in [
        ("before-each-call", Moment::Before),
        ("after-each-call", Moment::After),
    ] {
        checks.equal(name, at_each_call(&mut work, moment), Ok(0));
    }
    for (name, moment) in [
        ("before-starting-calls", Moment::Before),
        ("after-starting-calls", Moment::After),
    ] {
        checks.equal(name, while_starting(&mut work, moment), Ok(0));
    }
    checks.equal("at-random", at_random(&mut work), Ok(0));
    checks.equal("end", work.end(), Ok(()));
    checks.equal("all-is-back", Books::now(), Ok(before));
    match supervisor::restarts() {
        Ok(restarts) => println!("probe-restart: {restarts} restarts"),
        Err(refusal) => checks.equal("restarts", Err(refusal), Ok(())),
    }
    checks.code()
}

/// What is wrong with the client's view of things.
fn wrong(work: &Workload) -> Result<u64, Error> {
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

fn at_random(work: &mut Workload) -> Result<u64, Error> {
    let mut random = Random::new(5);
    let mut bad = 0;
    for _ in 0..RANDOM_ENDS {
        let ender = thread::spawn(thread::Place::Anywhere, {
            let turns = random.below(400);
            move || {
                (0..turns).for_each(|_| thread::yield_now());
                u64::from(supervisor::end_server().is_err())
            }
        })?;
        for _ in 0..2 * STEPS {
            work.step()?;
        }
        bad += ender.join()? + wrong(work)?;
    }
    Ok(bad)
}
