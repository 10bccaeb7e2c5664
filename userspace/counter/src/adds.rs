//! The additions, each a function with a name of its own, so that a disassembly can be checked: in each of
//! `counter_add_*` there is one GS-relative instruction, and it has no lock prefix.

use userlib::{PerCpuCell, percpu};

percpu! {
    /// Counted by everyone.
    pub static STATIC: PerCpuCell<u64> = 0;
    /// Counted by everyone, in the wrong way.
    pub static LOSSY: PerCpuCell<u64> = 0;
}

/// Adds to the static.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn counter_add_static(amount: u64) {
    STATIC.add(amount);
}

/// Adds to a cell of a region from the reserved part.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn counter_add_reserved(cell: PerCpuCell<u64>, amount: u64) {
    cell.add(amount);
}

/// Adds one to a cell of a dynamic region. Not `add`: the linker would take it for the function above.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn counter_add_dynamic(cell: PerCpuCell<u64>) {
    cell.increment();
}

/// Adds one to the lossy static, `adds` times, by reading and writing: between the two, another thread of the CPU
/// may count in vain, or this one may find itself on another CPU.
pub fn lossy(adds: u64) -> u64 {
    for _ in 0..adds {
        LOSSY.set(counter_plus_one(LOSSY.get()));
    }
    0
}

/// A function of its own, so that the two instructions lie in different blocks: QEMU interrupts a virtual
/// CPU only between blocks.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn counter_plus_one(value: u64) -> u64 {
    value + 1
}
