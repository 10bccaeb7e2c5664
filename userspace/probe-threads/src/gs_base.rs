//! A program can spoil its own GS base; the kernel mends it whenever it is entered, and takes no harm. Its FS
//! base is the thread's own.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::window::WINDOW_BASE;
use userlib::cell::here;
use userlib::checks::Checks;
use userlib::machine;
use userlib::thread::{self, Place, Thread};

/// Threads that have an FS base each.
const THREADS: usize = 4;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let mut right = true;
    for _ in 0..100 {
        spoil();
        // Entering the kernel is all it takes.
        thread::yield_now();
        let unit = here().wrapping_sub(WINDOW_BASE);
        right &= unit.is_multiple_of(machine::stride())
            && unit / machine::stride() < machine::possible_cpus() as u64;
    }
    checks.that(
        "gs-base-is-mended",
        right,
        format_args!("the GS base is no unit's"),
    );
    fs_bases(checks);
}

/// Threads that share a CPU, and threads that move, each with an FS base of its own.
fn fs_bases(checks: &mut Checks) {
    let has_fsgsbase = __cpuid_count(7, 0).ebx & 1 == 1;
    if !has_fsgsbase {
        return checks.that("fs-base-is-kept", true, format_args!(""));
    }
    let places = [Place::Cpu(0), Place::Cpu(0), Place::Anywhere, Place::Anywhere];
    let mut base = 0;
    let threads = places.map(|place| {
        base += 0x1000;
        thread::spawn(place, move || lost_fs_bases(base))
    });
    let lost = threads.map(|thread| thread.and_then(Thread::join));
    checks.equal("fs-base-is-kept", lost, [Ok(0); THREADS]);
}

/// How often another FS base was found than the one that was set.
fn lost_fs_bases(base: u64) -> u64 {
    // SAFETY: every CPU has FSGSBASE (asked above), and nothing in this program uses FS.
    unsafe { asm!("wrfsbase {}", in(reg) base, options(nomem, nostack, preserves_flags)) };
    // All at once, so that they follow each other on a CPU.
    static STARTED: AtomicU64 = AtomicU64::new(0);
    STARTED.fetch_add(1, Ordering::SeqCst);
    while STARTED.load(Ordering::SeqCst) < THREADS as u64 {
        thread::yield_now();
    }
    let mut lost = 0;
    for _ in 0..200 {
        thread::yield_now();
        let found: u64;
        // SAFETY: as above.
        unsafe { asm!("rdfsbase {}", out(reg) found, options(nomem, nostack, preserves_flags)) };
        lost += u64::from(found != base);
    }
    lost
}

/// Loads the null selector, which every CPU allows: the base becomes 0.
fn spoil() {
    // SAFETY: nothing is done with GS before the kernel has mended it; this code does not use per-CPU cells.
    unsafe { asm!("mov gs, {selector:x}", selector = in(reg) 0, options(nomem, nostack, preserves_flags)) }
}
