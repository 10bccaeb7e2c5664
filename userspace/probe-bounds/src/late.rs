//! What comes while the kernel is busy for a thread is not lost: the end of its time slice, and what other CPUs want of
//! this one.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use userlib::abi::Message;
use userlib::abi::syscall::{CpuMask, Placement};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine};

use crate::memory;

/// Pages that take many slices to clear.
const PAGES: u64 = 20_000;
/// Turns of a loop that take a slice, about.
const SLICE: u64 = 500_000;

/// The long call has begun, or is about to.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
/// Set by threads that came to run.
static HAS_RUN: AtomicBool = AtomicBool::new(false);
/// The message that arrived.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

pub fn run(checks: &mut Checks) -> Result<(), Refusal> {
    thread::bind_self(&CpuMask::only(0))?;
    slice(checks)?;
    match machine::online_cpus() {
        1 => Ok(()),
        _ => wake_up(checks),
    }
}

/// Keeps the kernel busy, and then this CPU, without another call.
fn be_busy(until: impl Fn() -> bool) -> Result<bool, Refusal> {
    HAS_BEGUN.store(true, Ordering::SeqCst);
    ipc::drop_capability(memory(PAGES, Placement::Anywhere)?)?;
    let mut turns = 0..100 * SLICE;
    Ok(turns.any(|_| {
        core::hint::spin_loop();
        until()
    }))
}

/// A thread of this CPU gets its turn, although the slice ended within a call.
fn slice(checks: &mut Checks) -> Result<(), Refusal> {
    let other = thread::spawn(Place::Cpu(0), || {
        HAS_RUN.store(true, Ordering::SeqCst);
        0
    })?;
    let has_run = be_busy(|| HAS_RUN.load(Ordering::SeqCst))?;
    checks.that(
        "slice-ends-after-a-long-call",
        has_run,
        format_args!("it did not"),
    );
    other.join().map(drop)
}

/// A caller of another CPU finds the receiver of this one, although it asks within a call.
fn wake_up(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let receiver = thread::spawn(Place::Cpu(0), move || {
        let Ok(received) = endpoint.receive() else {
            return 1;
        };
        ARRIVED.store(received.message.label, Ordering::SeqCst);
        u64::from(ipc::reply(&received.message).is_err())
    })?;
    // It waits before the caller is there.
    (0..8).for_each(|_| thread::yield_now());
    HAS_BEGUN.store(false, Ordering::SeqCst);
    let caller = thread::spawn(Place::Cpu(1), move || {
        while !HAS_BEGUN.load(Ordering::SeqCst) {
            core::hint::spin_loop();
        }
        (0..SLICE).for_each(|_| core::hint::spin_loop());
        u64::from(endpoint.call(&Message::new(7, [0; 6])).is_err())
    })?;
    let has_arrived = be_busy(|| ARRIVED.load(Ordering::SeqCst) == 7)?;
    checks.that(
        "wake-up-after-a-long-call",
        has_arrived,
        format_args!("it did not come"),
    );
    checks.equal("caller", caller.join()?, 0);
    checks.equal("receiver", receiver.join()?, 0);
    ipc::drop_capability(endpoint.0)
}
