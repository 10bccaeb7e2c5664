//! What a client's calls cost in instructions while hostile clients flood the server from other CPUs, and from its own.
//!
//! Under `--icount` the time stamp counter counts the instructions of all CPUs, but they run one after another, for a long
//! while each: most rounds have only the client's own in them, and the median is exact.

use core::arch::asm;

use userlib::abi::syscall::CpuMask;
use userlib::abi::{Handle, PAGE_SIZE};
use userlib::checks::Checks;
use userlib::ipc::Endpoint;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::random::Random;
use userlib::{ipc, machine, println, process, supervisor, thread};

use crate::garbage;

/// Measured rounds.
const ROUNDS: usize = 2001;
/// What a client may pay for a flood from its own CPU, where each slice's end takes it to another program.
const MOST_FOR_NEIGHBOURS: u64 = 100;
/// Hostile clients at once.
const FLOODS: usize = 3;

/// `launched 3 SEED CPU`: floods from this CPU until somebody ends it; `launched 4 0 CPU`: waits for that.
pub fn flood(kind: u64, seed: u64, cpu: u64) -> Result<u64, Error> {
    thread::bind_self(&CpuMask::only(cpu as usize))?;
    if kind == 4 {
        Endpoint::create()?.receive()?;
    }
    let mut random = Random::new(seed);
    loop {
        // Each of them is refused or changes only what is this client's.
        let _ = garbage::random(&mut random, 1000)?;
    }
}

/// The time stamp counter.
#[inline(always)]
fn now() -> u64 {
    let [low, high]: [u64; 2];
    // SAFETY: reads a counter that programs may read.
    unsafe { asm!("rdtsc", out("rax") low, out("rdx") high, options(nostack)) };
    high << 32 | low
}

/// What a call costs in most rounds, and how many rounds were dearer.
fn measure(name: &str, what: &str, mut call: impl FnMut() -> Result<(), Error>) -> Result<u64, Error> {
    let mut costs = [0; ROUNDS];
    for cost in &mut costs {
        let start = now();
        call()?;
        *cost = now().wrapping_sub(start);
    }
    costs.sort_unstable();
    let median = costs[ROUNDS / 2];
    let [min, max] = [costs[0], costs[ROUNDS - 1]];
    let disturbed = costs.iter().filter(|cost| **cost != median).count();
    println!("bench {name}-{what} {median} min {min} max {max} disturbed {disturbed} rounds {ROUNDS}");
    Ok(median)
}

/// The client's calls: one that asks, and two that change something.
fn calls(what: &str) -> Result<[u64; 2], Error> {
    let ask = measure("victim-stats", what, || percpu::stats().map(drop))?;
    let change = measure("victim-create-destroy", what, || {
        Region::create(PAGE_SIZE, Populate::None, "victim")?.destroy()
    })?;
    Ok([ask, change])
}

/// The same while others do something. How many of their messages were counted meanwhile, too.
fn beside(kind: u64, cpus: [u64; FLOODS], what: &str) -> Result<([u64; 2], u64), Error> {
    let mut clients = [Handle::NONE; FLOODS];
    for (seed, (client, cpu)) in (1..).zip(clients.iter_mut().zip(cpus)) {
        *client = supervisor::launch([kind, seed, cpu])?;
    }
    // Until they have begun.
    let begun = percpu::stats()?.malformed + u64::from(kind == 3) * 100;
    while percpu::stats()?.malformed < begun {
        thread::yield_now();
    }
    let before = percpu::stats()?.malformed;
    let costs = calls(what)?;
    let counted = percpu::stats()?.malformed - before;
    for client in clients {
        process::end(client)?;
        process::wait(client)?;
        ipc::drop_capability(client)?;
    }
    Ok((costs, counted))
}

/// Measures and compares.
pub fn check(checks: &mut Checks) -> Result<(), Error> {
    let own = machine::possible_cpus() as u64 - 1;
    thread::bind_self(&CpuMask::only(own as usize))?;
    let others = [0, 1, 2].map(|cpu| cpu % own.max(1));
    let (alone, none) = beside(4, others, "alone")?;
    checks.equal("nobody-floods", none, 0);
    let (flooded, counted) = beside(3, others, "flooded-from-other-cpus")?;
    checks.that(
        "flood-from-others",
        counted > 1000,
        format_args!("{counted} messages"),
    );
    checks.equal("others-do-not-notice", flooded, alone);
    let (near, counted) = beside(3, [own; FLOODS], "flooded-from-own-cpu")?;
    checks.that(
        "flood-from-own-cpu",
        counted > 1000,
        format_args!("{counted} messages"),
    );
    let is_near = near
        .iter()
        .zip(alone)
        .all(|(near, alone)| *near <= alone + MOST_FOR_NEIGHBOURS);
    checks.that(
        "neighbours-pay-little",
        is_near,
        format_args!("{near:?}, not {alone:?}"),
    );
    Ok(())
}
