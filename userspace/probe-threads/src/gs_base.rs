//! A program can spoil its own GS base; the kernel mends it whenever it is entered, and takes no harm.

use core::arch::asm;

use userlib::abi::window::WINDOW_BASE;
use userlib::cell::here;
use userlib::checks::Checks;
use userlib::{machine, thread};

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
}

/// Loads the null selector, which every CPU allows: the base becomes 0.
fn spoil() {
    // SAFETY: nothing is done with GS before the kernel has mended it; this code does not use per-CPU cells.
    unsafe { asm!("mov gs, {selector:x}", selector = in(reg) 0, options(nomem, nostack, preserves_flags)) }
}
