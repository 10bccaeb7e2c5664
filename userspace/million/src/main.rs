//! A million random operations by 8 clients of the percpu server, each on a CPU of its own if there are so many; then
//! everything is where it was: every page, frame, region and client, and each client's quota.
//!
//! `million:SEED,OPERATIONS` for another seed and another number of operations, of all clients together.
#![no_std]
#![no_main]

mod client;

use userlib::abi::Handle;
use userlib::abi::percpu::map::head;
use userlib::abi::syscall::End;
use userlib::checks::Checks;
use userlib::percpu::{self, Error};
use userlib::random::Random;
use userlib::workload::Books;
use userlib::{census, entry, ipc, machine, println, process, start, supervisor, thread};

entry!(main);

const CLIENTS: u64 = 8;
const OPERATIONS: u64 = 1_000_000;
/// How often it is looked whether everything has come back: the end of a client is told a moment after it.
const MOST_LOOKS: u64 = 1000;

fn main() -> u64 {
    let argument = start::argument();
    if argument.starts_with("launched ") {
        return client::run(argument);
    }
    let (seed, operations) = argument.split_once(',').unwrap_or((argument, ""));
    let seed = seed.parse().unwrap_or(1);
    let operations = operations.parse().unwrap_or(OPERATIONS);
    println!("million: seed {seed}, {operations} operations, {CLIENTS} clients");
    let mut checks = Checks::new();
    let Some(before) = checks.success("before", make_room().and_then(|()| everything())) else {
        return checks.code();
    };
    let restarts = supervisor::restarts();
    checks.equal("clients", clients(seed, operations / CLIENTS), Ok(0));
    let map = percpu::map(16);
    if let Some(map) = checks.success("map", map) {
        let counts = [head::GRANTED, head::DESTROYED, head::REFUSED, head::BURIED].map(|at| map.head(at));
        println!("million: granted, destroyed, refused, buried: {counts:?}");
        checks.equal("no-nonsense", map.head(head::MALFORMED), 0);
    }
    checks.equal("server-lives", supervisor::restarts(), restarts);
    checks.equal("everything-is-back", settled(&before), Ok(before));
    checks.code()
}

/// What the percpu server has given out and has; frames that init has used but for its kernel objects, frames that the pools
/// have used, and the bytes of the objects.
type Everything = (Books, [u64; 3]);

fn everything() -> Result<Everything, Error> {
    let books = Books::now()?;
    let [own, pools, objects, bytes] = supervisor::frames()?;
    Ok((books, [own - objects, pools, bytes]))
}

/// Has as many clients as there will be, so that room in the tables of others is made before anything is counted.
fn make_room() -> Result<(), Error> {
    let (before, books) = (census::now()?, Books::now()?);
    for client in launch(&mut Random::new(1), client::UNTIL_ENDED)? {
        process::end(client)?;
        process::wait(client)?;
        ipc::drop_capability(client)?;
    }
    books.settled()?;
    Ok(census::quiet(&before).map(drop)?)
}

fn settled(before: &Everything) -> Result<Everything, Error> {
    for _ in 0..MOST_LOOKS {
        if everything()? == *before {
            break;
        }
        thread::give_way();
    }
    everything()
}

/// All clients at once. How many things were wrong.
fn clients(seed: u64, operations: u64) -> Result<u64, Error> {
    let mut wrong = 0;
    for client in launch(&mut Random::new(seed), operations)? {
        match process::wait(client)? {
            End::Exited(count) => wrong += count,
            end => {
                println!("million: a client ended by {end:?}");
                wrong += 1;
            }
        }
        ipc::drop_capability(client)?;
    }
    Ok(wrong)
}

fn launch(random: &mut Random, operations: u64) -> Result<[Handle; CLIENTS as usize], Error> {
    let cpus = machine::possible_cpus() as u64;
    let mut clients = [Handle::NONE; CLIENTS as usize];
    for (cpu, client) in (0..).zip(&mut clients) {
        *client = supervisor::launch([random.number(), operations, cpu % cpus])?;
    }
    Ok(clients)
}
