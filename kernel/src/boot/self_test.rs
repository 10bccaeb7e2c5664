//! Endings on purpose, so that the launcher and its tests see each kind of it.

use core::arch::asm;

use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::options::Options;
use crate::debug_exit::{self, Verdict};
use crate::log;

/// Ends here if the command line asks for an end right after the first chunk.
pub fn end_early(options: &Options) {
    if options.first_chunk_only {
        log!("all checks done");
        debug_exit::end(Verdict::Success);
    }
    if options.panic_test {
        panic!("asked for by panic_test");
    }
    if options.triple_fault_test {
        triple_fault();
    }
}

/// Stops this CPU if the command line asks for a hang after boot.
pub fn hang(options: &Options) {
    if options.hang_test {
        debug_exit::halt();
    }
}

fn triple_fault() -> ! {
    let nothing = DescriptorTablePointer {
        limit: 0,
        base: VirtAddr::zero(),
    };
    // SAFETY: nothing runs after this: without an IDT the first exception resets the machine.
    unsafe {
        lidt(&nothing);
        asm!("int3", options(noreturn));
    }
}
