//! Clients that end at any moment: at each of their kernel calls, before it and after it, and by somebody else at
//! random. Whatever they held comes back, to the page.
//!
//! `launched 0 CALLS MOMENT` ends at a kernel call, `launched 1 SEED 0` goes on until somebody ends it.
#![no_std]
#![no_main]

use userlib::abi::percpu::map::head;
use userlib::abi::syscall::{End, Moment};
use userlib::checks::Checks;
use userlib::percpu::{self, Error, Stats};
use userlib::workload::Workload;
use userlib::{Refusal, entry, ipc, println, process, start, supervisor, thread};

entry!(main);

/// Steps of a client that ends at a kernel call.
const STEPS: u64 = 30;
/// More kernel calls than these steps make.
const MOST_CALLS: u64 = 200;
/// Clients that somebody else ends.
const VICTIMS: u64 = 25;
/// How often the counters are asked for until they have to be right.
const MOST_LOOKS: u64 = 100_000;

fn main() -> u64 {
    let mut words = start::argument().split(' ');
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    match start::argument().starts_with("launched ") {
        true => {
            number();
            client([number(), number(), number()])
        }
        false => check_all(),
    }
}

fn client([kind, first, second]: [u64; 3]) -> u64 {
    let (seed, steps) = match kind {
        0 => (7, STEPS),
        _ => (first, u64::MAX),
    };
    let moment = Moment::from_word(second).unwrap_or(Moment::Before);
    if kind == 0 && process::end_at(process::own(), first, moment).is_err() {
        return 1;
    }
    let mut work = Workload::new(seed);
    for _ in 0..steps {
        if let Err(error) = work.step() {
            println!("probe-deaths: {error}");
            return 1;
        }
    }
    // Everything that it holds is left for the server to find.
    0
}

fn check_all() -> u64 {
    let mut checks = Checks::new();
    let Some(before) = checks.success("before", books()) else {
        return checks.code();
    };
    for (name, moment) in [("ends-before", Moment::Before), ("ends-after", Moment::After)] {
        let ended = at_every_call(&before, moment);
        let is_good = matches!(&ended, Ok((calls, 0)) if *calls > STEPS / 2);
        checks.that(
            name,
            is_good,
            format_args!("(calls, ends not made good): {ended:?}"),
        );
        println!("{name}: {ended:?} kernel calls, ends not made good");
    }
    checks.equal("ended-by-others", ended_by_others(&before), Ok(0));
    checks.equal("all-is-back", comes_back(&before), Ok(true));
    checks.code()
}

/// Without what refusals of others have added to.
fn stats() -> Result<Stats, Error> {
    Ok(Stats {
        refused: 0,
        malformed: 0,
        ..percpu::stats()?
    })
}

/// The pools as they are when nothing is kept ready.
fn books() -> Result<(Stats, [u64; 4]), Error> {
    supervisor::drain()?;
    let stats = stats()?;
    let map = percpu::map(4)?;
    let pools = [
        head::DYNAMIC_PAGES,
        head::DYNAMIC_USED,
        head::ON_TOUCH_PAGES,
        head::STOCKS,
    ];
    Ok((stats, pools.map(|at| map.head(at))))
}

/// Ends clients at their first, second, … call, until one gets to its end. How many calls there are, and how many
/// ends were not made good.
fn at_every_call(before: &(Stats, [u64; 4]), moment: Moment) -> Result<(u64, u64), Error> {
    let mut bad = 0;
    for calls in 1..MOST_CALLS {
        let client = supervisor::launch([0, calls, moment as u64])?;
        let end = process::wait(client)?;
        ipc::drop_capability(client)?;
        if !comes_back(before)? {
            println!(
                "probe-deaths: not all is back after an end at call {calls}: {:?}, not {before:?}",
                books()?
            );
            bad += 1;
        }
        match end {
            End::Killed => {}
            End::Exited(0) => return Ok((calls, bad)),
            end => {
                println!("probe-deaths: to end at call {calls}, a client has ended by {end:?}");
                bad += 1;
            }
        }
    }
    Ok((MOST_CALLS, bad))
}

fn ended_by_others(before: &(Stats, [u64; 4])) -> Result<u64, Error> {
    let mut bad = 0;
    for seed in 0..VICTIMS {
        let client = supervisor::launch([1, seed, 0])?;
        for _ in 0..seed * 40 {
            thread::yield_now();
        }
        end(client)?;
        bad += u64::from(!comes_back(before)?);
    }
    Ok(bad)
}

fn end(client: userlib::abi::Handle) -> Result<(), Refusal> {
    process::end(client)?;
    process::wait(client)?;
    ipc::drop_capability(client)
}

/// Whether the counters are soon what they were. The end of a client is told when its memory is back, which may be a
/// moment later than its end is; and between two looks the server may have made something ready.
fn comes_back(before: &(Stats, [u64; 4])) -> Result<bool, Error> {
    for _ in 0..MOST_LOOKS {
        if stats()? == before.0 && books()? == *before {
            return Ok(true);
        }
        thread::give_way();
    }
    Ok(false)
}
