//! Locks between threads of different priorities on one CPU: the most urgent one waits for the least urgent, while
//! others want the CPU all the time.
//!
//! The first thread is the most urgent one, so nobody else moves unless it waits.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::{Call, Registers};
use userlib::checks::Checks;
use userlib::ipc;
use userlib::notification::Notification;
use userlib::sync::{Mutex, Once};
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, syscall};

use crate::priorities::{LOW, MIDDLE, busy};

/// Turns that a thread gets, more than it needs.
const PATIENCE: u64 = 1000;

static LOCK: Mutex<u64> = Mutex::new(0);
static MADE: Once<u64> = Once::new();
static STOP: AtomicU64 = AtomicU64::new(0);
static TURNS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    STOP.store(0, Ordering::SeqCst);
    let gate = Notification::create()?;
    let locking = held_while(gate, move || {
        let mut value = LOCK.lock();
        let told = gate.signal(1);
        busy();
        *value += 1;
        told
    })?;
    let making = held_while(gate, move || {
        let mut told = Ok(());
        MADE.call_once(|| {
            told = gate.signal(1);
            busy();
            5
        });
        told
    })?;
    let others = [
        // It wants the CPU whenever it can have it.
        at(MIDDLE, 0, || ())?,
        // It loses each turn at once, and may not have the next one of its priority before the holders have theirs.
        at(LOW, 1, || {
            let _ = syscall::ask(Call::Nothing, &Registers::default());
        })?,
        at(LOW - 1, 2, thread::yield_now)?,
    ];
    checks.equal("lending-gets-the-lock", *LOCK.lock(), 1);
    checks.equal("lending-gets-the-value", *MADE.call_once(|| 6), 5);
    let before = TURNS.each_ref().map(|turns| turns.load(Ordering::SeqCst));
    for (turns, before) in TURNS.iter().zip(before) {
        let moved = (0..PATIENCE).any(|_| {
            thread::lend();
            turns.load(Ordering::SeqCst) != before
        });
        checks.that("lending-to-each-priority", moved, format_args!("no turn"));
    }
    STOP.store(1, Ordering::SeqCst);
    checks.equal("lending-holder", locking.join(), Ok(0));
    checks.equal("lending-maker", making.join(), Ok(0));
    for other in others {
        checks.equal("lending-others", other.join(), Ok(0));
    }
    ipc::drop_capability(gate.0)
}

/// A thread of low priority that does something, and is in the middle of it when this returns.
fn held_while(
    gate: Notification,
    body: impl FnOnce() -> Result<(), Refusal> + Send + 'static,
) -> Result<Thread, Refusal> {
    let thread = thread::spawn(Place::Cpu(0), || u64::from(body().is_err()))?;
    thread.set_priority(LOW)?;
    gate.wait()?;
    Ok(thread)
}

/// A thread that counts its turns until it is stopped.
fn at(priority: u64, index: usize, between: fn()) -> Result<Thread, Refusal> {
    let thread = thread::spawn(Place::Cpu(0), move || {
        while STOP.load(Ordering::SeqCst) == 0 {
            TURNS[index].fetch_add(1, Ordering::SeqCst);
            between();
        }
        0
    })?;
    thread.set_priority(priority)?;
    Ok(thread)
}
