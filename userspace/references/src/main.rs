//! A service that is used by everybody and ends at some moment: a per-CPU reference count costs its users a few
//! unlocked instructions, and tells its owner when the last of them has gone.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use userlib::abi::syscall::CpuMask;
use userlib::reference::{PerCpuRef, RefError};
use userlib::{crowd, entry, percpu, println, thread};

entry!(main);

/// Uses after which the owner ends the service.
const ENOUGH: u64 = 20_000;

percpu! {
    static WORDS: PerCpuCell<u64> = 0;
    static USES: PerCpuCell<u64> = 0;
    static TOO_LATE: PerCpuCell<u64> = 0;
}

static USERS: PerCpuRef<WORDS> = PerCpuRef::over(WORDS);
/// There is nothing to use any more.
static IS_GONE: AtomicBool = AtomicBool::new(false);
static LAST_PUTS: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<u64, RefError> {
    let failed = crowd::run(|thread| if thread == 0 { end() } else { work() })?;
    let last = LAST_PUTS.load(Ordering::SeqCst);
    println!(
        "uses {}, of them after the end {}, last ones {last}",
        USES.sum(),
        TOO_LATE.sum()
    );
    let is_right = USERS.is_zero() && TOO_LATE.sum() == 0 && last == 1 && failed == 0;
    USERS.reinit(&CpuMask::ALL)?;
    println!(
        "and again: {}",
        if USERS.try_get_live() { "open" } else { "closed" }
    );
    Ok(u64::from(!is_right))
}

/// Uses the service until it is closed.
fn work() -> u64 {
    while USERS.try_get_live() {
        USES.increment();
        TOO_LATE.add(u64::from(IS_GONE.load(Ordering::SeqCst)));
        LAST_PUTS.fetch_add(u64::from(USERS.put()), Ordering::SeqCst);
    }
    0
}

/// The owner, who is bound to CPU 0 and comes back there.
fn end() -> u64 {
    while USES.sum() < ENOUGH {
        thread::yield_now();
    }
    match USERS.kill(&CpuMask::only(0)) {
        Ok(is_last) => LAST_PUTS.fetch_add(u64::from(is_last), Ordering::SeqCst),
        Err(error) => {
            println!("kill: {error}");
            return 1;
        }
    };
    let drained = USERS.drain();
    IS_GONE.store(true, Ordering::SeqCst);
    u64::from(drained.is_err())
}
