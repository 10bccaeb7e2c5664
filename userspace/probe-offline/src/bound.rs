//! Threads that are bound to a CPU that goes.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use userlib::abi::Handle;
use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::notification::Notification;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, ipc, machine};

use crate::helpers::{off, on, soon, stays};

static TURNS: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    for cpu in machine::online().skip(1) {
        runs(checks, machine, cpu).unwrap_or_else(|refusal| failed(checks, refusal));
        waits(checks, machine, cpu).unwrap_or_else(|refusal| failed(checks, refusal));
    }
    loosely(checks, machine).unwrap_or_else(|refusal| failed(checks, refusal));
    moved(checks, machine).unwrap_or_else(|refusal| failed(checks, refusal));
}

fn failed(checks: &mut Checks, refusal: Refusal) {
    checks.that("bound", false, format_args!("{refusal}"));
}

fn turn(cpu: usize) -> u64 {
    let mut strays = 0;
    while !STOP.load(SeqCst) {
        TURNS.fetch_add(1, SeqCst);
        strays += u64::from(machine::this_cpu_hint() != cpu);
    }
    strays
}

fn is_turning() -> bool {
    let before = TURNS.load(SeqCst);
    soon(|| TURNS.load(SeqCst) > before + 10)
}

fn stop(thread: Thread) -> Result<u64, Refusal> {
    STOP.store(true, SeqCst);
    let code = thread.join();
    STOP.store(false, SeqCst);
    code
}

/// One that runs is suspended, and goes on with the CPU.
fn runs(checks: &mut Checks, machine: Handle, cpu: usize) -> Result<(), Refusal> {
    let thread = thread::spawn(Place::Cpu(cpu), move || turn(cpu))?;
    checks.equal("bound-runs", is_turning(), true);
    off(machine, cpu)?;
    checks.equal("bound-is-suspended", stays(&TURNS), true);
    on(machine, cpu)?;
    checks.equal("bound-is-resumed", is_turning(), true);
    checks.equal("bound-stayed", stop(thread)?, 0);
    Ok(())
}

/// One that waits is kept when it is woken, until the CPU is back, or until it is bound elsewhere.
fn waits(checks: &mut Checks, machine: Handle, cpu: usize) -> Result<(), Refusal> {
    for is_bound_elsewhere in [false, true] {
        static STEP: AtomicU64 = AtomicU64::new(0);
        STEP.store(0, SeqCst);
        let bell = Notification::create()?;
        let thread = thread::spawn(Place::Cpu(cpu), move || {
            STEP.store(1, SeqCst);
            let bits = bell.wait().unwrap_or(0);
            STEP.store(2, SeqCst);
            bits << 8 | machine::this_cpu_hint() as u64
        })?;
        checks.equal("waiter-waits", soon(|| STEP.load(SeqCst) == 1), true);
        stays(&STEP);
        off(machine, cpu)?;
        bell.signal(5)?;
        checks.equal("waiter-is-kept", stays(&STEP) && STEP.load(SeqCst) == 1, true);
        let place = match is_bound_elsewhere {
            true => {
                thread.bind(&CpuMask::only(0))?;
                0
            }
            false => {
                on(machine, cpu)?;
                cpu
            }
        };
        checks.equal("waiter-goes-on", thread.join()?, 5 << 8 | place as u64);
        if is_bound_elsewhere {
            on(machine, cpu)?;
        }
        ipc::drop_capability(bell.0)?;
    }
    Ok(())
}

/// One that is bound loosely goes on elsewhere, and comes back with the CPU.
fn loosely(checks: &mut Checks, machine: Handle) -> Result<(), Refusal> {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let cpu = machine::online_cpus() - 1;
    let thread = thread::spawn(Place::Cpu(cpu), move || {
        while !STOP.load(SeqCst) {
            SEEN.store(machine::this_cpu_hint() as u64, SeqCst);
            TURNS.fetch_add(1, SeqCst);
        }
        0
    })?;
    thread.bind_loosely(&CpuMask::only(cpu))?;
    off(machine, cpu)?;
    checks.equal("loose-goes-on", is_turning(), true);
    let elsewhere = SEEN.load(SeqCst) != cpu as u64;
    checks.equal("loose-is-elsewhere", elsewhere, true);
    on(machine, cpu)?;
    checks.equal("loose-comes-back", soon(|| SEEN.load(SeqCst) == cpu as u64), true);
    checks.equal("loose-ends", stop(thread)?, 0);
    Ok(())
}

/// One that was bound to two CPUs, of which one goes, is on the other.
fn moved(checks: &mut Checks, machine: Handle) -> Result<(), Refusal> {
    let cpus = machine::online_cpus();
    if cpus < 3 {
        return Ok(());
    }
    let mut both = CpuMask::only(1);
    both.insert(2);
    let thread = thread::spawn(Place::Cpu(1), move || {
        let mut strays = 0;
        while !STOP.load(SeqCst) {
            TURNS.fetch_add(1, SeqCst);
            strays += u64::from(!both.contains(machine::this_cpu_hint()));
        }
        strays
    })?;
    thread.bind(&both)?;
    for cpu in [1, 2] {
        off(machine, cpu)?;
        checks.equal("one-of-two-goes", is_turning(), true);
        on(machine, cpu)?;
    }
    off(machine, 1)?;
    off(machine, 2)?;
    checks.equal("both-go", stays(&TURNS), true);
    on(machine, 2)?;
    checks.equal("one-of-two-comes", is_turning(), true);
    on(machine, 1)?;
    checks.equal("on-either", stop(thread)?, 0);
    Ok(())
}
