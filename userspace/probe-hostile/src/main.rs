//! Clients that send nonsense: every label with words at the edges of what words can be, capabilities where none
//! belong, memory full of garbage, random messages by the hundred thousand, and random bytes by the million. The server refuses
//! and counts; a client beside them works on, and in the end nothing is lost.
//!
//! `launched 0 SEED COUNT` sends random messages, `launched 1 0 0` those with words at the edges, `launched 2 SEED
//! COUNT` batches of garbage, `launched 5 SEED COUNT` random bytes. Each ends with the number of its messages that were no requests. `probe-hostile:COUNT` sends so
//! many random messages from each of two clients, and four times as many of random bytes from each of two others, and `probe-hostile:cost` measures what a flood costs others.
#![no_std]
#![no_main]

#[expect(unsafe_code, reason = "RDTSC around calls")]
mod cost;
mod garbage;

use userlib::abi::syscall::End;
use userlib::checks::Checks;
use userlib::percpu::{self, Error};
use userlib::workload::{Books, Workload};
use userlib::{Refusal, entry, ipc, println, process, start, supervisor};

entry!(main);

/// Random messages of each hostile client, unless the argument says otherwise.
const MESSAGES: u64 = 100_000;
/// So many times as many messages are of random bytes: they do not become a request by chance.
const BYTES: u64 = 4;
/// Garbage batches, of 32 entries each.
const BATCHES: u64 = 300;

fn main() -> u64 {
    let mut words = start::argument().split(' ');
    let is_launched = words.next() == Some("launched");
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    match is_launched {
        true => launched([number(), number(), number()]),
        false if start::argument() == "cost" => check_cost(),
        false => check_all(start::argument().parse().unwrap_or(MESSAGES)),
    }
}

fn launched([kind, seed, number]: [u64; 3]) -> u64 {
    match kind {
        3 | 4 => match cost::flood(kind, seed, number) {
            Ok(code) => code,
            Err(error) => {
                println!("probe-hostile: {error}");
                1
            }
        },
        _ => garbage::send([kind, seed, number]),
    }
}

/// With `--icount`, what the calls of others cost.
fn check_cost() -> u64 {
    let mut checks = Checks::new();
    let done = cost::check(&mut checks);
    checks.equal("cost", done, Ok(()));
    checks.code()
}

fn check_all(messages: u64) -> u64 {
    let mut checks = Checks::new();
    let Some(before) = checks.success("before", Books::now()) else {
        return checks.code();
    };
    let malformed = || percpu::stats().map_or(0, |stats| stats.malformed);
    let counted = malformed();
    let mut work = Workload::new(3);
    let sent = beside(&mut work, messages);
    checks.that("hostile", sent.is_ok(), format_args!("{sent:?}"));
    let nonsense = sent.map(|sent| sent.iter().sum());
    checks.equal("nonsense-is-counted", Ok(malformed() - counted), nonsense);
    let [.., first, second] = sent.unwrap_or_default();
    let all = [messages * BYTES; 2];
    checks.equal("all-random-bytes-are-nonsense", [first, second], all);
    println!("probe-hostile: {} random messages", 2 * messages + first + second);
    checks.equal("unharmed", work.wrong_words(), Ok(0));
    checks.equal("in-the-map", percpu::map(4).map(|map| work.is_in(&map)), Ok(true));
    checks.equal("end", work.end(), Ok(()));
    checks.equal("server-lives", supervisor::restarts(), Ok(0));
    checks.equal("all-is-back", before.settled(), Ok(before));
    checks.code()
}

/// Hostile clients at once, and work beside them. How many of their messages were no requests.
fn beside(work: &mut Workload, messages: u64) -> Result<[u64; 6], Error> {
    let clients = [
        supervisor::launch([0, 1, messages])?,
        supervisor::launch([0, 2, messages])?,
        supervisor::launch([1, 0, 0])?,
        supervisor::launch([2, 3, BATCHES])?,
        supervisor::launch([5, 4, BYTES * messages])?,
        supervisor::launch([5, 5, BYTES * messages])?,
    ];
    for _ in 0..400 {
        work.step()?;
    }
    let mut nonsense = [0; 6];
    for (client, nonsense) in clients.into_iter().zip(&mut nonsense) {
        match process::wait(client)? {
            End::Exited(code) => *nonsense = code,
            end => {
                println!("probe-hostile: a client ended by {end:?}");
                return Err(Refusal::new(userlib::abi::Status::ProcessEnded).into());
            }
        }
        ipc::drop_capability(client)?;
    }
    Ok(nonsense)
}
