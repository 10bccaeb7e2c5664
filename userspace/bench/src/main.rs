//! Measures the kernel in instructions, with the time stamp counter as the stop-watch.
//!
//! For `cargo run-qemu bench --icount`, where the counter counts instructions and every undisturbed round of a
//! measurement costs exactly the same; anything else is a check that fails. `userlib::rounds` says what a row is;
//! behind it stands what others need and what we promise. When this program has ended, the launcher's `bench` runs
//! `bench-percpu` and `areas`, one after the other. What a reading of nothing costs is taken away; the caller's own stubs (loading all nine words) are not.
#![no_std]
#![no_main]

mod anchors;
mod flat;
mod interrupts;
mod objects;
#[expect(unsafe_code, reason = "maps machine code into a process of its own")]
mod peer;
mod samples;
#[expect(unsafe_code, reason = "RDTSC around system calls")]
mod stopwatch;
mod storm;

use userlib::abi::Handle;
use userlib::abi::syscall::{CpuMask, DEFAULT_PRIORITY};
use userlib::checks::Checks;
use userlib::memory::{Mapping, Memory};
use userlib::{MessagePage, Refusal, entry, fault, println, process, start, thread};

use peer::{Home, Peer};
use samples::{Samples, Stopwatch};

entry!(main);

/// Of the driver, and the most that the table of programs lets this one have.
const HIGHEST: u64 = 5;
/// Calls before a measurement, so that nothing in it happens for the first time.
const WARM_UP: usize = 64;
/// Thousands of instructions before the first measurement.
const SETTLING: usize = 10_000;

fn main() -> Result<u64, Refusal> {
    // Only the driver of the timer is more urgent than whoever is measured.
    process::set_priority(process::own(), HIGHEST, DEFAULT_PRIORITY)?;
    thread::set_priority(Handle::NONE, DEFAULT_PRIORITY)?;
    thread::bind_self(&CpuMask::only(0))?;
    let mut checks = Checks::new();
    let watch = Stopwatch::find();
    println!("bench counted {}", if watch.is_exact { "yes" } else { "no" });
    if !watch.is_exact {
        println!("bench: without --icount the numbers below are time, not instructions, and vary");
    }
    let mut samples = Samples::new(watch);
    // While other CPUs still start, the emulator's one clock runs on, and slices end early here.
    (0..SETTLING).for_each(|_| {
        stopwatch::thousand();
    });
    samples.measure(&mut checks, "empty", stopwatch::empty);
    match start::argument() {
        "flat" => flat::run(&mut checks, &mut samples)?,
        "storm" => storm::run(&mut checks)?,
        "shoot-down" => objects::shoot_down(&mut samples)?,
        _ => everything(&mut checks, &mut samples)?,
    }
    Ok(checks.code())
}

fn everything(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    warm_up(stopwatch::nothing);
    samples.measure(checks, "syscall", stopwatch::nothing);
    warm_up(stopwatch::unknown_call);
    samples.measure(checks, "syscall-refused", stopwatch::unknown_call);
    // Before this thread has FPU state.
    objects::run(checks, samples)?;
    objects::shoot_down(samples)?;
    calls(checks, samples)?;
    pages(checks, samples)?;
    interrupts::measure(checks, samples)
}

fn calls(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    let other = Peer::start(Home::Other, peer::echo())?;
    warm_up(|| stopwatch::round_trip(other.endpoint));
    samples.measure(checks, "round-trip", || stopwatch::round_trip(other.endpoint));
    samples.measure(checks, "round-trip-userlib", || {
        stopwatch::through_userlib(other.endpoint)
    });
    let clock = Peer::start(Home::Other, peer::clock())?;
    warm_up(|| stopwatch::one_way(clock.endpoint)[0]);
    samples.measure(checks, "call", || stopwatch::one_way(clock.endpoint)[0]);
    let back = Peer::start(Home::Other, peer::clock_back())?;
    warm_up(|| stopwatch::one_way(back.endpoint)[1]);
    samples.measure(checks, "reply-receive", || stopwatch::one_way(back.endpoint)[1]);
    let own = Peer::start(Home::Own, peer::echo())?;
    warm_up(|| stopwatch::round_trip(own.endpoint));
    samples.measure(checks, "round-trip-same-space", || {
        stopwatch::round_trip(own.endpoint)
    });
    let floor = Peer::start(Home::Other, peer::echo_floor())?;
    warm_up(|| stopwatch::round_trip(floor.endpoint));
    samples.measure(checks, "round-trip-floor", || {
        stopwatch::round_trip(floor.endpoint)
    });
    let long = Peer::start(Home::Other, peer::echo_long())?;
    let page = MessagePage::new()?;
    warm_up(|| stopwatch::round_trip_long(long.endpoint, &page));
    samples.measure(checks, "round-trip-10", || {
        stopwatch::round_trip_long(long.endpoint, &page)
    });
    drop(page);
    let handler = Peer::start(Home::Other, peer::resume())?;
    fault::tell(Handle::NONE, Some(handler.endpoint))?;
    warm_up(stopwatch::fault);
    samples.measure(checks, "fault-round-trip", stopwatch::fault);
    fault::tell(Handle::NONE, None)?;
    // From here on this thread has FPU state, too.
    stopwatch::use_fpu();
    let fpu = Peer::start(Home::Other, peer::echo_fpu())?;
    warm_up(|| stopwatch::round_trip(fpu.endpoint));
    samples.measure(checks, "round-trip-fpu", || stopwatch::round_trip(fpu.endpoint));
    let words = stopwatch::echoed(other.endpoint);
    checks.equal("words-come-back", words, stopwatch::WORDS);
    Ok(())
}

/// Pages mapped and unmapped at once.
const PAGES: u64 = 512;
/// Rounds of that.
const ROUNDS: usize = 64;

/// Mapping and unmapping, for each page; the page tables are there already.
fn pages(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    let mut memory = Mapping::new(Memory::own(PAGES)?)?.unmap();
    samples.measure_parts(checks, "map", (ROUNDS, PAGES), || {
        let taken = memory.take();
        let (mapping, cost) = stopwatch::around(|| taken.and_then(|memory| Mapping::new(memory).ok()));
        memory = mapping.and_then(Mapping::unmap);
        if memory.is_some() { cost } else { u64::MAX }
    });
    samples.measure_parts(checks, "unmap", (ROUNDS, PAGES), || {
        let mapping = memory.take().and_then(|memory| Mapping::new(memory).ok());
        let (unmapped, cost) = stopwatch::around(|| mapping.and_then(Mapping::unmap));
        memory = unmapped;
        if memory.is_some() { cost } else { u64::MAX }
    });
    Ok(())
}

/// Does it a few times first.
fn warm_up(round: impl Fn() -> u64) {
    (0..WARM_UP).for_each(|_| {
        round();
    });
}
