//! The thread that does what is better done when no client waits.
//!
//! It asks the service for one chore at a time, and has it unlocked while it does that, at the lowest priority: whoever
//! else its CPU has to run comes first, unless a client is left with nothing but what the chore has in hand.

use abi::Handle;
use abi::syscall::HIGHEST_PRIORITY;
use percpu_service::{Bell, Service};
use userlib::notification::Notification;
use userlib::sync::Once;
use userlib::thread::Place;
use userlib::{Refusal, process, thread};

use crate::mapper::KernelMapper;
use crate::{PercpuService, be_urgent, with_service};

/// Of whoever does what nobody waits for.
const LOWEST_PRIORITY: u64 = 0;

/// The thread.
static THREAD: Once<Handle> = Once::new();
/// Wakes the thread up.
static WAKE_UP: Once<Notification> = Once::new();
static BELL: Bell = Bell::rung();

/// Makes the bell.
pub fn make_bell() -> Result<Notification, Refusal> {
    WAKE_UP.try_call_once(Notification::create).copied()
}

/// Wakes the thread up, if there is something to do and it sleeps.
pub fn ring_if(is_due: bool) {
    if is_due
        && BELL.ring()
        && let Some(wake_up) = WAKE_UP.get()
    {
        // Without it, memory goes back later, and clients wait for pages to be cleared.
        let _ = wake_up.signal(1);
    }
}

/// Starts the thread; nobody joins it. It ends the server with the kernel's refusal as its code.
pub fn start(bell: Notification, mapper: KernelMapper) -> Result<(), Refusal> {
    let chores = thread::spawn(Place::Anywhere, move || process::exit(run(bell, mapper)))?;
    THREAD.call_once(|| chores.into_handle());
    Ok(())
}

/// Asks the service until it has an answer; where that is for want of what a chore has in hand, when the chore is settled.
pub fn outlast<T>(mut ask: impl FnMut(&mut PercpuService) -> Option<T>) -> T {
    loop {
        if let Some(answer) = with_service(&mut ask) {
            return answer;
        }
        while with_service(|service| hurry(service)) {
            thread::yield_now();
        }
    }
}

/// Makes the thread as urgent as those that serve while it has a chore in hand, or it might never come to its end. It
/// settles the chore before it is less urgent again. Whether it has one.
fn hurry(service: &PercpuService) -> bool {
    if service.is_busy()
        && let Some(chores) = THREAD.get()
    {
        let raised = thread::set_priority(*chores, HIGHEST_PRIORITY);
        assert!(raised.is_ok(), "init lets this server have its priority");
    }
    service.is_busy()
}

fn run(bell: Notification, mut mapper: KernelMapper) -> u64 {
    loop {
        let mut goes_on = true;
        while goes_on && let Some(chore) = locked(Service::chore) {
            let done = chore.act(&mut mapper);
            goes_on = locked(|service| service.settle(done));
        }
        BELL.rest();
        // What came up before that has rung in vain.
        ring_if(goes_on && locked(|service| service.is_balance_due()));
        if let Err(refusal) = bell.wait() {
            return refusal.status as u64;
        }
    }
}

/// Has the service locked for a moment, in which it is urgent.
fn locked<T>(act: impl FnOnce(&mut PercpuService) -> T) -> T {
    be_urgent();
    let result = with_service(act);
    // The kernel has no reason to refuse less.
    let _ = thread::set_priority(Handle::NONE, LOWEST_PRIORITY);
    result
}
