//! What several checks need.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::{Handle, PAGE_SIZE};
use userlib::percpu::{Populate, Region};
use userlib::thread::{self, Place};
use userlib::{Refusal, hotplug, machine};

/// How often others get the CPU until something has to have happened.
const PATIENCE: u64 = 200_000;
/// The same for something that must not happen.
const GRACE: u64 = 3000;

/// Takes a CPU off.
pub fn off(machine: Handle, cpu: usize) -> Result<(), Refusal> {
    hotplug::take_off(machine, cpu)
}

/// Brings a CPU back.
pub fn on(machine: Handle, cpu: usize) -> Result<(), Refusal> {
    hotplug::bring_back(machine, cpu)
}

/// Waits for something that should happen soon. Whether it did.
pub fn soon(mut happens: impl FnMut() -> bool) -> bool {
    for _ in 0..PATIENCE {
        if happens() {
            return true;
        }
        thread::yield_now();
    }
    false
}

/// Others get the CPU for a while.
pub fn yield_for_long() {
    (0..GRACE).for_each(|_| thread::yield_now());
}

/// Whether a word stays as it is for a while.
pub fn stays(word: &AtomicU64) -> bool {
    let before = word.load(Ordering::SeqCst);
    yield_for_long();
    word.load(Ordering::SeqCst) == before
}

/// Whether a thread runs on each CPU that is online, and the percpu server answers it there.
pub fn works() -> bool {
    machine::online().all(|cpu| {
        let asked = thread::spawn(Place::Cpu(cpu), move || {
            let made = Region::create(PAGE_SIZE, Populate::All, "works");
            let is_done = made.and_then(Region::destroy).is_ok();
            u64::from(is_done && machine::this_cpu_hint() == cpu)
        });
        asked.and_then(thread::Thread::join) == Ok(1)
    })
}
