//! Counters and reference counts whose parts belong to a CPU that is off.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use userlib::abi::syscall::CpuMask;
use userlib::abi::{Handle, Status};
use userlib::checks::Checks;
use userlib::thread::{self, Place, Thread};
use userlib::{PerCpuCounter, PerCpuRef, Refusal, machine, percpu};

use crate::helpers::{off, on};

percpu! {
    static DELTAS: PerCpuCell<i32> = 0;
    static OFTEN: PerCpuCell<i32> = 0;
    static REFERENCES: PerCpuCell<u64> = 0;
}

static COUNTER: PerCpuCounter<DELTAS> = PerCpuCounter::over(DELTAS);
static USERS: PerCpuRef<REFERENCES> = PerCpuRef::over(REFERENCES);

const CPU: usize = 1;
/// How often a CPU goes while a thread folds there.
const ROUNDS: usize = 20;

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    counter(checks, machine);
    folding(checks, machine);
    reference(checks, machine);
}

/// Does something on the CPU.
fn there(act: fn() -> u64) -> Result<u64, Refusal> {
    thread::spawn(Place::Cpu(CPU), act).and_then(Thread::join)
}

fn counter(checks: &mut Checks, machine: Handle) {
    let add = || {
        COUNTER.add(9);
        0
    };
    checks.equal("counter-add", there(add), Ok(0));
    let refused = Err(Refusal::new(Status::AlreadyOnline));
    checks.equal("counter-fold-online", COUNTER.fold_parked(CPU), refused);
    checks.equal("counter-off", off(machine, CPU), Ok(()));
    checks.equal("counter-parts", (COUNTER.read(), COUNTER.sum()), (0, 9));
    checks.equal("counter-fold", COUNTER.fold_parked(CPU), Ok(true));
    checks.equal("counter-folded", (COUNTER.read(), COUNTER.sum()), (9, 9));
    checks.equal("counter-delta", DELTAS.on(CPU), Some(0));
    checks.equal("counter-on", on(machine, CPU), Ok(()));
    checks.equal("counter-add-again", there(add), Ok(0));
    checks.equal("counter-off-again", off(machine, CPU), Ok(()));
    // Everywhere at once, the CPU that is off among them.
    COUNTER.add(4);
    checks.equal("counter-sync", COUNTER.sync(&CpuMask::ALL), Ok(()));
    checks.equal("counter-synced", (COUNTER.read(), COUNTER.sum()), (22, 22));
    checks.equal("counter-on-again", on(machine, CPU), Ok(()));
}

/// A thread goes with its CPU while it folds, most of the time with the lock. Nobody waits for it who can bring the CPU
/// back, and nothing is lost.
fn folding(checks: &mut Checks, machine: Handle) {
    static ALWAYS: PerCpuCounter<OFTEN> = PerCpuCounter::with_batch(OFTEN, 1);
    static STOP: AtomicBool = AtomicBool::new(false);
    let adding = thread::spawn(Place::Cpu(CPU), || {
        let mut added = 0;
        while !STOP.load(SeqCst) {
            ALWAYS.add(1);
            added += 1;
        }
        added
    });
    let outcomes = [(); ROUNDS].map(|()| {
        let gone = off(machine, CPU);
        let is_folded = ALWAYS.fold_parked(CPU);
        (gone.and(is_folded).is_ok(), on(machine, CPU))
    });
    checks.equal("folding-goes-on", outcomes, [(true, Ok(())); ROUNDS]);
    STOP.store(true, SeqCst);
    let added = adding.and_then(Thread::join);
    checks.equal("folding-is-exact", Ok(ALWAYS.sum() as u64), added);
}

/// What was got on a CPU that has gone counts, and it grants nothing when it is back.
fn reference(checks: &mut Checks, machine: Handle) {
    let get = || u64::from(!USERS.try_get_live());
    checks.equal("users-get", there(get), Ok(0));
    checks.equal("users-off", off(machine, CPU), Ok(()));
    checks.equal("users-kill", USERS.kill(&CpuMask::ALL), Ok(false));
    checks.equal("users-on", on(machine, CPU), Ok(()));
    checks.equal("users-none-live", there(get), Ok(1));
    checks.equal("users-off-again", off(machine, CPU), Ok(()));
    checks.equal("users-last", USERS.put(), true);
    checks.equal("users-drain", USERS.drain(), Ok(()));
    checks.equal("users-revive", USERS.reinit(&CpuMask::ALL), Ok(()));
    checks.equal("users-on-again", on(machine, CPU), Ok(()));
    checks.equal("users-live-again", there(get), Ok(0));
    let put = || u64::from(USERS.put());
    checks.equal("users-put", there(put), Ok(0));
    checks.equal("users-kill-last", USERS.kill(&CpuMask::ALL), Ok(true));
    checks.equal("users-units", REFERENCES.iter().count(), machine::possible_cpus());
}
