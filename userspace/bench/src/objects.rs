//! What threads, processes and notifications cost, and what it costs to reach other CPUs.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use userlib::checks::Checks;
use userlib::ipc;
use userlib::memory::{Mapping, Memory};
use userlib::notification::Notification;
use userlib::process::Child;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine};

use crate::peer::Crew;
use crate::samples::Samples;
use crate::{stopwatch, warm_up};

/// Rounds of what is dear.
const FEW: usize = 256;
/// Rounds of what takes hold of other CPUs.
const FEWEST: usize = 64;
/// Frames of a process that has nothing, and of its window's tables for each CPU.
const FRAMES: u64 = 16;
const FRAMES_FOR_A_CPU: u64 = 2;

const TAKES_TURNS: &str = "the counter is that of all CPUs, which take turns whenever one of them waits";

/// Rows on one CPU, and the call from CPU to CPU.
pub fn run(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    notifications(checks, samples)?;
    yields(checks, samples)?;
    lives(checks, samples)?;
    if machine::online_cpus() > 1 {
        across(samples)?;
    }
    Ok(())
}

/// There and back, by two notifications.
fn notifications(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    let (there, back) = (Notification::create()?, Notification::create()?);
    // It lives as long as the program.
    let _ = thread::spawn(Place::Cpu(0), move || {
        loop {
            if there.wait().and_then(|bits| back.signal(bits)).is_err() {
                return 1;
            }
        }
    })?;
    let round = || {
        let (answer, cost) = stopwatch::around(|| there.signal(1).and_then(|()| back.wait()));
        if answer == Ok(1) { cost } else { u64::MAX }
    };
    warm_up(round);
    samples.measure(checks, "notification-round-trip", round);
    Ok(())
}

/// Two threads let each other run, so a round has two switches.
fn yields(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let other = thread::spawn(Place::Cpu(0), || {
        while !STOP.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        0
    })?;
    let round = || stopwatch::around(thread::yield_now).1;
    warm_up(round);
    samples.measure_parts(checks, "yield", (FEW, 2), round);
    STOP.store(true, Ordering::Relaxed);
    other.join().map(drop)
}

/// A thread's life with its stack, and a process's with its window.
fn lives(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    // The kernel looks for the place of a new thread from another CPU on each time, so that many are a round.
    let turns = machine::online_cpus();
    let round = || {
        let life = || thread::spawn(Place::Cpu(0), || 5).and_then(Thread::join);
        let (all, cost) = stopwatch::around(|| (0..turns).all(|_| life() == Ok(5)));
        if all { cost } else { u64::MAX }
    };
    warm_up(round);
    samples.measure_parts(checks, "thread-create-end", (FEWEST, turns as u64), round);
    let frames = FRAMES + FRAMES_FOR_A_CPU * machine::possible_cpus() as u64;
    let life = || -> Result<(), Refusal> {
        let child = Child::create(frames, "bench-life")?;
        child.end()?;
        ipc::drop_capability(child.window())?;
        ipc::drop_capability(child.process())
    };
    let round = || {
        let (lived, cost) = stopwatch::around(life);
        if lived.is_ok() { cost } else { u64::MAX }
    };
    warm_up(round);
    samples.measure_parts(checks, "process-create-end", (FEW, 1), round);
    Ok(())
}

/// A call to a server whose only thread is on another CPU. The witness tells both sides apart.
fn across(samples: &mut Samples) -> Result<(), Refusal> {
    let far: Option<usize> = machine::online().nth(1);
    let Crew { endpoint }: Crew = Crew::start(far.into_iter())?;
    let round = || stopwatch::round_trip(endpoint);
    warm_up(round);
    samples.measure_varying("call-other-cpu", FEW, TAKES_TURNS, round);
    Ok(())
}

/// A page is taken away from other CPUs that use the address space.
pub fn shoot_down(samples: &mut Samples) -> Result<(), Refusal> {
    for (name, others) in [
        ("unmap-from-1-other", 1),
        ("unmap-from-8-others", 8),
        ("unmap-from-64-others", 64),
    ] {
        if machine::online_cpus() > others {
            unmap_from(samples, name, others)?;
        }
    }
    Ok(())
}

fn unmap_from(samples: &mut Samples, name: &'static str, others: usize) -> Result<(), Refusal> {
    static READY: AtomicUsize = AtomicUsize::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    READY.store(0, Ordering::Relaxed);
    STOP.store(false, Ordering::Relaxed);
    let mut users = [const { None }; 64];
    for (cpu, user) in machine::online().skip(1).take(others).zip(&mut users) {
        *user = Some(thread::spawn(Place::Cpu(cpu), || {
            READY.fetch_add(1, Ordering::Relaxed);
            while !STOP.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
            0
        })?);
    }
    while READY.load(Ordering::Relaxed) < others {
        core::hint::spin_loop();
    }
    let mut memory = Mapping::new(Memory::own(1)?)?.unmap();
    samples.measure_varying(name, FEWEST, TAKES_TURNS, || {
        let mapping = memory.take().and_then(|memory| Mapping::new(memory).ok());
        let (unmapped, cost) = stopwatch::around(|| mapping.and_then(Mapping::unmap));
        memory = unmapped;
        if memory.is_some() { cost } else { u64::MAX }
    });
    STOP.store(true, Ordering::Relaxed);
    users
        .into_iter()
        .flatten()
        .try_for_each(|user| user.join().map(drop))
}
