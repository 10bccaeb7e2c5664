//! A crowd: the same work in more threads than there are CPUs, while the kernel and the threads themselves move each
//! other about. For examples and probes.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use abi::Handle;
use abi::syscall::CpuMask;

use crate::sync::Mutex;
use crate::thread::{self, Bond, Place, Thread};
use crate::{Refusal, machine};

/// Threads that may run anywhere, for each CPU, beside the one that is bound to it.
const FLOATING: usize = 2;
/// Most threads of a crowd: each needs a slot of the capability table.
pub const MOST_THREADS: usize = 240;

/// The floating threads, for [`drive`]; from 0 on, as many as [`DRIVEN`] says.
static THREADS: [AtomicU64; MOST_THREADS] = [const { AtomicU64::new(0) }; MOST_THREADS];
static DRIVEN: AtomicUsize = AtomicUsize::new(0);
/// One crowd at a time, since they share the list.
static CROWD: Mutex<()> = Mutex::new(());

/// How many threads a crowd has.
#[must_use]
pub fn size() -> usize {
    ((1 + FLOATING) * machine::online_cpus()).min(MOST_THREADS)
}

/// Runs `body` with the numbers from 0 to [`size`], each in a thread: one bound to each CPU, and two more for each
/// that may run anywhere. Waits for all, and gives back the sum of their codes.
///
/// # Errors
/// The kernel's refusal.
pub fn run<F>(body: F) -> Result<u64, Refusal>
where
    F: Fn(usize) -> u64 + Copy + Send + 'static,
{
    let _alone = CROWD.lock();
    let mut threads = [const { None }; MOST_THREADS];
    let places = machine::online()
        .map(Place::Cpu)
        .chain(core::iter::repeat(Place::Anywhere));
    let mut outcome = Ok(());
    for ((index, place), slot) in places.take(size()).enumerate().zip(&mut threads) {
        match thread::spawn(place, move || body(index)) {
            Ok(thread) => {
                list(place, &thread);
                *slot = Some(thread);
            }
            Err(refusal) => {
                outcome = Err(refusal);
                break;
            }
        }
    }
    let mut sum = 0;
    for thread in threads.into_iter().flatten() {
        match thread.join() {
            Ok(code) => sum += code,
            // All are waited for, whatever becomes of one of them.
            Err(refusal) => outcome = Err(refusal),
        }
    }
    DRIVEN.store(0, Ordering::Relaxed);
    outcome.map(|()| sum)
}

fn list(place: Place, thread: &Thread) {
    if place == Place::Anywhere {
        let index = DRIVEN.load(Ordering::Relaxed);
        THREADS[index].store(thread.handle().0, Ordering::Relaxed);
        DRIVEN.store(index + 1, Ordering::Release);
    }
}

/// Binds some floating thread of the crowd to some CPU: wherever it is and whatever it does, it has to go there now.
/// What the threads of a crowd call now and then, if they shall be moved more often than the kernel does it. The
/// next call takes the next thread and another CPU.
pub fn drive() {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let (threads, cpus) = (DRIVEN.load(Ordering::Acquire), machine::online_cpus());
    if threads == 0 || cpus == 0 {
        return;
    }
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let handle = Handle(THREADS[turn % threads].load(Ordering::Relaxed));
    // One step more each time around, so that no thread is sent where it is already.
    if let Some(cpu) = machine::online().nth((turn + turn / threads) % cpus) {
        // One that has ended cannot be moved any more, and need not be. Loosely, so that it ends also when that CPU goes.
        let _ = thread::bind(handle, &CpuMask::only(cpu), Bond::Loose);
    }
}
