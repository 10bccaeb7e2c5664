//! Everything at once: clients that make, touch, use and give back regions of all kinds, and are ended at random
//! moments; a percpu server that is ended, too, and started again; CPUs that go and come, and threads that are sent about
//! and count. What was survived is printed.
//!
//! `stress:SEED` for another seed, `stress:SEED,ROUNDS` for more or fewer rounds.
#![no_std]
#![no_main]

mod weather;
mod worker;

use userlib::abi::Handle;
use userlib::abi::percpu::map::head;
use userlib::abi::syscall::{End, Moment};
use userlib::percpu::{self, Error};
use userlib::random::Random;
use userlib::workload::{Books, Workload};
use userlib::{entry, ipc, println, process, start, supervisor, thread};

use weather::Weather;

entry!(main);

/// Clients at once.
const WORKERS: usize = 4;
const ROUNDS: u64 = 24;

/// What was survived.
#[derive(Debug, Default)]
struct Tally {
    steps: u64,
    clients: u64,
    ended_at_a_call: u64,
    ended_by_others: u64,
    finished: u64,
    wrong: u64,
}

fn main() -> Result<u64, Error> {
    let argument = start::argument();
    if argument.starts_with("launched ") {
        return Ok(worker::run(argument));
    }
    let (seed, rounds) = argument.split_once(',').unwrap_or((argument, ""));
    let seed = seed.parse().unwrap_or(1);
    let rounds = rounds.parse().unwrap_or(ROUNDS);
    println!("stress: seed {seed}, {rounds} rounds, {WORKERS} clients at once");
    run(seed, rounds)
}

fn run(seed: u64, rounds: u64) -> Result<u64, Error> {
    let before = Books::now()?;
    let mut random = Random::new(seed);
    let mut work = Workload::new(random.number());
    let mut tally = Tally::default();
    let mut weather = Weather::new(&mut random).map_err(Error::Kernel)?;
    for _ in 0..rounds {
        weather.change(&mut random).map_err(Error::Kernel)?;
        round(&mut random, &mut work, &mut tally)?;
    }
    let climate = weather.end().map_err(Error::Kernel)?;
    tally.wrong += u64::from(!climate.is_right);
    tally.wrong += work.wrong_words()?;
    work.end()?;
    let after = before.settled()?;
    let is_back = before.covers(&after);
    let map = percpu::map(4)?;
    let Tally {
        steps,
        clients,
        ended_at_a_call,
        ended_by_others,
        finished,
        wrong,
    } = tally;
    println!(
        "stress: survived {} ends of the percpu server",
        supervisor::restarts()?
    );
    println!(
        "stress: survived {ended_at_a_call} clients that ended at a kernel call, {ended_by_others} ended by others"
    );
    println!(
        "stress: survived {} CPUs that went; {} increments on whatever CPU, {} changes of place",
        climate.gone, climate.hits, climate.moves
    );
    println!("stress: {finished} of {clients} clients finished; this one took {steps} steps");
    println!(
        "stress: {} regions granted, {} answers given again, {} clients buried",
        map.head(head::GRANTED),
        map.head(head::ANSWERED_AGAIN),
        map.head(head::BURIED)
    );
    println!(
        "stress: wrong {wrong}; pages {}",
        if is_back { "all back" } else { "LOST" }
    );
    if !is_back {
        println!("stress: {before:?} became {after:?}");
    }
    Ok(u64::from(wrong > 0 || !is_back))
}

/// Clients come, work, and end somehow, while this one works and the server ends somehow.
fn round(random: &mut Random, work: &mut Workload, tally: &mut Tally) -> Result<(), Error> {
    let mut workers = [Handle::NONE; WORKERS];
    for worker in &mut workers {
        let calls = match random.below(3) {
            0 => 1 + random.below(60),
            _ => 0,
        };
        *worker = supervisor::launch([random.number(), calls, random.below(2)])?;
        tally.clients += 1;
    }
    match random.below(3) {
        0 => supervisor::end_server()?,
        1 => {
            let moment = Moment::from_word(random.below(2)).unwrap_or(Moment::Before);
            supervisor::arm_server(1 + random.below(40), moment)?;
        }
        _ => {}
    }
    for _ in 0..8 + random.below(24) {
        work.step()?;
        tally.steps += 1;
    }
    tally.wrong += u64::from(!work.is_in(&percpu::map(16)?));
    for worker in workers {
        if random.below(3) == 0 {
            (0..random.below(50)).for_each(|_| thread::yield_now());
            process::end(worker)?;
            tally.ended_by_others += 1;
            process::wait(worker)?;
        } else {
            match process::wait(worker)? {
                End::Exited(0) => tally.finished += 1,
                End::Killed => tally.ended_at_a_call += 1,
                end => {
                    println!("stress: a client ended by {end:?}");
                    tally.wrong += 1;
                }
            }
        }
        ipc::drop_capability(worker)?;
    }
    Ok(())
}
