//! Priorities: who is more urgent runs, a server runs at its caller's priority, and nobody takes more than was given.
//!
//! Threads here stay on CPU 0, the first one at [`TOP`], the highest that this program may give.

mod bystander;
mod floors;
mod percpu_server;
mod refusals;
mod servers;

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::notification::Notification;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, ipc};

use crate::lending;
use bystander::Bystander;

/// What the list of programs gives this one.
pub const TOP: u64 = 5;
/// What most threads have.
pub const MIDDLE: u64 = 3;
/// Of whoever is kept waiting.
pub const LOW: u64 = 1;
/// Instructions that take several slices.
const LONG: u64 = 2_000_000;
/// The bystander's turns when nobody stops it before.
const TURNS_IN_A_ROW: u64 = 1000;
/// Seen by somebody else than the first thread.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    refusals::check(checks)?;
    thread::set_priority(Handle::NONE, TOP)?;
    let (bystander, counting) = Bystander::start(MIDDLE)?;
    strict(checks, bystander)?;
    woken(checks)?;
    changed_while_ready(checks, bystander)?;
    servers::check(checks, bystander)?;
    floors::check(checks, bystander)?;
    bystander.end()?;
    checks.equal("bystander", counting.join(), Ok(0));
    percpu_server::check(checks)?;
    lending::check(checks)?;
    refusals::lowered(checks)
}

/// A thread of that priority, which waits for something or has ended when this returns.
fn spawn(priority: u64, body: impl FnOnce() -> u64 + Send + 'static) -> Result<Thread, Refusal> {
    let thread = thread::spawn(Place::Cpu(0), move || {
        match thread::set_priority(Handle::NONE, priority) {
            Ok(()) => body(),
            Err(_) => u64::MAX,
        }
    })?;
    let_all_wait()?;
    Ok(thread)
}

/// Lets all others of this CPU run until they wait.
fn let_all_wait() -> Result<(), Refusal> {
    thread::set_priority(Handle::NONE, 0)?;
    thread::set_priority(Handle::NONE, TOP)
}

/// Takes several slices.
pub fn busy() {
    (0..LONG).for_each(|step| {
        core::hint::black_box(step);
    });
}

/// Nobody runs while somebody more urgent does, slice after slice; equals share.
fn strict(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let turns = bystander.turns_while(|| {
        busy();
        Ok(())
    })?;
    checks.equal("less-urgent-never-runs", turns, 0);
    let turns = bystander.turns_while(|| {
        thread::set_priority(Handle::NONE, MIDDLE)?;
        // On a loaded host the end of a slice may come late.
        (0..1000)
            .take_while(|_| Bystander::turns() == 0)
            .for_each(|_| busy());
        thread::set_priority(Handle::NONE, TOP)
    })?;
    checks.that("equals-share", turns > 0, format_args!("no turn"));
    let turns = bystander.turns_while(|| {
        thread::set_priority(Handle::NONE, MIDDLE + 1)?;
        (0..100).for_each(|_| thread::yield_now());
        thread::set_priority(Handle::NONE, TOP)
    })?;
    checks.equal("yielding-helps-equals-only", turns, 0);
    Ok(())
}

/// Who is woken by somebody less urgent runs at once.
fn woken(checks: &mut Checks) -> Result<(), Refusal> {
    let woken = Notification::create()?;
    SEEN.store(0, Ordering::SeqCst);
    let waking = thread::spawn(Place::Cpu(0), move || {
        let lowered = thread::set_priority(Handle::NONE, LOW);
        let signalled = woken.signal(1);
        SEEN.store(1, Ordering::SeqCst);
        u64::from(lowered.is_err() || signalled.is_err())
    })?;
    woken.wait()?;
    checks.equal("woken-runs-at-once", SEEN.load(Ordering::SeqCst), 0);
    checks.equal("woken-by", waking.join(), Ok(0));
    Ok(())
}

/// A thread that is ready takes its new place at once.
fn changed_while_ready(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let gate = Notification::create()?;
    for (priority, turns) in [(MIDDLE + 1, 0), (LOW, TURNS_IN_A_ROW)] {
        let first = MIDDLE + LOW + 1 - priority;
        let thread = spawn(first, move || match gate.wait() {
            Ok(_) => Bystander::turns(),
            Err(_) => u64::MAX,
        })?;
        bystander.let_go(TURNS_IN_A_ROW)?;
        gate.signal(1)?;
        thread.set_priority(priority)?;
        checks.equal("changed-while-ready", thread.join(), Ok(turns));
        bystander.wait()?;
    }
    ipc::drop_capability(gate.0)
}
