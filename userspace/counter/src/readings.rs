//! What the instructions cost: the time stamp counter around a thousand of them, unrolled.
//!
//! Under `--icount` the counter counts instructions. A reading can be disturbed by an interrupt, which only
//! makes it longer, so the smallest of several is the right one. The readings are raw: what the two RDTSC
//! themselves cost is the reading of nothing.

use core::arch::asm;

use userlib::{percpu, println};

percpu! {
    /// Added to, and never looked at.
    static READING: PerCpuCell<u64> = 0;
}

const TRIES: usize = 9;

/// Takes the readings and prints them.
pub fn print() {
    println!("reading empty {}", smallest(empty));
    println!("reading add {}", smallest(adds));
    println!("reading add+nop {}", smallest(adds_and_nops));
}

fn smallest(reading: impl Fn(usize) -> u64) -> u64 {
    let offset = READING.offset();
    let readings = (0..TRIES).map(|_| reading(offset));
    readings.min().unwrap_or(0)
}

/// Two readings around the instructions in `$between`, which may use `{cell}`.
macro_rules! reading {
    ($name:ident, $between:literal) => {
        #[inline(never)]
        fn $name(offset: usize) -> u64 {
            let (start, end): (u64, u64);
            // SAFETY: adds to a per-CPU word of this program's window, and changes registers only as declared.
            unsafe {
                asm!(
                    "rdtsc",
                    "shl rdx, 32",
                    "or rax, rdx",
                    "mov {start}, rax",
                    $between,
                    "rdtsc",
                    "shl rdx, 32",
                    "or rax, rdx",
                    cell = in(reg) offset,
                    start = out(reg) start,
                    out("rax") end,
                    out("rdx") _,
                    options(nostack),
                );
            }
            end.wrapping_sub(start)
        }
    };
}

reading!(empty, "/* nothing at {cell} */");
reading!(adds, ".rept 1000\n add qword ptr gs:[{cell}], 1\n .endr");
reading!(
    adds_and_nops,
    ".rept 1000\n add qword ptr gs:[{cell}], 1\n nop\n .endr"
);
