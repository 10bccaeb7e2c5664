//! The percpu server, called by threads of different priorities at once.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::notification::Notification;
use userlib::thread::{self, Place};
use userlib::{Refusal, ipc, machine, percpu};

use super::{LOW, MIDDLE, TOP, busy};

/// Urgent callers of the percpu server are served though less urgent ones are kept from running in the middle of it.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    static STOP: AtomicU64 = AtomicU64::new(0);
    STOP.store(0, Ordering::SeqCst);
    let calling = || {
        let lowered = thread::set_priority(Handle::NONE, LOW);
        let mut failed = u64::from(lowered.is_err());
        while STOP.load(Ordering::SeqCst) == 0 {
            failed += u64::from(percpu::hello().is_err());
        }
        failed
    };
    let mut callers = [const { None }; 4];
    for (caller, cpu) in callers.iter_mut().zip(machine::online()) {
        *caller = Some(thread::spawn(Place::Cpu(cpu), calling)?);
    }
    let_all_wait_a_while()?;
    let hog = thread::spawn(Place::Cpu(0), || {
        let lowered = thread::set_priority(Handle::NONE, MIDDLE);
        while STOP.load(Ordering::SeqCst) == 0 {
            core::hint::spin_loop();
        }
        u64::from(lowered.is_err())
    })?;
    let nap = Notification::create()?;
    let waking = thread::spawn(Place::Cpu(0), move || {
        // The most urgent thread waits in between, so that the others get into the server's way.
        let mut failed = u64::from(thread::set_priority(Handle::NONE, MIDDLE).is_err());
        while STOP.load(Ordering::SeqCst) == 0 {
            busy();
            failed += u64::from(nap.signal(1).is_err());
        }
        failed
    })?;
    let mut failed = 0;
    for _ in 0..40 {
        nap.wait()?;
        failed += (0..10).filter(|_| percpu::hello().is_err()).count();
    }
    STOP.store(1, Ordering::SeqCst);
    checks.equal("percpu-server-serves-the-urgent", failed, 0);
    for thread in callers.into_iter().flatten().chain([hog, waking]) {
        checks.equal("percpu-server-callers", thread.join(), Ok(0));
    }
    ipc::drop_capability(nap.0)
}

/// Lets less urgent threads of this CPU run for some time.
fn let_all_wait_a_while() -> Result<(), Refusal> {
    thread::set_priority(Handle::NONE, LOW)?;
    busy();
    thread::set_priority(Handle::NONE, TOP)
}
