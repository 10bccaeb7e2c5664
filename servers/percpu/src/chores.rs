//! The server's first thread: does what is better done when no client waits.
//!
//! It asks the service for one chore at a time, and has it unlocked while it does that, at the lowest priority: whoever
//! else its CPU has to run comes first.

use abi::Handle;
use percpu_service::{Bell, Service};
use userlib::notification::Notification;
use userlib::sync::Once;
use userlib::{Refusal, thread};

use crate::mapper::KernelMapper;
use crate::{PercpuService, be_urgent, with_service};

/// Of whoever does what nobody waits for.
const LOWEST_PRIORITY: u64 = 0;

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

/// Does chores, for ever; ends with the kernel's refusal as its code.
pub fn run(bell: Notification, mut mapper: KernelMapper) -> u64 {
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
