//! CPUs go and come by a seed, while servers are called, regions are made, touched and given back, memory is mapped and
//! taken away, and processes are ended. Every call is answered once, and everything comes back.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use userlib::abi::{Handle, Message, PAGE_SIZE};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::memory::Mapping;
use userlib::percpu::{Error, Populate, Region};
use userlib::random::Random;
use userlib::thread::{self, Place, Thread};
use userlib::workload::{Books, Workload};
use userlib::{Refusal, machine, percpu, process, supervisor};

use crate::helpers::{off, on};

percpu! { static SERVED: PerCpuCell<u64> = 0; }

static STOP: AtomicBool = AtomicBool::new(false);
static CALLED: AtomicU64 = AtomicU64::new(0);

/// The label that ends a server.
const END: u64 = 99;
const CALLERS: usize = 4;
/// Changes of CPUs in a round.
const CHANGES: u64 = 4;

/// A client that works until somebody ends it.
pub fn client(seed: u64) -> u64 {
    let mut work = Workload::new(seed);
    loop {
        if let Err(error) = work.step() {
            userlib::println!("probe-offline: {error}");
            return 1;
        }
        thread::yield_now();
    }
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle, seed: u64, rounds: u64) {
    userlib::println!("probe-offline: seed {seed}, {rounds} rounds");
    // All that are online at first; others would not come.
    let all = machine::online_cpus();
    let Some(before) = checks.success("churn-books", Books::now()) else {
        return;
    };
    let frames = || process::stats(process::own()).map(|stats| (stats.frames_used, stats.threads));
    // What the first round leaves of page tables stays.
    let first = run(machine, all, seed, 1);
    checks.that("churn-first", matches!(first, Ok(0)), format_args!("{first:?}"));
    let used = frames();
    let wrong = run(machine, all, seed, rounds);
    checks.that("churn", matches!(wrong, Ok(0)), format_args!("{wrong:?}"));
    checks.equal("churn-frames-are-back", frames(), used);
    checks.equal("churn-cpus-are-back", machine::online_cpus(), all);
    let (served, called) = (SERVED.sum(), CALLED.load(SeqCst));
    checks.that("churn-called", called > 0, format_args!("no call was made"));
    checks.equal("churn-every-call-is-served-once", served, called);
    let after = before.settled();
    let is_back = after.is_ok_and(|after| before.covers(&after));
    checks.that(
        "churn-all-is-back",
        is_back,
        format_args!("{after:?}, not {before:?}"),
    );
}

/// How many things were wrong.
fn run(machine: Handle, cpus: usize, seed: u64, rounds: u64) -> Result<u64, Error> {
    STOP.store(false, SeqCst);
    let endpoint = Endpoint::create()?;
    let mut servers = [const { None }; userlib::abi::MAX_CPUS];
    for (cpu, server) in machine::online().zip(&mut servers) {
        *server = Some(thread::spawn(Place::Cpu(cpu), move || serve(endpoint))?);
    }
    let others = [
        thread::spawn(Place::Anywhere, move || map_and_unmap(seed))?,
        thread::spawn(Place::Anywhere, move || grant_and_destroy(seed))?,
    ];
    let mut callers = [const { None }; CALLERS];
    for slot in &mut callers {
        *slot = Some(thread::spawn(Place::Anywhere, move || call(endpoint))?);
    }
    let mut random = Random::new(seed);
    let mut wrong = 0;
    for _ in 0..rounds {
        wrong += round(machine, cpus, &mut random)?;
    }
    for cpu in 1..cpus {
        // Those that are not off say so.
        let _ = on(machine, cpu);
    }
    STOP.store(true, SeqCst);
    for thread in callers.into_iter().flatten().chain(others) {
        wrong += thread.join()?;
    }
    for _ in servers.iter().flatten() {
        endpoint.call(&Message::new(END, [0; 6]))?;
    }
    let ended = servers.into_iter().flatten().map(Thread::join);
    wrong += ended.sum::<Result<u64, Refusal>>()?;
    ipc::drop_capability(endpoint.0)?;
    Ok(wrong)
}

/// CPUs change at random, and a process is ended in between.
fn round(machine: Handle, cpus: usize, random: &mut Random) -> Result<u64, Error> {
    let client = supervisor::launch([random.number(), 0, 0])?;
    let mut wrong = 0;
    for change in 0..CHANGES {
        let cpu = 1 + random.below(cpus as u64 - 1) as usize;
        let done = match machine::is_online(cpu) {
            true => off(machine, cpu),
            false => on(machine, cpu),
        };
        wrong += u64::from(done.is_err());
        if change == CHANGES / 2 {
            process::end(client)?;
        }
        (0..random.below(16)).for_each(|_| thread::yield_now());
    }
    process::wait(client)?;
    ipc::drop_capability(client)?;
    Ok(wrong)
}

/// Half of the servers are bound firmly, the others loosely: these have to go on with the call that they have.
fn serve(endpoint: Endpoint) -> u64 {
    let cpu = machine::this_cpu_hint();
    if cpu.is_multiple_of(2) {
        let _ = thread::bind_self_loosely(&userlib::abi::syscall::CpuMask::only(cpu));
    }
    let mut received = endpoint.receive();
    while let Ok(message) = received {
        if message.message.label == END {
            return u64::from(ipc::reply(&message.message).is_err());
        }
        SERVED.increment();
        let word = message.message.words[0];
        received = endpoint.reply_receive(&Message::new(0, [word + 1, 0, 0, 0, 0, 0]));
    }
    1
}

fn call(endpoint: Endpoint) -> u64 {
    let mut wrong = 0;
    let mut word = 0;
    while !STOP.load(SeqCst) {
        word += 1;
        let answer = endpoint.call(&Message::new(1, [word, 0, 0, 0, 0, 0]));
        wrong += u64::from(answer.map(|answer| answer.words[0]) != Ok(word + 1));
        CALLED.fetch_add(1, SeqCst);
        thread::yield_now();
    }
    wrong
}

/// Memory of this program, which other CPUs have to forget each time.
fn map_and_unmap(seed: u64) -> u64 {
    let mut wrong = 0;
    let mut random = Random::new(seed ^ 1);
    while !STOP.load(SeqCst) {
        let Ok(mut mapping) = Mapping::own(1 + random.below(3)) else {
            return 1;
        };
        wrong += mapping.as_mut_slice().iter().filter(|byte| **byte != 0).count() as u64;
        mapping.as_mut_slice().fill(0xa5);
        thread::yield_now();
    }
    wrong
}

/// The same with pages of the window, touched on the CPU where the thread is.
fn grant_and_destroy(seed: u64) -> u64 {
    let mut wrong = 0;
    let mut random = Random::new(seed ^ 2);
    while !STOP.load(SeqCst) {
        let populate = match random.below(2) {
            0 => Populate::All,
            _ => Populate::OnTouch,
        };
        let Ok(region) = Region::create(2 * PAGE_SIZE, populate, "churn") else {
            return 1;
        };
        for offset in [0, PAGE_SIZE] {
            if let Some(cell) = region.cell::<u64>(offset) {
                cell.increment();
            }
        }
        let sums = [0, PAGE_SIZE].map(|offset| region.sum_touched(offset));
        wrong += sums.iter().filter(|sum| **sum != Ok(Some(1))).count() as u64;
        wrong += u64::from(region.destroy().is_err());
        thread::yield_now();
    }
    wrong
}
